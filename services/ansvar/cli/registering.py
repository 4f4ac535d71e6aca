"""Sending commands about producers and epochs to every chain, and waiting until a running stack has them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

import typer

from ansvar.cli.commanding import send
from ansvar.cli.ledger import opened
from ansvar.cli.options import console, log_to
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.deployment import Deployment
    from ansvar.emitter.kit import ProducerKit
    from ansvar.enforcement.registering import Registry
    from ansvar.enforcement.registrations import Told
    from ansvar.events.control import Control
    from ansvar.events.key_commands import SignedKeyCommand

_COMMANDS: Final = UUID("a0f3c9d4-1b52-4c6e-8d3e-7e3f2b9c4d15")  # the namespace; drawn once, never changed
_WAIT_SECONDS, _POLL_SECONDS = 60.0, 0.2


def deployed(directory: DataDirectory) -> tuple[Deployment, dict[int, Told]]:
    """The deployment of a data directory, and what its chains say of producers and epochs."""
    from ansvar.deployment import DeploymentError, from_record
    from ansvar.enforcement.registrations import told
    from ansvar.store.catalogue import Catalogue
    from ansvar.store.ledger import LedgerStore

    with opened(directory) as store:
        record = Catalogue(store).deployment()
        if record is None:
            raise DeploymentError("nothing was founded here yet; run: ansvar init")
        deployment = from_record(record)
        return deployment, told(LedgerStore(store), deployment)


def signed(
    directory: DataDirectory, deployment: Deployment, command: SignedKeyCommand, changes: int = 0
) -> Control:
    """A command under the operator's signature.

    Its id follows from what it says and how many changes came before, so the same command sent again, before
    or after it was taken, is a repetition.
    """
    from ansvar.events.control import signed_key_command
    from ansvar.events.key_commands import signed_bytes
    from ansvar.vault.keyring import operator_key

    content = signed_bytes(deployment.id, UUID(int=0), command).hex()
    id_ = uuid5(_COMMANDS, f"{content}/{changes}")
    return signed_key_command(operator_key(directory.keys), deployment.id, id_, command)


def send_to(
    directory: DataDirectory,
    commands: Callable[[ProducerKit], Iterable[tuple[int, Control]]],
    done: Callable[[Registry], bool],
) -> None:
    """Send (chain, command) in order; with a running stack wait until every chain is `done`."""
    from ansvar.embedded.stack import running_stack

    log_to(directory)
    asyncio.run(send(directory, commands))
    if running_stack(directory) is None:
        console(stderr=True).print("Nothing runs here now: the next ansvar up or worker records it.")
        return
    end = time.monotonic() + _WAIT_SECONDS
    while not all(done(one.registry) for one in deployed(directory)[1].values()):
        if time.monotonic() > end:
            sys.stderr.write("not every chain has it yet; look at the stack's log\n")
            raise typer.Exit(1)
        time.sleep(_POLL_SECONDS)


def lacking(chains: Mapping[int, Told], there: Callable[[Registry], bool]) -> list[int]:
    """The chains where something does not hold yet."""
    return [chain for chain, one in chains.items() if not there(one.registry)]
