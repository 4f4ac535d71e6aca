"""Sending commands to chains from the command line, with this machine's control kit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ansvar.cli.options import DEFAULT_BUNDLE, console
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.emitter.kit import ProducerKit
    from ansvar.events.control import Control


async def send(
    directory: DataDirectory, commands: Callable[[ProducerKit], Iterable[tuple[int, Control]]]
) -> bool:
    """Send the (partition, command) that `commands` makes of the control kit, in order.

    Returns whether a worker may be at work on them now; without one, `ansvar up` or `worker` will be.
    """
    from ansvar.embedded.reaching import reached
    from ansvar.emitter.commanding import send_commands
    from ansvar.emitter.kit import ProducerKit
    from ansvar.initiation import CONTROL_PRODUCER
    from ansvar.settings import settings
    from ansvar.vault.keyring import kit_path

    say = console(stderr=True).print
    async with reached(directory, settings(), DEFAULT_BUNDLE, say) as there:
        kit = ProducerKit.read(kit_path(directory.keys, CONTROL_PRODUCER))
        await send_commands(kit, there.kafka, commands(kit))
        return there.processed
