"""`ansvar evaluate`: judge the events of a file without recording them.

Invariants: one line out for each line in (blank lines are skipped), in order; a bad line never stops the
rest; the exit code tells whether the input could be judged, never what the verdicts are.

Not handled here: the judging (`policy.evaluation`), the text format of events (`events.boundary`).
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, NoReturn
from uuid import UUID

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.progress import Progress

from ansvar.cli.lines import BYTE_ORDER_MARK, JSON_SPACE
from ansvar.events.boundary import parse_event
from ansvar.events.errors import InvalidEvent
from ansvar.policy.errors import BundleError, PolicyError
from ansvar.policy.evaluation import Evaluator
from ansvar.policy.loader import load_bundle
from ansvar.policy.verdict import Finding, Outcome
from ansvar.sample import SAMPLE_BUNDLE

# An event is at most 32 KiB: a longer line is read in parts and judged invalid by its first.
_LONGEST_LINE = 1 << 20
_LARGE_FILE = 8 << 20  # bytes; a smaller one is done before a progress bar can be read
_LINES_PER_STEP = 2_000

_Advance = Callable[[int], None]


class _Judged(Struct):
    event_id: UUID | None
    verdict: Outcome
    findings: tuple[Finding, ...]
    policy: str


class _Rejected(Struct):
    line: int
    error: str


def evaluate(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="A file of JSON Lines, or - for standard input.")
    ],
    bundle: Annotated[
        Path, typer.Option(metavar="DIR", help="The policy bundle.", show_default="the sample company's")
    ] = SAMPLE_BUNDLE,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="RFC 3339 time at which all count as recorded; by default each one's own."
        ),
    ] = None,
    data_dir: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Accepted as everywhere; this command reads and writes no data."),
    ] = Path(".ansvar"),
) -> None:
    """Judge JSON Lines events in order, from an empty state, without recording them.

    Prints one JSON object a line: event_id (as given, else null), verdict (permit, flag or deny), findings
    (rule, clause, severity, message) and policy (SHA-256 of the bundle). A line that is no valid event gives
    an object with line and error instead, and the exit code is 2 at the end. A verdict of deny does not
    change the exit code: read the verdicts.

    Example: ansvar evaluate events.jsonl --bundle ./policy --as-of 2026-03-02T12:00:00Z
    """
    del data_dir
    recorded_at = None if as_of is None else _time(as_of)
    try:
        policy = load_bundle(bundle)
    except BundleError as fault:
        more = f" (and {len(fault.problems) - 1} more)" if len(fault.problems) > 1 else ""
        _refuse(f"bundle {bundle}: {fault.problems[0]}{more}")
    except (PolicyError, OSError) as fault:
        _refuse(f"bundle {bundle}: {fault}")
    try:
        source = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as fault:
        _refuse(f"cannot read {file}: {fault.strerror}; name a file of JSON Lines, or - for standard input")
    try:
        with source, _progress(source) as advance:
            rejected = _judge_all(Evaluator(policy, as_of=recorded_at), source, policy.sha256.hex(), advance)
    except BrokenPipeError:
        # The reader has had enough. Python flushes standard output again on exit: give that a place to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    except OSError as fault:
        _refuse(f"stopped before the end of {file}: {fault.strerror}")
    if rejected:
        raise typer.Exit(2)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("evaluate")(evaluate)


def _judge_all(evaluator: Evaluator, source: IO[bytes], policy: str, advance: _Advance) -> int:
    """Judge every line onto standard output; the number of lines that are no valid event."""
    # Events and verdicts are trees that reference counting frees; looking for cycles among them cost a third.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    write = sys.stdout.buffer.write
    encode = msgspec.json.Encoder().encode
    rejected = done = 0
    for number, line in enumerate(_lines(source), 1):
        done += len(line)
        if number % _LINES_PER_STEP == 0:
            advance(done)
        text = line.removeprefix(BYTE_ORDER_MARK).strip(JSON_SPACE) if number == 1 else line.strip(JSON_SPACE)
        if not text:
            continue
        try:
            event = parse_event(text)
            verdict = evaluator.judge(event)
        except InvalidEvent as fault:
            rejected += 1
            write(encode(_Rejected(number, str(fault))) + b"\n")
        else:
            write(encode(_Judged(event.event_id, verdict.verdict, verdict.findings, policy)) + b"\n")
    advance(done)
    sys.stdout.buffer.flush()
    return rejected


def _lines(source: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; of an overlong one the beginning."""
    while line := source.readline(_LONGEST_LINE):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = source.readline(_LONGEST_LINE)
        yield line


@contextmanager
def _progress(source: IO[bytes]) -> Iterator[_Advance]:
    """A progress bar on standard error, if a person watches and there is something to wait for."""
    size = os.fstat(source.fileno()).st_size if sys.stderr.isatty() and source is not sys.stdin.buffer else 0
    if size < _LARGE_FILE:
        yield lambda _: None
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Judging", total=size)
        yield lambda done: progress.update(task, completed=done)


def _time(text: str) -> datetime:
    try:
        at = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        at = None
    if at is None or at.tzinfo is None:
        _refuse("--as-of is not an RFC 3339 time with offset, such as 2026-03-02T12:00:00Z")
    return at


def _refuse(message: str) -> NoReturn:
    """One line on standard error, and the exit code for wrong use or bad input."""
    typer.echo(f"ansvar evaluate: {' '.join(message.split())}", err=True)
    raise typer.Exit(2)
