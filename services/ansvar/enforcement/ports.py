"""What enforcement needs of Kafka besides the stream of records: two small ports, owned here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from ansvar.enforcement.effects import Message
from ansvar.enforcement.opening import Record


class Bounds(Struct, frozen=True):
    """The offsets a partition holds: `start` is the first retained, `end` one above the last."""

    start: int
    end: int


class TopicReader(Protocol):
    """Looks into the events topic beside the consumer group."""

    async def bounds(self, partition: int) -> Bounds:
        """Which offsets are there."""
        ...

    async def records(self, partition: int, start: int, end: int) -> list[Record]:
        """The retained records with start <= offset < end, in order."""
        ...


class Publisher(Protocol):
    """Publishes messages; returns when the broker has acknowledged all of them."""

    async def publish(self, messages: Sequence[Message]) -> None: ...
