"""The elements of Avro's binary encoding: numbers, strings, times, block counts.

Invariants: reading is strict where a general reader may be lenient, because the bytes come from other
people's machines: no length below zero, no number over 64 bits. A reader may return a position beyond the
data's end when the data ends too early; whoever reads the last element compares the two.

Not handled here: records, and which element comes when (`avro_compiler`).
Source: Apache Avro specification, "Binary Encoding".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ansvar.events.errors import UndecodableRecord

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST, _MOST = -(2**63), 2**63 - 1


def write_long(value: int) -> bytes:
    """Zig-zag, then seven bits a byte, least significant first; ValueError beyond 64 bits."""
    if not _LEAST <= value <= _MOST:
        raise ValueError("a long has 64 bits")
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """The number at a position and the position after it. IndexError where the data ends too early."""
    byte = data[at]
    value, shift, start = byte & 0x7F, 7, at
    while byte > 0x7F:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift > 70 or value >> 64:
            raise UndecodableRecord(f"a number of more than 64 bits at byte {start}")
    return (value >> 1) ^ -(value & 1), at + 1


def write_string(value: str) -> bytes:
    """Length in bytes, then UTF-8."""
    raw = value.encode()
    return write_long(len(raw)) + raw


def read_string(data: bytes, at: int) -> tuple[str, int]:
    """Strict UTF-8, else UnicodeDecodeError."""
    size, start = read_long(data, at)
    if size < 0:
        raise UndecodableRecord(f"a string of negative length at byte {at}")
    end = start + size
    if end > len(data):
        raise IndexError(f"a string of {size} bytes at byte {at}")
    return data[start:end].decode(), end


def read_block(data: bytes, at: int) -> tuple[int, int]:
    """How many items of an array follow; 0 is its end. The size beside a negative count is not needed."""
    count, at = read_long(data, at)
    if count < 0:
        _, at = read_long(data, at)
    return abs(count), at


def write_micros(at: datetime) -> bytes:
    """A timestamp-micros: from 1978 to 3111 eight groups of seven bits, moved apart in three steps."""
    passed = at - EPOCH
    micros = (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
    bits = micros << 1
    if not 1 << 49 <= bits < 1 << 56:
        return write_long(micros)
    bits = bits & 0x0FFFFFFF | (bits & 0xFFFFFFF0000000) << 4
    bits = bits & 0x00003FFF_00003FFF | (bits & 0x0FFFC000_0FFFC000) << 2
    bits = bits & 0x007F007F_007F007F | (bits & 0x3F803F80_3F803F80) << 1
    return (bits | 0x00808080_80808080).to_bytes(8, "little")


def read_micros(data: bytes, at: int) -> tuple[datetime, int]:
    """The aware time; eight bytes of a number not below zero by the inverse of `write_micros`."""
    end = at + 8
    bits = int.from_bytes(data[at:end], "little")
    if bits & 0x80808080_80808081 == 0x00808080_80808080:
        bits = bits & 0x007F007F_007F007F | (bits & 0x7F007F00_7F007F00) >> 1
        bits = bits & 0x00003FFF_00003FFF | (bits & 0x3FFF0000_3FFF0000) >> 2
        micros = (bits & 0x0FFFFFFF | (bits & 0x0FFFFFFF_00000000) >> 4) >> 1
    else:
        micros, end = read_long(data, at)
    try:
        return EPOCH + timedelta(0, 0, micros), end
    except OverflowError:
        raise UndecodableRecord(f"a time outside the calendar at byte {at}") from None
