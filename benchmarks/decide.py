"""How fast events are judged on one core: `decide` alone, and `ansvar evaluate` from a file.

    python benchmarks/decide.py [--subjects 100000] [--events 200000] [--repeat 3]

The mix is a company's ordinary day: every subject is a customer whose data were collected, one in fifty has
objected to marketing; mostly contract and service, some marketing, one event in eight handed over, half of
those abroad. Events are made before the clock starts. `evaluate` is the command itself in a process of its
own, reading one file and writing another; its subjects are introduced by a collect and a contract each. Of
several runs the fastest counts: what slows a run down is other work on the machine.

An identifier is read once and then remembered, and reading an e-mail address or a phone number costs more
than all the rest of an event, so `evaluate` is measured twice: with 40 events a subject, and with four.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from ansvar.events.boundary import event_from_object
from ansvar.events.identifiers import normalise_event
from ansvar.policy.bundle import Bundle
from ansvar.policy.decide import decide
from ansvar.policy.state import Fact, SubjectState, observe
from ansvar.sample import sample_bundle

_START = datetime(2026, 1, 5, 7, tzinfo=UTC)
_CONTACT = ["name", "address", "email", "phone_number"]
_COMMAND = """
import typer
from ansvar.cli.evaluate import register
app = typer.Typer()
app.callback()(lambda: None)
register(app)
app()
"""


def subject(number: int) -> dict[str, str]:
    """One of the ways in which systems name a person."""
    if number % 3 == 0:
        return {"type": "email", "value": f"Person.{number}@example.com"}
    if number % 3 == 1:
        return {"type": "phone_number", "value": f"+4670{number % 10_000_000:07}"}
    return {"type": "customer_number", "value": f"K{number:08}"}


_PLAIN: list[tuple[int, dict[str, Any]]] = [
    (30, {"kind": "processing", "operation": "use", "purpose": "contract", "legal_basis": "contract"}),
    (15, {"kind": "processing", "operation": "store", "purpose": "contract", "legal_basis": "contract"}),
    (
        13,
        {"kind": "processing", "operation": "use", "purpose": "customer_service", "legal_basis": "contract"},
    ),
    (
        10,
        {
            "kind": "processing",
            "operation": "email",
            "purpose": "marketing",
            "legal_basis": "legitimate_interest",
        },
    ),
    (
        5,
        {
            "kind": "processing",
            "operation": "call",
            "purpose": "marketing",
            "legal_basis": "legitimate_interest",
        },
    ),
    (10, {"kind": "processing", "operation": "collect", "purpose": "contract", "legal_basis": "contract"}),
    (6, {"kind": "transfer", "recipient": "mailing-house", "purpose": "contract", "legal_basis": "contract"}),
    (
        6,
        {"kind": "transfer", "recipient": "app-hosting-us", "purpose": "contract", "legal_basis": "contract"},
    ),
    (3, {"kind": "rights", "right": "access", "phase": "received"}),
    (2, {"kind": "contract", "phase": "started"}),
]


def events(count: int, subjects: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Events as JSON objects, in order of time."""
    dice = random.Random(seed)
    weights = [weight for weight, _ in _PLAIN]
    for number in range(count):
        _, plain = dice.choices(_PLAIN, weights)[0]
        event = {
            **plain,
            "event_id": str(UUID(int=(0x0197 << 112) + (7 << 76) + (8 << 60) + number)),
            "occurred_at": (_START + timedelta(seconds=number)).isoformat(),
            "subject": subject(dice.randrange(subjects)),
            "system": "crm",
            "data_categories": dice.sample(_CONTACT, dice.randint(1, 3)),
        }
        if event.get("operation") == "call":
            event |= {"nix_checked_at": "2025-12-29", "nix_listed": False}
        if event.get("operation") == "collect":
            event["source"] = "data_subject"
        if event["kind"] == "rights":
            event["request_id"] = f"R{number}"
        if event["kind"] == "contract":
            event["contract_id"] = f"A{number}"
        yield event


def known(number: int) -> SubjectState:
    """The state of a customer of some years."""
    state = SubjectState()
    long_ago = datetime(2024, 3, 1, tzinfo=UTC)
    observe(
        state,
        Fact(
            kind="processing",
            occurred_at=long_ago,
            operation="collect",
            purpose="contract",
            data_categories=tuple(_CONTACT),
            source="data_subject",
        ),
    )
    observe(state, Fact(kind="contract", occurred_at=long_ago, contract=b"A1", phase="started"))
    if number % 50 == 0:
        observe(
            state,
            Fact(
                kind="rights",
                occurred_at=long_ago,
                right="objection",
                request=b"R1",
                phase="received",
                scope="direct_marketing",
            ),
        )
    return state


def measure_decide(bundle: Bundle, count: int, subjects: int, repeat: int) -> None:
    """`decide` alone, states looked up by subject."""
    judged = [normalise_event(event_from_object(event)) for event in events(count, subjects)]
    keys: dict[Any, SubjectState] = {}
    for event in judged:
        assert event.subject is not None
        keys.setdefault((event.subject.type, event.subject.value), known(len(keys)))
    while len(keys) < subjects:
        keys[("other", len(keys))] = known(len(keys))
    pairs = [(event, (event.subject.type, event.subject.value)) for event in judged if event.subject]
    fastest = float("inf")
    for _ in range(repeat):
        outcomes: Counter[str] = Counter()
        started = time.perf_counter()
        for event, key in pairs:
            outcomes[decide(event, keys[key], bundle, recorded_at=event.occurred_at).verdict] += 1
        fastest = min(fastest, time.perf_counter() - started)
    print(f"decide   {count / fastest:9,.0f} events/s  ({len(keys):,} subjects; {dict(outcomes)})")


def introduced(count: int, subjects: int) -> Iterator[dict[str, Any]]:
    """Events of which the first two of each subject make it a known customer."""
    long_ago = datetime(2024, 3, 1, tzinfo=UTC).isoformat()
    for number in range(subjects):
        common = {"subject": subject(number), "system": "crm", "occurred_at": long_ago, "purpose": "contract"}
        common |= {"legal_basis": "contract", "data_categories": _CONTACT}
        yield {**common, "kind": "processing", "operation": "collect", "source": "data_subject"}
        yield {**common, "kind": "contract", "contract_id": f"C{number}", "phase": "started"}
    yield from events(count - 2 * subjects, subjects)


def measure_evaluate(count: int, subjects: int, repeat: int) -> None:
    """The command, from a file to a file."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "events.jsonl"), Path(folder, "verdicts.jsonl")
        source.write_bytes(b"".join(msgspec.json.encode(e) + b"\n" for e in introduced(count, subjects)))
        idle = min(_timed("/dev/null", out) for _ in range(repeat))
        seconds = min(_timed(str(source), out) for _ in range(repeat))
        lines = out.read_bytes().count(b"\n")
        assert lines == count, f"{lines} verdicts for {count} events"
        size = source.stat().st_size
    print(
        f"evaluate {count / seconds:9,.0f} events/s  ({count // subjects} events a subject, "
        f"{size // count} B each; {count / (seconds - idle):,.0f} without its start of {idle:.2f} s)"
    )


def _timed(source: str, out: Path) -> float:
    with out.open("wb") as sink:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", _COMMAND, "evaluate", source], check=True, stdout=sink)  # noqa: S603 - our own command
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure judging on one core.")
    parser.add_argument("--subjects", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    measure_decide(sample_bundle(), asked.events, asked.subjects, asked.repeat)
    measure_evaluate(asked.events, asked.events // 40, asked.repeat)
    measure_evaluate(asked.events, asked.events // 4, 1)


if __name__ == "__main__":
    main()
