"""What enforcement needs of others, as small ports owned here: Kafka beside its stream, and a signer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from ansvar.enforcement.effects import Message
from ansvar.enforcement.opening import Record
from ansvar.ledger.notes import Note, VerifierKey


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


class CheckpointSigner(Protocol):
    """Signs the checkpoints of every chain of one log; the keys may lie elsewhere."""

    def origin(self, chain: int) -> str:
        """The origin of a chain's checkpoints."""
        ...

    def sign(self, chain: int, size: int, root: bytes, at: int) -> Note:
        """The signed checkpoint; `at` in Unix seconds."""
        ...

    def public(self, chain: int) -> tuple[VerifierKey, ...]:
        """Every key that the chain's checkpoints were ever signed with."""
        ...
