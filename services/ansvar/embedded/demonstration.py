"""The main job end to end on the sample company: emit a year, enforce it, hear the alerts, ask, verify.

Invariants: the broker, worker, store and vault are the real ones of the embedded stack; what was planted is
written by the sample's stories before any rule runs, and what was found is read back from the ledger, event
by event. A data directory that holds another demo, or anything else, is left alone. The year ends on the day
before the demo is first run, so that it holds nothing of the future and nothing old but what is planted; a
demo that is repeated keeps that day.
"""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaConsumer
from msgspec import Struct

from ansvar.accountability.overview import Table, overview
from ansvar.accountability.report import Report, from_json
from ansvar.directory import DataDirectory
from ansvar.embedded.errors import EmbeddedError
from ansvar.embedded.looking_back import LookedBack, look_back
from ansvar.embedded.stack import Stack, running
from ansvar.embedded.witnessed import witnessed
from ansvar.emitter.emitter import Emitter
from ansvar.events.codec import single_object_decode
from ansvar.events.model import Event
from ansvar.initiation import LOCAL_PRODUCER, LocalProducer
from ansvar.keyfiles import read_secret_file, write_secret_file
from ansvar.ledger.row import NO_EVENT
from ansvar.sample import SAMPLE_BUNDLE
from ansvar.sample.company import Year, generate, year_before
from ansvar.sample.plants.systems import NARROW
from ansvar.settings import Settings
from ansvar.store.checkpoints import Checkpoints
from ansvar.store.client import Store
from ansvar.vault.keyring import kit_path

_EMIT_AT_ONCE = 2_000
_NARROW = LocalProducer(NARROW, (NARROW,), ("processing",))  # one that claims more than it may, in the year


class NotThisDemo(EmbeddedError):
    """The data directory holds something else than this very demo."""


class NoYear(EmbeddedError):
    """The sample company has no year that could be recorded today."""


class Mark(Struct, frozen=True):
    """What a demo leaves in its data directory, so that the next one knows it."""

    events: int
    seed: int
    ends: date  # the last day of its year


class Outcome(Struct, frozen=True):
    """What the demo showed."""

    year: Year
    found: Mapping[str, int]  # rule -> number of events on which it fired
    wrong: int  # events of the year whose findings are not those planted, or that are not one row exactly
    alerts: Mapping[str, int]  # rule -> alerts heard, each once
    unheard: int  # denials of which no alert was heard
    others: int  # judged events in this ledger that are not the demo's
    alert_delay_ms: float | None  # median from the broker's time of the event to that of its alert
    looked_back: LookedBack
    kinds: Mapping[str, int]
    answers: list[Table]
    report: Report
    published: int  # rows under checkpoints that the witness has cosigned by now
    emit_seconds: float
    whole_seconds: float

    @property
    def as_planted(self) -> bool:
        """Whether what was planted was found, by rules and by clocks, no more, and every denial alerted."""
        found = all(self.found.get(rule, 0) == number for rule, number in self.year.planted.items())
        clocks = self.looked_back.clocks
        due = all(clocks.get(clock, 0) == number for clock, number in self.year.clocks.items())
        return self.wrong == 0 and self.unheard == 0 and found and due


class Steps(Struct, frozen=True):
    """How the demo tells a person where it is: sentences, and counts with a total."""

    say: Callable[[str], None]
    count: Callable[[str, int, int], None]


def claim(directory: DataDirectory, events: int, seed: int, today: date) -> Mark:
    """Take the data directory for this demo, and say which one it is: begun on `today`, or earlier.

    Raises NotThisDemo when the directory holds something else, and NoYear where the sample company has no
    year that could be recorded on that day.
    """
    path = directory.path / "demo.json"
    if path.exists():
        try:
            found = msgspec.json.decode(read_secret_file(path), type=Mark)
        except msgspec.MsgspecError as error:
            raise NotThisDemo(
                f"{path} is damaged or of another version; remove {directory.path} or choose another "
                "--data-dir"
            ) from error
        if (found.events, found.seed) != (events, seed):
            raise NotThisDemo(
                f"{directory.path} holds the demo of {found.events} events with seed {found.seed}; "
                "remove that directory, choose another --data-dir, or repeat that demo"
            )
        return found
    if (directory.clickhouse / "metadata").exists():
        raise NotThisDemo(f"{directory.path} holds a ledger that is no demo; choose another --data-dir")
    try:
        mark = Mark(events, seed, year_before(today))
    except ValueError as error:
        raise NoYear(str(error)) from error
    directory.make()
    write_secret_file(path, msgspec.json.encode(mark))
    return mark


@asynccontextmanager
async def demonstrated(
    directory: DataDirectory, settings: Settings, mark: Mark, steps: Steps, *, port: int | None
) -> AsyncIterator[tuple[Outcome, Stack]]:
    """Run the demo; yields what it showed while the stack still runs."""
    clock = asyncio.get_running_loop().time
    started = clock()
    steps.say(f"Imagining a year at Securio: {mark.events} events to {mark.ends}, seed {mark.seed}")
    year = generate(mark.events, mark.seed, ends=mark.ends, live=True)
    async with (
        witnessed(directory, settings, SAMPLE_BUNDLE, (_NARROW,), steps.say) as chosen,
        running(
            directory, chosen, bundle=SAMPLE_BUNDLE, port=port, progress=steps.say, further=(_NARROW,)
        ) as stack,
        _alerts(stack) as hear,
    ):
        emitted = clock()
        await _emit(stack, year, steps)
        emit_seconds = clock() - emitted
        await stack.caught_up(steps.count)
        whole_seconds = clock() - emitted
        looked_back = await look_back(stack, year, steps.say, steps.count)
        steps.say("Asking the ledger")
        judged = await asyncio.to_thread(_judged, stack.store)
        ours = {event.event_id for event in year.events}
        denied = {row.event_id for row in judged if row.verdict == "deny"} & ours
        heard = await hear()
        kinds = dict(await asyncio.to_thread(stack.store.query, _KINDS))
        answers = await asyncio.to_thread(overview, stack.store)
        steps.say("Verifying every row twice: by SQL in ClickHouse, and in Python")
        report = await asyncio.to_thread(_verified, stack)
        yield (
            Outcome(
                year,
                Counter(rule for row in judged if row.event_id in ours for rule in set(row.findings)),
                _wrong(year, judged),
                Counter(rule for event_id, rule in heard.alerts if event_id in ours),
                len(denied - {event_id for event_id, _ in heard.alerts}),
                sum(row.event_id not in ours for row in judged),
                statistics.median(heard.delays_ms) if heard.delays_ms else None,
                looked_back,
                kinds,
                answers,
                report,
                await asyncio.to_thread(_published, stack.store),
                emit_seconds,
                whole_seconds,
            ),
            stack,
        )
    steps.say(f"Done in {clock() - started:.0f} s")


async def _emit(stack: Stack, year: Year, steps: Steps) -> None:
    """Send every event through its producer. Nobody's events are parted between two of them."""
    keys = stack.directory.keys
    async with AsyncExitStack() as open_ones:
        senders: dict[str, Emitter] = {}
        for producer in sorted({LOCAL_PRODUCER, *year.producers.values()}):
            emitter = Emitter(kit_path(keys, producer), stack.kafka)
            senders[producer] = await open_ones.enter_async_context(emitter)
        for start in range(0, len(year.events), _EMIT_AT_ONCE):
            parts: defaultdict[str, list[Event]] = defaultdict(list)
            for event in year.events[start : start + _EMIT_AT_ONCE]:
                parts[year.producers.get(event.event_id or NO_EVENT, LOCAL_PRODUCER)].append(event)
            for producer, events in parts.items():
                await senders[producer].emit_many(events)
            steps.count("emitted", min(start + _EMIT_AT_ONCE, len(year.events)), len(year.events))


_KINDS = "SELECT kind, count() FROM {database}.ledger GROUP BY kind ORDER BY kind"


class _Judged(Struct, frozen=True):
    event_id: UUID
    verdict: str
    findings: tuple[str, ...]


def _judged(store: Store) -> list[_Judged]:
    """Every row that judges an event."""
    rows = store.query(
        "SELECT event_id, toString(verdict), findings FROM {database}.ledger "
        "WHERE verdict != '' AND stage != ''"
    )
    return [_Judged(event_id, verdict, tuple(findings)) for event_id, verdict, findings in rows]


def _wrong(year: Year, judged: Sequence[_Judged]) -> int:
    """Events of the year that are not one row exactly, or whose rules differ from the planted ones."""
    rows: defaultdict[UUID, list[tuple[str, ...]]] = defaultdict(list)
    for row in judged:
        rows[row.event_id].append(tuple(sorted(set(row.findings))))
    return sum(
        rows.get(event.event_id or NO_EVENT) != [year.expected.get(event.event_id or NO_EVENT, ())]
        for event in year.events
    )


def _verified(stack: Stack) -> Report:
    return from_json(stack.verify())


def _published(store: Store) -> int:
    checkpoints = Checkpoints(store)
    newest = [checkpoints.newest(chain, published=True) for chain in checkpoints.chains()]
    return sum(checkpoint.size for checkpoint in newest if checkpoint is not None)


class _Heard(Struct, frozen=True):
    alerts: list[tuple[UUID | None, str]]  # event and rule, each alert once
    delays_ms: list[float]


@asynccontextmanager
async def _alerts(stack: Stack) -> AsyncIterator[Callable[[], Awaitable[_Heard]]]:
    """Listen to the alerts topic; what is yielded tells what is in it by now."""
    topic = stack.settings.alerts_topic
    consumer = AIOKafkaConsumer(
        topic, enable_auto_commit=False, auto_offset_reset="earliest", **stack.kafka.client_options()
    )
    await consumer.start()

    async def hear() -> _Heard:
        places = consumer.assignment()
        ends = await consumer.end_offsets(places)
        heard: dict[bytes, tuple[UUID | None, str]] = {}
        delays: list[float] = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for messages in (await consumer.getmany(timeout_ms=1000)).values():
                for message in messages:
                    _, alert = single_object_decode(message.value)
                    if alert["alert_id"] not in heard:
                        heard[alert["alert_id"]] = _uuid(alert["event_id"]), alert["rule"]
                        delays.append(message.timestamp - _milliseconds(alert["recorded_at"]))
        return _Heard(list(heard.values()), delays)

    try:
        yield hear
    finally:
        await consumer.stop()


def _uuid(value: bytes | None) -> UUID | None:
    return None if value is None else UUID(bytes=value)


def _milliseconds(at: Any) -> float:
    return float(at.timestamp() * 1000) if hasattr(at, "timestamp") else float(at) / 1000
