"""`ansvar policy activate`: put a bundle in force on every chain."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID, uuid4

import typer

from ansvar.cli.options import DEFAULT_BUNDLE, DEFAULT_DATA_DIR, DataDir, console, log_to
from ansvar.cli.policy.reading import Ledger, canonical_of
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.accountability.policies import InForce

_WAIT_SECONDS, _POLL_SECONDS = 60.0, 0.2


def activate(
    bundle: Annotated[Path, typer.Argument(metavar="DIR", help="The bundle's directory.")],
    engine: Annotated[
        int | None, typer.Option(help="Version of the rules' code.", show_default="this program's newest")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Check a bundle, show what changes, ask, and send its activation to every chain.

    It takes effect on each chain where the command arrives among the events; rows before it stay as they
    are. Cut off, it can be run again: chains that have it are left out. With a running stack it waits until
    every chain has it.

    Example: ansvar policy activate ./policy-2026.2
    """
    from ansvar.policy.decide import ENGINE, ENGINES
    from ansvar.policy.difference import differences
    from ansvar.policy.loader import bundle_from_bytes

    chosen = ENGINE if engine is None else engine
    if chosen not in ENGINES:
        raise typer.BadParameter(f"engine {chosen} is not one of {', '.join(map(str, ENGINES))}")
    content = canonical_of(bundle)
    directory = DataDirectory(data_dir)
    ledger, out = Ledger(directory), console()
    new = bundle_from_bytes(content)
    sha256 = new.sha256.hex()
    policies = ledger.in_force()
    lacking = [p for p in policies if (p.bundle, p.engine) != (sha256, chosen)]
    if policies and not lacking:
        out.print(
            f"{new.name} {new.version} ({sha256[:16]}, engine {chosen}) is in force already; nothing was sent"
        )
        return
    for old in {(p.bundle, p.engine): p for p in lacking}.values():
        out.print(
            f"In force: {old.bundle[:16]}, engine {old.engine}. To come: {sha256[:16]}, engine {chosen}."
        )
        changes = differences(bundle_from_bytes(ledger.bundle(old.bundle)), new)
        for change in changes:
            out.print(f"  {change}")
        if not changes:
            out.print("  the bundles mean the same")
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("nobody can be asked here; say --yes to activate without asking")
        if not typer.confirm("Put it in force on every chain?"):
            raise typer.Exit(1)
    log_to(directory)
    asyncio.run(_send(directory, content, chosen, _id(policies, sha256, chosen), [p.chain for p in lacking]))
    _wait(ledger, directory, sha256, chosen)


def _id(policies: list[InForce], sha256: str, engine: int) -> UUID:
    """The activation to be resumed, where some chain has it already, or a new one."""
    known = {p.activation for p in policies if (p.bundle, p.engine) == (sha256, engine) and p.activation}
    return UUID(hex=min(known)) if known else uuid4()


async def _send(directory: DataDirectory, content: bytes, engine: int, id_: UUID, chains: list[int]) -> None:
    from ansvar.embedded.reaching import reached
    from ansvar.emitter.commanding import send_commands
    from ansvar.emitter.kit import ProducerKit
    from ansvar.events.control import signed_activation
    from ansvar.initiation import CONTROL_PRODUCER
    from ansvar.settings import settings
    from ansvar.vault import keyring

    say = console(stderr=True).print
    async with reached(directory, settings(), DEFAULT_BUNDLE, say) as there:
        kit = ProducerKit.read(keyring.kit_path(directory.keys, CONTROL_PRODUCER))
        operator = keyring.operator_key(directory.keys)
        command = signed_activation(operator, kit.deployment.bytes, id_, content, engine)
        wanted = chains or range(kit.chains)
        sent = await send_commands(kit, there.kafka, [(chain, command) for chain in wanted])
    console().print(f"activation {id_}: sent to {len(sent)} chains")


def _wait(ledger: Ledger, directory: DataDirectory, sha256: str, engine: int) -> None:
    """Wait until every chain has it, where something runs that can bring it there."""
    from ansvar.embedded.stack import running_stack

    if running_stack(directory) is None:
        console().print("Nothing runs here now: the next ansvar up or worker puts it in force.")
        return
    end = time.monotonic() + _WAIT_SECONDS
    while any((p.bundle, p.engine) != (sha256, engine) for p in ledger.in_force()):
        if time.monotonic() > end:
            sys.stderr.write(
                "not every chain has it yet; look with ansvar policy show, and at the stack's log\n"
            )
            raise typer.Exit(1)
        time.sleep(_POLL_SECONDS)
    console().print("in force on every chain")


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("activate")(activate)
