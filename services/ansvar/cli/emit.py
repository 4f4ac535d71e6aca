"""`ansvar emit`: send the events of a file through Kafka, as a service with the SDK would."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from ansvar.cli.lines import numbered_lines, opened, progress
from ansvar.cli.options import DEFAULT_BUNDLE, DEFAULT_DATA_DIR, Bundle, DataDir, console, log_to
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.emitter.batching import Delivery
    from ansvar.emitter.emitter import Emitter


class Totals(Struct):
    """What became of the lines so far."""

    emitted: int = 0
    refused: int = 0
    failed: int = 0
    processed: bool = False  # whether something runs that takes the events from Kafka
    records: set[tuple[int, int]] = set()

    def refuse(self, text: str) -> None:
        """Count a bad line and say why."""
        self.refused += 1
        sys.stderr.write(text + "\n")

    def delivered(self, future: asyncio.Future[Delivery]) -> None:
        """Count a delivery, or a failed one."""
        if future.cancelled() or future.exception() is not None:
            self.failed += 1
            return
        self.emitted += 1
        self.records.add((future.result().partition, future.result().offset))


def emit(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="A file of JSON Lines, or - for standard input.")
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Send nothing if any line is bad.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    bundle: Bundle = DEFAULT_BUNDLE,
) -> None:
    """Emit JSON Lines events to Kafka and print one line of totals.

    Bad lines are reported by number on standard error and the rest is sent; the exit code is then 2. Without
    ANSVAR_KAFKA and without a running stack, the embedded broker is started for the length of the command;
    the next `ansvar up` or `ansvar worker` processes what was sent.

    Example: ansvar emit events.jsonl
    """
    directory = DataDirectory(data_dir)
    totals = Totals()
    with opened(file) as source, progress(source, "emitting") as advance:
        lines: Iterable[tuple[int, bytes]] = numbered_lines(source, advance)
        if strict:
            lines = list(lines)
            _check(lines, totals)
            if totals.refused:
                sys.stderr.write(f"nothing was sent: {totals.refused} lines are bad\n")
                raise typer.Exit(2)
        log_to(directory)
        asyncio.run(_send(lines, directory, bundle, totals))
    if totals.emitted and not totals.processed:
        sys.stderr.write("nothing is running here: ansvar up (or worker) will judge and record them\n")
    console().print(
        f"emitted {totals.emitted} events in {len(totals.records)} records; {totals.refused} lines refused"
    )
    if totals.failed:
        sys.stderr.write(
            f"{totals.failed} events were not confirmed; emit them again with the same event_id\n"
        )
    if totals.refused or totals.failed:
        raise typer.Exit(2)


def _check(lines: Iterable[tuple[int, bytes]], totals: Totals) -> None:
    """Find every bad line before anything is sent."""
    from ansvar.events.boundary import parse_event
    from ansvar.events.errors import InvalidEvent
    from ansvar.events.identifiers import normalise_event

    for number, line in lines:
        try:
            normalise_event(parse_event(line, line=number))
        except InvalidEvent as fault:
            totals.refuse(str(fault.placed(line=number)))


async def _send(
    lines: Iterable[tuple[int, bytes]], directory: DataDirectory, bundle: Path, totals: Totals
) -> None:
    from ansvar.embedded.reaching import reached
    from ansvar.emitter.emitter import Emitter
    from ansvar.initiation import LOCAL_PRODUCER
    from ansvar.settings import settings
    from ansvar.vault.keyring import kit_path

    async with (
        reached(directory, settings(), bundle, console(stderr=True).print) as there,
        Emitter(kit_path(directory.keys, LOCAL_PRODUCER), there.kafka) as emitter,
    ):
        totals.processed = there.processed
        await _enqueue(lines, emitter, totals)
        await emitter.flush()


async def _enqueue(lines: Iterable[tuple[int, bytes]], emitter: Emitter, totals: Totals) -> None:
    from ansvar.events.boundary import parse_event
    from ansvar.events.errors import InvalidEvent

    for number, line in lines:
        try:
            future = await emitter.enqueue(parse_event(line, line=number))
        except InvalidEvent as fault:
            totals.refuse(str(fault.placed(line=number)))
        else:
            future.add_done_callback(totals.delivered)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("emit")(emit)
