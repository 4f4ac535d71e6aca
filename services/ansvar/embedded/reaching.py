"""Reaching Kafka from a command: by the running stack, the Kafka that is named, or a broker of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from ansvar.directory import DataDirectory
from ansvar.embedded.owning import owned, running_stack
from ansvar.embedded.stack import broker, founded, named_kafka
from ansvar.emitter.kafka import KafkaSettings
from ansvar.enforcement.wiring import make_topics
from ansvar.settings import Settings


class Reached(Struct, frozen=True):
    """Kafka, and whether a worker may be at work there now."""

    kafka: KafkaSettings
    processed: bool


@asynccontextmanager
async def reached(
    directory: DataDirectory, chosen: Settings, bundle: Path, progress: Callable[[str], None]
) -> AsyncIterator[Reached]:
    """Kafka, with the topics and this machine's producer kits in place.

    Without a running stack and without ANSVAR_KAFKA the embedded broker runs as long as this lasts. `bundle`
    counts at a founding only.
    """
    note = running_stack(directory)
    if note is not None:
        yield Reached(named_kafka() or KafkaSettings(bootstrap=note.kafka), True)
        return
    async with owned(directory), broker(directory, progress) as kafka:
        async with founded(directory, chosen, bundle) as (_, deployment):
            await make_topics(kafka, deployment, chosen)
        yield Reached(kafka, named_kafka() is not None)  # who works there cannot be seen from here
