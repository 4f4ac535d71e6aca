"""From an event to what a batch is made of: validated, normalised, given an id and a place, and encoded.

Invariants: what comes out can be sealed as it is, so a fault of an event shows here, before anything is
buffered, and never in a batch with other people's events. Each event is encoded once, on its own: that gives
its size, and a batch is the encoded events one after the other.

Time and randomness (for event ids) are injected. Not handled here: futures, limits of batches.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ansvar.emitter.batching import Prepared
from ansvar.emitter.ids import RANDOM_BYTES, uuid7
from ansvar.emitter.kit import ProducerKit
from ansvar.emitter.sessions import Clock, Randomness
from ansvar.events.avro_binary import write_long
from ansvar.events.boundary import validated
from ansvar.events.codec import encode_batch
from ansvar.events.errors import InvalidEvent
from ansvar.events.identifiers import normalise_event
from ansvar.events.model import EVENT_TYPES, Event
from ansvar.events.partition import partition_of

# A batch is a record whose only field is an array: blocks of items, each led by its count, and a zero
# (Apache Avro specification, "Arrays"). The counts are Avro longs.
_ONE_ITEM, _END = b"\x02", b"\x00"


class Preparation:
    """Prepares the events of one producer."""

    def __init__(self, kit: ProducerKit, clock: Clock, random: Randomness) -> None:
        self._kit = kit
        self._clock = clock
        self._random = random

    def prepare(self, event: Event, index: int | None = None) -> Prepared:
        """Make an event ready to send. Raises `InvalidEvent`, which names `index`, the place in a list."""
        try:
            return self._prepare(event)
        except InvalidEvent as fault:
            raise fault.placed(index=index) from None

    def _prepare(self, event: Event) -> Prepared:
        if not isinstance(event, EVENT_TYPES):
            raise InvalidEvent(f"a {type(event).__name__}", "one of the six types of event")
        event = validated(event)
        event_id = event.event_id or uuid7(int(self._clock() * 1000), self._random(RANDOM_BYTES))
        event = normalise_event(replace(event, event_id=event_id))
        partition = partition_of(self._kit.partition_key, event, self._kit.chains)
        return Prepared(event_id, partition, encode_alone(event))


def encode_alone(event: Event) -> bytes:
    """One event as the item of an Avro array, without the array around it."""
    block = encode_batch([event])
    return block[len(_ONE_ITEM) : -len(_END)]


def join_batch(encoded: Sequence[bytes]) -> bytes:
    """The Avro array of what `encode_alone` wrote: the bytes of `codec.encode_batch` of the same events."""
    return b"".join((write_long(len(encoded)), *encoded, _END))
