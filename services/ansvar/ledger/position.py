"""Where a row comes from: the source position (stream, offset, index) and the numbering of chains.

Chains 0..P-1 are the partitions of the events topic. A file that `ansvar ingest` read gets P chains of its
own: the n-th ingest (n from 1) has chains n * 65,536 + partition.
"""

from __future__ import annotations

import hashlib
import struct

from ansvar.ledger.errors import LedgerError

MAX_PARTITIONS = 1 << 16


def chain_number(partition: int, ingest: int = 0) -> int:
    """The chain of a partition; `ingest` is 0 for Kafka, else the number of the ingested file."""
    if not (0 <= partition < MAX_PARTITIONS and 0 <= ingest < MAX_PARTITIONS):
        raise LedgerError(f"partition {partition} or ingest {ingest} is outside 0..{MAX_PARTITIONS - 1}")
    return ingest * MAX_PARTITIONS + partition


def stream_id(partition: int, broker_time: int, first_record: bytes) -> bytes:
    """The identity of a partition's history: 16 bytes of SHA-256 over what its first record was.

    `broker_time` is the broker's LogAppendTime of that record in milliseconds; `first_record` its bytes.
    """
    prefix = struct.pack(">Iq", partition, broker_time)
    return hashlib.sha256(prefix + first_record).digest()[:16]


def file_stream_id(sha256: bytes) -> bytes:
    """The stream of an ingested file: the first 16 bytes of the file's SHA-256."""
    return sha256[:16]
