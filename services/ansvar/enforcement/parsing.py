"""Reading Kafka's record batches whatever the headers of their records hold.

aiokafka decodes the keys of record headers as UTF-8 and raises on others, and no broker checks them: one such
record would stop its partition for good, below everything that could refuse it. Ours have
none, so a record whose headers cannot be read is taken without them, and then refused or not by its value, as
every other. The batch format is Kafka's v2 (KIP-98), as aiokafka's own pure Python reader has it.

`install` puts this reader where aiokafka's consumers make theirs: for the whole process, once.

Not handled here: checksums (aiokafka's consumer checks them), what a record's value holds (`opening`).
"""

from __future__ import annotations

from typing import Any, cast

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint

_MAGIC_AT = 16
_FIRST_MAGIC = 2  # of the batch format with headers


class TolerantBatch(_DefaultRecordBatchPy):  # type: ignore[misc] # final, so that nobody overrides it by mistake
    """A batch of which every record can be read that the broker took."""

    _pos: int

    def _read_msg(self, *given: Any) -> Any:
        start = self._pos
        try:
            return super()._read_msg(*given)
        except UnicodeDecodeError:
            self._pos = start
            return self._without_headers()

    def _without_headers(self) -> _DefaultRecordPy:
        """The record at the reader's position, less its headers; the position moves behind it."""
        data = self._buffer
        length, at = decode_varint(data, self._pos)
        end = at + length
        _, at = decode_varint(data, at)  # attributes: none are defined
        delta, at = decode_varint(data, at)
        by_broker = self.timestamp_type == self.LOG_APPEND_TIME
        timestamp = self.max_timestamp if by_broker else self.first_timestamp + delta
        offset, at = decode_varint(data, at)
        key, at = _nullable_bytes(data, at)
        value, at = _nullable_bytes(data, at)
        self._pos = end
        return _DefaultRecordPy(self.base_offset + offset, timestamp, self.timestamp_type, key, value, [])


class TolerantRecords(_MemoryRecordsPy):  # type: ignore[misc] # as above
    """The batches of one fetch; those of Kafka's older formats have no headers and are left to aiokafka."""

    def next_batch(self, *given: Any) -> Any:
        if self._next_slice is None or self._next_slice[_MAGIC_AT] < _FIRST_MAGIC:
            return super().next_batch(*given)
        data = self._next_slice
        self._cache_next()
        return TolerantBatch(data)


def install() -> None:
    """Make every consumer of this process read batches this way. Doing it twice changes nothing."""
    cast("Any", fetcher).MemoryRecords = TolerantRecords


def _nullable_bytes(data: Any, at: int) -> tuple[bytes | None, int]:
    size, at = decode_varint(data, at)
    return (None, at) if size < 0 else (bytes(data[at : at + size]), at + size)
