"""Is the topic still the one that the chain was fed from?

A topic that was deleted and made anew starts at offset 0 again: continuing after the chain's head would skip
its records or take others' for ours. The record at the head's offset, if the broker still has it, must be the
one that the head row names.
"""

from __future__ import annotations

import msgspec

from ansvar.enforcement.errors import StreamMismatch
from ansvar.enforcement.opening import Record
from ansvar.enforcement.ports import TopicReader
from ansvar.events.envelope import RecordType, split
from ansvar.events.errors import EventError
from ansvar.ledger.row import ZERO16, Row

_ADVICE = (
    "The topic was made anew or cut. Bring back the old topic, or adopt the new one with an "
    "operator-signed control event"
)


async def check_stream(reader: TopicReader, partition: int, head: Row) -> None:
    """Raise StreamMismatch unless the record at the head's offset is the one that the head row names.

    A chain without records yet, and a head whose record has expired, cannot be checked and pass.
    """
    if head.offset < 0:
        return
    bounds = await reader.bounds(partition)
    if head.offset >= bounds.end:
        raise StreamMismatch(
            f"partition {partition} ends at offset {bounds.end}, but the chain has seen offset "
            f"{head.offset}. {_ADVICE}."
        )
    if head.offset < bounds.start:
        return
    found = await reader.records(partition, head.offset, head.offset + 1)
    if not found or not _same(found[0], head):
        raise StreamMismatch(
            f"partition {partition}: the record at offset {head.offset} is not the one that row "
            f"{head.seq} of the chain was made from. {_ADVICE}."
        )


def _same(record: Record, head: Row) -> bool:
    if record.timestamp != head.recorded_at:
        return False
    if head.session != ZERO16:
        try:
            parts = split(record.value)
        except EventError:
            return False
        # the session of a forwarded record is sealed, its row's is the pair of chains
        session = head.session if parts.record.type is RecordType.FORWARDED else parts.session.session
        return (session, parts.record.number) == (head.session, head.batch)
    facts: dict[str, object] = msgspec.json.decode(head.extra) if head.extra else {}
    return facts.get("sha256") == record.sha256.hex()
