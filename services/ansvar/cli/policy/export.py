"""`ansvar policy export`: a bundle, or verdicts given under it, as JSON-LD.

Invariants: a file is replaced whole or not at all; verdicts are read and written one at a time, so any number
fits; a verdict is joined to its event by its line, and refused where the two do not agree.

Not handled here: what the documents say (`policy.linked_data`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
import typer
from msgspec import Struct

from ansvar.cli.lines import numbered_lines, opened
from ansvar.cli.options import refuse
from ansvar.policy.errors import PolicyError
from ansvar.policy.verdict import Finding, Outcome, Verdict
from ansvar.sample import SAMPLE_BUNDLE

if TYPE_CHECKING:
    from ansvar.policy.bundle import Bundle

Lines = Iterable[tuple[int, bytes]]


class _Line(Struct):
    """A line of `ansvar evaluate`: a verdict, or why the line was no event."""

    line: int
    error: str | None = None
    event_id: UUID | None = None
    verdict: Outcome | None = None
    findings: tuple[Finding, ...] = ()
    policy: str = ""
    engine: int | None = None


def export(
    bundle: Annotated[
        Path,
        typer.Argument(metavar="[DIR]", help="The bundle's directory.", show_default="the sample company's"),
    ] = SAMPLE_BUNDLE,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="IRI",
            help="What the IRIs of the bundle's own resources begin with; ends in # or /.",
            show_default="urn:ansvar:bundle:<sha256>#",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write there.", show_default="standard output")
    ] = None,
    verdicts: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Export these verdicts, printed by `ansvar evaluate`, instead."),
    ] = None,
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The events that --verdicts are about, the same file.")
    ] = None,
) -> None:
    """Print a bundle as JSON-LD in terms of the Data Privacy Vocabulary (DPV) 2.3.

    With --verdicts and --events, print instead one DPV record for each judged event: purpose, basis,
    categories, recipient, verdict and the rules that fired, and never whom it is about. Words that the bundle
    does not declare are left out, since they may name a person; their fields are named.

    Example: ansvar policy export ./policy --base https://example.org/policy# --out policy.jsonld
    """
    from ansvar.policy.linked_data import base_of, bundle_to_jsonld

    if (verdicts is None) != (events is None):
        refuse("--verdicts and --events go together: the verdicts, and the file of events they are about")
    if verdicts == str(events) == "-":
        refuse("standard input can be the verdicts or the events, not both; name a file for one of them")
    policy = _bundle(bundle)
    try:
        base_of(policy, base)
        with _output(out) as write:
            if verdicts is None or events is None:
                document = bundle_to_jsonld(policy, base=base)
                write.write(json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n")
            else:
                left_out = _write_verdicts(write, policy, base, str(events), verdicts)
                _note(left_out)
    except PolicyError as fault:
        refuse(str(fault))
    except BrokenPipeError:
        # The reader has had enough. Python flushes standard output again on exit: give that a place to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as fault:
        refuse(f"{fault.filename or 'standard output'}: {fault.strerror}")


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("export")(export)


def _bundle(directory: Path) -> Bundle:
    from ansvar.policy.errors import BundleError
    from ansvar.policy.loader import load_bundle

    try:
        return load_bundle(directory)
    except BundleError as fault:
        more = f" (and {len(fault.problems) - 1} more)" if len(fault.problems) > 1 else ""
        refuse(f"bundle {directory}: {fault.problems[0]}{more}")
    except (PolicyError, OSError) as fault:
        refuse(f"bundle {directory}: {fault}")


@contextmanager
def _output(path: Path | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that appears when it is whole (a device is written to as it is)."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write_verdicts(write: IO[bytes], policy: Bundle, base: str | None, events: str, verdicts: str) -> int:
    """One document with a record a line; the number of lines that were no valid events."""
    from ansvar.policy.linked_data import base_of, context

    with opened(events) as facts, opened(verdicts) as judged:
        head = json.dumps(context(base_of(policy, base)), ensure_ascii=False)
        write.write(f'{{"@context":{head},\n"@graph":['.encode())
        left_out = 0
        separator = b"\n"
        for record in _records(policy, numbered_lines(facts, _ignore), numbered_lines(judged, _ignore)):
            if record is None:
                left_out += 1
                continue
            write.write(separator + json.dumps(record, ensure_ascii=False).encode())
            separator = b",\n"
        write.write(b"\n]}\n")
    return left_out


def _records(policy: Bundle, events: Lines, verdicts: Lines) -> Iterator[dict[str, Any] | None]:
    """The record of each verdict; None for a line that `evaluate` could not judge."""
    from ansvar.events.boundary import parse_event
    from ansvar.events.errors import InvalidEvent
    from ansvar.policy.linked_data import OtherBundle, judged_event, verdict_node

    facts = iter(events)
    for number, text in verdicts:
        answer = _read(number, text)
        place, fact = next(facts, (0, b""))
        if answer.line != place:
            refuse(f"verdict line {number} is not about the next event, in line {place}; {_PAIR}")
        if answer.error is not None or answer.verdict is None:
            yield None
            continue
        try:
            event = parse_event(fact)
        except InvalidEvent as fault:
            refuse(f"events line {place}: {fault}; {_PAIR}")
        if event.event_id != answer.event_id:
            refuse(f"verdict line {number} names another event than events line {place}; {_PAIR}")
        judged = judged_event(
            event,
            Verdict(answer.verdict, answer.findings),
            policy=bytes.fromhex(answer.policy),
            engine=answer.engine,
        )
        try:
            yield verdict_node(judged, policy)
        except OtherBundle as fault:
            refuse(f"verdict line {number}: {fault}")
    if next(facts, None) is not None:
        refuse(f"there are more events than verdicts; {_PAIR}")


_PAIR = "name the very file that the verdicts were printed for"


def _read(number: int, text: bytes) -> _Line:
    try:
        answer = msgspec.json.decode(text, type=_Line)
        bytes.fromhex(answer.policy)
    except (msgspec.DecodeError, ValueError):
        refuse(f"verdict line {number} is not a line that `ansvar evaluate` prints")
    return answer


def _ignore(size: int) -> None:
    del size


def _note(left_out: int) -> None:
    if left_out:
        text = "line was no valid event and is" if left_out == 1 else "lines were no valid events and are"
        typer.echo(f"ansvar policy export: {left_out} {text} left out", err=True)
