"""Which partition, and so which chain, an event belongs to.

Invariants: the partition depends only on the deployment's partition key, the normalised subject and the
number of partitions; so every event of one identifier lies in one chain, in the order in which it was sent,
and a worker can recompute it. Without the key nobody can tell which partition a person's events are in.

Not handled here: normalising identifiers (`identifiers.normalise_event` has run), and persons with several
identifiers, who get a home chain from the vault.
"""

from __future__ import annotations

import hashlib
import hmac

from ansvar.events.model import Event, Identifier

PARTITION_KEY_BYTES = 32


def partition_of(key: bytes, event: Event, partitions: int) -> int:
    """The partition of a normalised event, 0 ≤ result < `partitions`.

    With a subject: first 8 bytes, big-endian, of HMAC-SHA256(key, type ‖ 0x00 ‖ value in UTF-8), modulo
    `partitions`. Types hold no zero byte, so the input is unambiguous. Without a subject: first 8 bytes of
    SHA-256 over the 16 bytes of the event id, which spreads such events and needs no key, since an event id
    is random. `ValueError` when there is neither, or on a key or number that cannot be one.
    """
    if len(key) != PARTITION_KEY_BYTES:
        raise ValueError(f"a partition key is {PARTITION_KEY_BYTES} bytes, not {len(key)}")
    if partitions < 1:
        raise ValueError(f"a topic has at least one partition, not {partitions}")
    if event.subject is not None:
        return home_of(key, event.subject, partitions)
    if event.event_id is not None:
        return int.from_bytes(hashlib.sha256(event.event_id.bytes).digest()[:8], "big") % partitions
    raise ValueError("an event without a subject needs an event_id before it can be placed")


def home_of(key: bytes, identifier: Identifier, partitions: int) -> int:
    """The partition of everything about a person under this (normalised) identifier."""
    digest = hmac.digest(key, f"{identifier.type}\0{identifier.value}".encode(), "sha256")
    return int.from_bytes(digest[:8], "big") % partitions
