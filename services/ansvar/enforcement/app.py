"""The Faust app: a thin agent around `Enforcer`.

Invariants, each against a way in which Faust loses records:
- Values are taken as raw bytes (a decode error would be acknowledged before any handler runs).
- `noack_take` with concurrency 1, acknowledged in order after `enforce` returned (an exception in the body
  acknowledges, and so does `take`); no exception leaves the body: an unexpected one stops the worker.
- Where to start is said by the ledger. Partitions are taken over when Faust says that a rebalance is
  complete: only there may it take long (`perform_seek` has a time limit, after which Faust waits for ever,
  and its fetcher calls it at any time, also for partitions that are just being taken away).
- `perform_seek` asks the broker nothing and seeks what is ours to the enforcer's resume point.
- What is committed is what the enforcer has done; Faust's own count passes what is in flight and stops at
  holes. Acknowledging only tells Faust that a message has left its hands.
- Partitions are released in the consumer's own hook, before Faust waits for anything, and once more before
  an assignment: each assignment reads the ledger anew.
- A crash inside Faust leaves the process alive and idle; it is reported as a failure.

Committed offsets are a hint for dashboards; nothing reads them to decide.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.transport.drivers.aiokafka import Consumer as FaustConsumer
from faust.types import TP

from ansvar.emitter.kafka import MAX_RECORD_BYTES, KafkaSettings
from ansvar.enforcement import parsing
from ansvar.enforcement.enforcer import Enforcer
from ansvar.enforcement.errors import EnforcementError, Revoked
from ansvar.enforcement.kafka import beside_value
from ansvar.enforcement.opening import Record

log = logging.getLogger(__name__)

TAKE_RECORDS = 200  # Kafka records of one micro-batch; each holds up to 1,000 events
TAKE_WITHIN = 0.005  # seconds to wait for more: 0.1 costs a waiting caller 99 ms at the median, 0.005 15 ms

_SESSION_SECONDS = 10.0  # after which the partitions of a worker that was killed go to others
_FINISH_SECONDS = 15.0
_STOP_SECONDS = 15.0


class Failure:
    """The first error that enforcement cannot go on after; the process that runs the app waits for it."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.happened = asyncio.Event()

    def report(self, error: BaseException) -> None:
        """Note the error; a later one is logged only. One that is not ours is told by its type."""
        ours = any(cls.__module__.startswith("ansvar.") for cls in type(error).__mro__)
        if not ours:
            # what went wrong may quote a person's data, where it went wrong does not
            where = "".join(traceback.format_tb(error.__traceback__))
            log.info("%s, raised at\n%s", type(error).__name__, where)
            error = EnforcementError(
                f"an unexpected {type(error).__name__} stopped the worker; the log says where. Nothing "
                "unfinished was acknowledged: a new start goes on where the ledger ends"
            )
        log.info("enforcement stops: %s", error)
        if self.error is None and isinstance(error, Exception):
            self.error = error
        self.happened.set()


def make_app(
    *,
    kafka: KafkaSettings,
    group: str,
    topic: str,
    enforcer: Enforcer,
    failure: Failure,
    member: str | None = None,
) -> faust.App:
    """An app that consumes `topic` in consumer group `group` and hands every record to `enforcer`.

    `member` is a name that no other worker of the group ever has: one that was killed then gets its
    partitions back at once, where others wait until the dead one's session has expired.
    """
    parsing.install()
    app = faust.App(
        group,
        broker=[f"kafka://{server}" for server in kafka.servers],
        broker_credentials=_credentials(kafka),
        broker_max_poll_records=100,
        broker_session_timeout=_SESSION_SECONDS,
        broker_commit_interval=1.0,
        consumer_group_instance_id=member,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_RECORD_BYTES + 1024 * 1024,
        consumer_metadata_max_age_ms=10_000,  # how soon a topic that was made anew is noticed
        cython_optimizations=True,
        store="memory://",
        stream_buffer_maxsize=256,
        stream_wait_empty=False,  # what is unacknowledged at a revocation is the next owner's
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,  # it would serve what it knows to anyone
    )
    app._create_directories = _no_directories  # type: ignore[method-assign] # there is no setting for it
    app.transport.Consumer = _consumer_class(topic, enforcer)  # type: ignore[misc] # the documented hook
    events = app.topic(topic, value_type=bytes, value_serializer="raw", key_serializer="raw")

    @app.agent(events, name="ansvar.enforce", concurrency=1)
    async def enforce(stream: Any) -> None:
        async for batch in stream.noack_take(TAKE_RECORDS, within=TAKE_WITHIN):
            done: Collection[int] = ()
            if failure.error is None:
                try:
                    done = await enforcer.enforce([_record(event.message) for event in batch])
                except Exception as error:  # noqa: BLE001 - if it left the body, Faust would acknowledge
                    failure.report(error)
            if failure.error is not None:
                await asyncio.Event().wait()  # nothing more is taken; the process is about to stop
            for event in batch:
                if event.message.partition in done:
                    event.ack()

    @app.on_rebalance_complete.connect
    async def take_over(*_: Any, **__: Any) -> None:
        try:
            for place in sorted(app.consumer.assignment()):
                if place.topic == topic:
                    await enforcer.take_over(place.partition)
        except Revoked:
            log.info("the next rebalance has begun")
        except Exception as error:  # noqa: BLE001 - Faust would crash, and say so in the log only
            failure.report(error)

    return app


def _no_directories() -> None:
    """Faust would make directories for tables, of which there are none, wherever the process was started."""


@asynccontextmanager
async def running_app(app: faust.App, enforcer: Enforcer, failure: Failure) -> AsyncIterator[None]:
    """Run the app; on leaving, the batch in hand is finished and acknowledged before the app stops.

    Entering does not wait until partitions are taken over, which a store that is away can hold up.
    """

    async def start() -> None:
        try:
            await app.start()
        except Exception as error:  # noqa: BLE001 - nobody awaits this task but at the end
            failure.report(error)

    async def watch() -> None:
        await app._crashed.wait()  # mode has no other way to wait for it
        failure.report(app.crash_reason or RuntimeError("Faust crashed without a reason"))

    starting, watching = asyncio.create_task(start()), asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await _within(_FINISH_SECONDS, enforcer.close(), "the batch in hand is not finished")
        await _within(_STOP_SECONDS, _stopped(app, starting), "Faust has not stopped")


async def _stopped(app: faust.App, starting: asyncio.Task[None]) -> None:
    await starting  # nothing holds it up any more; a half-started app would not stop
    await app.stop()


async def _within(seconds: float, step: Coroutine[Any, Any, None], otherwise: str) -> None:
    """Wait for a step, but not longer; it is not cancelled, because Faust swallows that and waits on."""
    done, _ = await asyncio.wait((asyncio.create_task(step),), timeout=seconds)
    if not done:
        # nothing unfinished was acknowledged: the next start goes on where the ledger ends
        log.warning("%s after %.0f s; stopping without it", otherwise, seconds)
    for task in done:
        task.result()


def _record(message: Any) -> Record:
    # Faust divides the broker's milliseconds by 1000; rounding gives the same integer back
    at = round(message.timestamp * 1000)
    return Record(message.partition, message.offset, at, message.value or b"", beside_value(message))


def _consumer_class(topic: str, enforcer: Enforcer) -> type[FaustConsumer]:
    class LedgerConsumer(FaustConsumer):
        """Starts every partition where the ledger says."""

        async def perform_seek(self) -> None:
            for place in sorted(self.assignment()):
                offset = enforcer.resume_offset(place.partition) if place.topic == topic else None
                if offset is None:
                    continue  # what is not ours is not enforced; it is sought when it was taken over
                await self.seek(place, offset)
                self._committed_offset[place] = offset
                self._read_offset[place] = offset - 1 if offset else None

        def _new_offset(self, place: TP) -> int | None:
            """What to commit: what is done, not what Faust counts, which stops at holes in the log."""
            for counted in (self._acked, self._acked_index, self._gap):
                counted.pop(place, None)
            return enforcer.resume_offset(place.partition) if place.topic == topic else None

        async def on_partitions_revoked(self, revoked: set[TP]) -> None:
            enforcer.release(place.partition for place in revoked if place.topic == topic)
            await super().on_partitions_revoked(revoked)

        async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
            enforcer.release_all()
            await super().on_partitions_assigned(assigned, generation_id)

        def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
            return _Thread(self, loop=self.loop, beacon=self.beacon)

    return LedgerConsumer


class _Thread(AIOKafkaConsumerThread):
    """Faust's consumer thread, which can also be stopped while the broker is gone."""

    async def on_thread_stop(self) -> None:
        try:
            await super().on_thread_stop()
        except (asyncio.CancelledError, KafkaError) as error:
            # aiokafka hands on its own cancellation of a fetch; Faust would wait for this thread for ever
            log.info("the consumer did not stop cleanly: %s", type(error).__name__)
            if self._consumer is not None:
                await self._consumer._client.close()


def _credentials(kafka: KafkaSettings) -> Any:
    options = kafka.client_options()
    context = options.get("ssl_context")
    if kafka.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context is not None else None
