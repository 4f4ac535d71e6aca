"""ClickHouse RowBinary, for the column types that a ledger row uses.

Pure. Integers are little-endian; a string is a LEB128 length and its bytes; a UUID is two little-endian
64-bit halves; times are passed as integers in the column's unit (milliseconds or microseconds since 1970);
LowCardinality is written as its inner type. A reader takes (bytes, position) and returns (value, next
position); it raises `MalformedRow` when the bytes end early.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from ansvar.ledger.errors import MalformedRow


class Type(NamedTuple):
    """How one type is written and read."""

    write: Callable[[Any], bytes]
    read: Callable[[bytes, int], tuple[Any, int]]


def _take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(data):
        raise MalformedRow(f"the row ends at byte {len(data)}, {end - len(data)} bytes early")
    return data[at:end], end


def write_length(n: int) -> bytes:
    """LEB128, as ClickHouse writes string and array lengths."""
    if n < 0x80:
        return bytes((n,))
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def read_length(data: bytes, at: int) -> tuple[int, int]:
    """The inverse of `write_length`: at most five bytes (2^35), and no more of them than needed."""
    n = 0
    for shift in range(0, 35, 7):
        byte, at = _take(data, at, 1)
        n |= (byte[0] & 0x7F) << shift
        if byte[0] == 0 and shift:
            raise MalformedRow(f"a length with a needless byte at byte {at - 1}")
        if byte[0] < 0x80:
            return n, at
    raise MalformedRow(f"a length of more than five bytes at byte {at - 5}")


def _number(code: str) -> Type:
    packer = struct.Struct("<" + code)

    def read(data: bytes, at: int) -> tuple[int, int]:
        raw, end = _take(data, at, packer.size)
        return packer.unpack(raw)[0], end

    return Type(packer.pack, read)


def fixed(size: int) -> Type:
    """FixedString(size): exactly that many bytes."""

    def write(value: bytes) -> bytes:
        if len(value) != size:
            raise MalformedRow(f"a FixedString({size}) got {len(value)} bytes")
        return value

    return Type(write, lambda data, at: _take(data, at, size))


def enum8(codes: dict[str, int]) -> Type:
    """Enum8: the signed byte of the name."""
    written = {name: struct.pack("<b", code) for name, code in codes.items()}
    names = {code: name for name, code in codes.items()}

    def read(data: bytes, at: int) -> tuple[str, int]:
        raw, end = _take(data, at, 1)
        code = struct.unpack("<b", raw)[0]
        if code not in names:
            raise MalformedRow(f"no name for enum value {code} at byte {at}")
        return names[code], end

    return Type(written.__getitem__, read)


def _write_bytes(value: bytes) -> bytes:
    return write_length(len(value)) + value


def _read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = read_length(data, at)
    return _take(data, at, size)


def _write_string(value: str) -> bytes:
    return _write_bytes(value.encode())


def _read_string(data: bytes, at: int) -> tuple[str, int]:
    raw, end = _read_bytes(data, at)
    try:
        return raw.decode(), end
    except UnicodeDecodeError as error:
        raise MalformedRow(f"a string that is not UTF-8 before byte {end}") from error


def _write_strings(values: tuple[str, ...]) -> bytes:
    return write_length(len(values)) + b"".join(map(_write_string, values))


def _read_strings(data: bytes, at: int) -> tuple[tuple[str, ...], int]:
    count, at = read_length(data, at)
    values = []
    for _ in range(count):
        value, at = _read_string(data, at)
        values.append(value)
    return tuple(values), at


def _write_uuid(value: uuid.UUID) -> bytes:
    raw = value.bytes
    return raw[7::-1] + raw[:7:-1]


def _read_uuid(data: bytes, at: int) -> tuple[uuid.UUID, int]:
    raw, end = _take(data, at, 16)
    return uuid.UUID(bytes=raw[7::-1] + raw[:7:-1]), end


UINT8 = _number("B")
UINT16 = _number("H")
UINT32 = _number("I")
UINT64 = _number("Q")
INT64 = _number("q")
UUID = Type(_write_uuid, _read_uuid)
STRING = Type(_write_string, _read_string)
STRING_BYTES = Type(_write_bytes, _read_bytes)
STRINGS = Type(_write_strings, _read_strings)
