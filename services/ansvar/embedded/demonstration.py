"""The main job end to end on the sample company: emit a year, enforce it, hear the alerts, ask, verify.

Invariants: the broker, worker, store and vault are the real ones of the embedded stack; what was planted is
written by the sample's stories before any rule runs, and what was found is read back from the ledger, event
by event. A data directory that holds another demo, or anything else, is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaConsumer
from msgspec import Struct

from ansvar.accountability.overview import Table, overview
from ansvar.accountability.verification import verify_everything
from ansvar.directory import DataDirectory
from ansvar.embedded.errors import EmbeddedError
from ansvar.embedded.stack import Stack, running
from ansvar.emitter.emitter import Emitter
from ansvar.enforcement.kafka import KafkaReader
from ansvar.enforcement.progressing import Lag, lag
from ansvar.enforcement.wiring import open_vault
from ansvar.events.codec import single_object_decode
from ansvar.initiation import LOCAL_PRODUCER
from ansvar.keyfiles import read_secret_file, write_secret_file
from ansvar.sample import SAMPLE_BUNDLE
from ansvar.sample.company import Year, generate
from ansvar.settings import Settings
from ansvar.store.client import Store
from ansvar.vault.keyring import kit_path
from ansvar.verifier.report import Report

_POLL_SECONDS = 0.1
_EMIT_AT_ONCE = 2_000


class NotThisDemo(EmbeddedError):
    """The data directory holds something else than this very demo."""


class Mark(Struct, frozen=True):
    """What a demo leaves in its data directory, so that the next one knows it."""

    events: int
    seed: int
    year: int


class Outcome(Struct, frozen=True):
    """What the demo showed."""

    year: Year
    found: Mapping[str, int]  # rule -> number of events on which it fired
    wrong: int  # events whose findings are not those planted
    alerts: Mapping[str, int]  # rule -> alerts heard, each once
    alert_delay_ms: float | None  # median from the broker's time of the event to that of its alert
    kinds: Mapping[str, int]
    answers: list[Table]
    report: Report
    emit_seconds: float
    whole_seconds: float

    @property
    def as_planted(self) -> bool:
        """Whether exactly what was planted was found, and every denial was alerted."""
        return self.wrong == 0 and all(self.found.get(r, 0) == n for r, n in self.year.planted.items())


class Steps(Struct, frozen=True):
    """How the demo tells a person where it is: sentences, and counts with a total."""

    say: Callable[[str], None]
    count: Callable[[str, int, int], None]


def claim(directory: DataDirectory, mark: Mark) -> None:
    """Take the data directory for this demo; raises NotThisDemo when it holds something else."""
    path = directory.path / "demo.json"
    if path.exists():
        try:
            found = msgspec.json.decode(read_secret_file(path), type=Mark)
        except msgspec.MsgspecError as error:
            raise NotThisDemo(
                f"{path} is damaged; remove {directory.path} or choose another --data-dir"
            ) from error
        if found != mark:
            raise NotThisDemo(
                f"{directory.path} holds the demo of {found.events} events with seed {found.seed}; "
                "remove that directory, choose another --data-dir, or repeat that demo"
            )
        return
    if (directory.clickhouse / "metadata").exists():
        raise NotThisDemo(f"{directory.path} holds a ledger that is no demo; choose another --data-dir")
    directory.make()
    write_secret_file(path, msgspec.json.encode(mark))


@asynccontextmanager
async def demonstrated(
    directory: DataDirectory, settings: Settings, mark: Mark, steps: Steps, *, port: int | None
) -> AsyncIterator[tuple[Outcome, Stack]]:
    """Run the demo; yields what it showed while the stack still runs."""
    clock = asyncio.get_running_loop().time
    started = clock()
    steps.say(f"Imagining a year at Securio: {mark.events} events, seed {mark.seed}")
    year = generate(mark.events, mark.seed, year=mark.year)
    async with (
        running(directory, settings, bundle=SAMPLE_BUNDLE, port=port, progress=steps.say) as stack,
        _alerts(stack) as hear,
    ):
        emitted = clock()
        async with Emitter(kit_path(directory.keys, LOCAL_PRODUCER), stack.kafka) as emitter:
            for start in range(0, len(year.events), _EMIT_AT_ONCE):
                await emitter.emit_many(year.events[start : start + _EMIT_AT_ONCE])
                steps.count("emitted", min(start + _EMIT_AT_ONCE, len(year.events)), len(year.events))
        emit_seconds = clock() - emitted
        await _caught_up(stack, steps)
        whole_seconds = clock() - emitted
        steps.say("Asking the ledger")
        findings = await asyncio.to_thread(_findings, stack.store)
        heard, delay = await hear()
        kinds = dict(await asyncio.to_thread(stack.store.query, _KINDS))
        answers = await asyncio.to_thread(overview, stack.store)
        steps.say("Verifying every row twice: by SQL in ClickHouse, and in Python")
        report = await asyncio.to_thread(_verified, stack)
        yield (
            Outcome(
                year,
                Counter(rule for rules in findings.values() for rule in set(rules)),
                _wrong(year, findings),
                heard,
                delay,
                kinds,
                answers,
                report,
                emit_seconds,
                whole_seconds,
            ),
            stack,
        )
    steps.say(f"Done in {clock() - started:.0f} s")


_KINDS = "SELECT kind, count() FROM {database}.ledger GROUP BY kind ORDER BY kind"


def _findings(store: Store) -> dict[UUID, tuple[str, ...]]:
    rows = store.query("SELECT event_id, findings FROM {database}.ledger WHERE notEmpty(findings)")
    return {event_id: tuple(rules) for event_id, rules in rows}


def _wrong(year: Year, findings: Mapping[UUID, tuple[str, ...]]) -> int:
    """Events whose rules differ from the planted ones, and findings on events that are not of the year."""
    events = {*year.expected, *findings}
    return sum(
        tuple(sorted(set(findings.get(event, ())))) != year.expected.get(event, ()) for event in events
    )


def _verified(stack: Stack) -> Report:
    vault = open_vault(stack.directory, stack.settings)
    try:
        return verify_everything(stack.store, vault)
    finally:
        vault.close()


async def _caught_up(stack: Stack, steps: Steps) -> None:
    """Wait until every record is in the ledger with its effects; raises what stopped the worker."""
    reader = KafkaReader(stack.kafka, stack.deployment.topic)
    await reader.start()
    try:
        while True:
            now: Lag = await lag(stack.enforcer, reader, range(stack.deployment.chains))
            steps.count("judged, sealed and stored", now.done, now.known)
            if now.caught_up:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stack.failure.happened.wait(), _POLL_SECONDS)
            if stack.failure.error is not None:
                raise stack.failure.error
    finally:
        await reader.stop()


@asynccontextmanager
async def _alerts(stack: Stack) -> AsyncIterator[Callable[[], Any]]:
    """Listen to the alerts topic; what is yielded returns (rule -> alerts, median delay in ms)."""
    topic = stack.settings.alerts_topic
    consumer = AIOKafkaConsumer(
        topic, enable_auto_commit=False, auto_offset_reset="earliest", **stack.kafka.client_options()
    )
    await consumer.start()

    async def hear() -> tuple[dict[str, int], float | None]:
        places = consumer.assignment()
        ends = await consumer.end_offsets(places)
        heard: dict[bytes, str] = {}
        delays: list[float] = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for messages in (await consumer.getmany(timeout_ms=1000)).values():
                for message in messages:
                    _, alert = single_object_decode(message.value)
                    if heard.setdefault(alert["alert_id"], alert["rule"]):
                        delays.append(message.timestamp - _milliseconds(alert["recorded_at"]))
        return dict(Counter(heard.values())), statistics.median(delays) if delays else None

    try:
        yield hear
    finally:
        await consumer.stop()


def _milliseconds(at: Any) -> float:
    return float(at.timestamp() * 1000) if hasattr(at, "timestamp") else float(at) / 1000
