"""`ansvar policy activate`: put a bundle in force on every chain."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID, uuid5

import typer

from ansvar.cli.commanding import send
from ansvar.cli.ledger import opened
from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, console, log_to
from ansvar.cli.policy.active import policies_of, with_bundles
from ansvar.cli.policy.checked import checked
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.accountability.policies import InForce
    from ansvar.emitter.kit import ProducerKit
    from ansvar.events.control import Control
    from ansvar.policy.bundle import Bundle

_WAIT_SECONDS, _POLL_SECONDS = 60.0, 0.2
_ACTIVATIONS = UUID("0d6c6a5e-6b0f-4a39-8d3a-5f8a1c2be7d4")  # the namespace; drawn once, never changed


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

    chosen = ENGINE if engine is None else engine
    if chosen not in ENGINES:
        raise typer.BadParameter(f"engine {chosen} is not one of {', '.join(map(str, ENGINES))}")
    content, new = checked(bundle)
    directory, out = DataDirectory(data_dir), console()
    sha256 = new.sha256.hex()
    policies, olds = with_bundles(directory)
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
        for change in _differences(olds[old.bundle], new):
            out.print(f"  {change}")
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("nobody can be asked here; say --yes to activate without asking")
        if not typer.confirm("Put it in force on every chain?"):
            raise typer.Exit(1)
    log_to(directory)
    activation = _id(directory, policies, (sha256, chosen))
    asyncio.run(_send(directory, content, chosen, activation, [p.chain for p in lacking]))
    _wait(directory, sha256, chosen)


def _differences(old: Bundle, new: Bundle) -> list[str]:
    from ansvar.policy.difference import differences

    return [str(change) for change in differences(old, new)] or ["the bundles mean the same"]


def _id(directory: DataDirectory, policies: list[InForce], wanted: tuple[str, int]) -> UUID:
    """The activation to be resumed where some chain has it and the others never had; else that of a new one.

    A new one's id follows from what is in force where, so the same command sent again before any chain took
    it is a repetition and no second activation.
    """
    from ansvar.accountability.policies import carried_out

    there = [p for p in policies if (p.bundle, p.engine) == wanted]
    lacking = [p for p in policies if p not in there]
    with opened(directory) as store:
        for activation in sorted({p.activation for p in there if p.activation}):
            if not carried_out(store, UUID(hex=activation)) & {p.chain for p in lacking}:
                return UUID(hex=activation)
    places = ",".join(f"{p.chain}:{p.seq}" for p in lacking)
    return uuid5(_ACTIVATIONS, f"{wanted[0]}/{wanted[1]}/{places}")


async def _send(directory: DataDirectory, content: bytes, engine: int, id_: UUID, chains: list[int]) -> None:
    from ansvar.events.control import signed_activation
    from ansvar.vault.keyring import operator_key

    def activations(kit: ProducerKit) -> list[tuple[int, Control]]:
        operator = operator_key(directory.keys)
        command = signed_activation(operator, kit.deployment.bytes, id_, content, engine)
        return [(chain, command) for chain in chains or range(kit.chains)]

    await send(directory, activations)
    console().print(f"activation {id_}: sent to {len(chains) or 'all'} chains")


def _wait(directory: DataDirectory, sha256: str, engine: int) -> None:
    """Wait until every chain has it, where something runs that can bring it there."""
    from ansvar.embedded.stack import running_stack

    if running_stack(directory) is None:
        console().print("Nothing runs here now: the next ansvar up or worker puts it in force.")
        return
    end = time.monotonic() + _WAIT_SECONDS
    while any((p.bundle, p.engine) != (sha256, engine) for p in policies_of(directory)):
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
