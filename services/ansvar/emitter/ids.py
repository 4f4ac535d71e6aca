"""Event ids: UUID version 7, time first and then chance (RFC 9562, 5.7).

Time and randomness are the caller's. Ids of one millisecond are in no order; an event's order is its place in
its chain.
"""

from __future__ import annotations

from uuid import UUID

RANDOM_BYTES = 10
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_BITS = (0xFFF << 64) | ((1 << 62) - 1)


def uuid7(milliseconds: int, randomness: bytes) -> UUID:
    """The UUIDv7 of a time in ms since the Unix epoch (48 bits) and 10 random bytes, of which 74 bits count.

    `ValueError` on a time or a length that does not fit.
    """
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"an event id takes {RANDOM_BYTES} random bytes, not {len(randomness)}")
    if not 0 <= milliseconds < 1 << 48:
        raise ValueError("an event id's time is an unsigned 48-bit number of milliseconds")
    chance = int.from_bytes(randomness, "big") & _RANDOM_BITS
    return UUID(int=milliseconds << 80 | _VERSION | _VARIANT | chance)
