"""The Faust app: a thin agent around `Enforcer`.

Invariants, each against a way in which Faust loses records:
- Values are taken as raw bytes (a decode error would be acknowledged before any handler runs).
- `noack_take` with concurrency 1, acknowledged in order after `enforce` returned (an exception in the body
  acknowledges, and so does `take`); no exception leaves the body: an unexpected one stops the worker.
- Where to start is said by the ledger: `perform_seek` seeks to the enforcer's resume point, after Faust's own
  seek, and corrects the committed offset Faust remembers (else commits freeze).
- Partitions are released in the consumer's own hook, before Faust waits for anything.

Committed offsets are a hint for dashboards; nothing reads them to decide.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import faust
from faust.transport.drivers.aiokafka import Consumer as FaustConsumer
from faust.types import TP

from ansvar.emitter.kafka import MAX_RECORD_BYTES, KafkaSettings
from ansvar.enforcement.enforcer import Enforcer
from ansvar.enforcement.opening import Record

log = logging.getLogger(__name__)

TAKE_RECORDS = 50  # Kafka records of one micro-batch; each holds up to 1,000 events
TAKE_WITHIN = 0.005  # seconds to wait for more: 0.1 costs a waiting caller 99 ms at the median, 0.005 15 ms


class Failure:
    """The first error that enforcement cannot go on after; the process that runs the app waits for it."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.happened = asyncio.Event()

    def report(self, error: BaseException) -> None:
        """Note the error; a later one is logged only."""
        log.error("enforcement stops: %s", error)
        if self.error is None:
            self.error = error
        self.happened.set()


def make_app(
    *, kafka: KafkaSettings, group: str, topic: str, enforcer: Enforcer, failure: Failure
) -> faust.App:
    """An app that consumes `topic` in consumer group `group` and hands every record to `enforcer`."""
    app = faust.App(
        group,
        broker=[f"kafka://{server}" for server in kafka.servers],
        broker_credentials=_credentials(kafka),
        broker_max_poll_records=100,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_RECORD_BYTES + 1024 * 1024,
        cython_optimizations=True,
        store="memory://",
        stream_buffer_maxsize=256,
        stream_wait_empty=False,  # what is unacknowledged at a revocation is the next owner's
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,  # it would serve what it knows to anyone
    )
    app.transport.Consumer = _consumer_class(topic, enforcer, failure)  # type: ignore[misc] # the documented hook
    events = app.topic(topic, value_type=bytes, value_serializer="raw", key_serializer="raw")

    @app.agent(events, name="ansvar.enforce", concurrency=1)
    async def enforce(stream: Any) -> None:
        async for batch in stream.noack_take(TAKE_RECORDS, within=TAKE_WITHIN):
            owned = [event for event in batch if enforcer.owns(event.message.partition)]
            try:
                done = await enforcer.enforce([_record(event.message) for event in owned])
            except Exception as error:  # noqa: BLE001 - if it left the body, Faust would acknowledge the batch
                failure.report(error)
                await asyncio.Event().wait()  # nothing more is taken; the process is about to stop
                return
            for event in owned:
                if event.message.partition in done:
                    event.ack()

    return app


def _record(message: Any) -> Record:
    # Faust divides the broker's milliseconds by 1000; rounding gives the same integer back
    return Record(message.partition, message.offset, round(message.timestamp * 1000), message.value or b"")


def _consumer_class(topic: str, enforcer: Enforcer, failure: Failure) -> type[FaustConsumer]:
    class LedgerConsumer(FaustConsumer):
        """Starts every partition where the ledger says."""

        async def perform_seek(self) -> None:
            await super().perform_seek()
            for place in sorted(self.assignment()):
                if place.topic != topic:
                    continue
                try:
                    offset = await enforcer.take_over(place.partition)
                except Exception as error:  # noqa: BLE001 - Faust would log it and start at the wrong place
                    failure.report(error)
                    await asyncio.Event().wait()
                await self.seek(place, offset)
                self._committed_offset[place] = offset
                self._read_offset[place] = offset - 1 if offset else None

        async def on_partitions_revoked(self, revoked: set[TP]) -> None:
            enforcer.release(place.partition for place in revoked if place.topic == topic)
            await super().on_partitions_revoked(revoked)

    return LedgerConsumer


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
