"""Appending to the ledger and reading it back.

An append is one block with one token `<chain>:<first seq>:<attempt>`: ClickHouse keeps the first block with a
token and drops the rest, so the token is the compare-and-swap between two workers. What is in the table is
known only by reading it back; a reported success proves nothing.

Not handled here: what a difference between ours and theirs means (`enforcement.append`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from ansvar.ledger.canonical import place
from ansvar.ledger.columns import COLUMNS_V1, names
from ansvar.ledger.errors import MalformedRow
from ansvar.ledger.row import Row, decode
from ansvar.ledger.rowbinary import read_length
from ansvar.store.client import Parameters, Store
from ansvar.store.errors import StoreError

_NAMES: Final = tuple(f"`{name}`" for name in names())
COLUMNS_SQL: Final = ", ".join(_NAMES)
MAX_BLOCK_ROWS: Final = 100_000
PAGE_ROWS: Final = 20_000
_NONE: Final[Parameters] = {}


class Head(Struct, frozen=True):
    """The last row of a chain: its seq and leaf, and the source position it covers."""

    seq: int
    leaf: bytes
    row: Row


class BatchRange(Struct, frozen=True):
    """Batches `first` to `last` of one session, without a hole; the newest was recorded at `last_at` (ms)."""

    producer: str
    session: bytes
    first: int
    last: int
    last_at: int


class LedgerStore:
    """The table `ledger` of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def store(self) -> Store:
        """The database that the table is in."""
        return self._store

    def append(self, chain: int, first_seq: int, block: bytes, *, attempt: int = 0) -> None:
        """Append rows of one chain as one block: stored columns and leaf of each row, in order.

        Raises StoreError; then nothing is known and the same call, with the same attempt, must be repeated.
        """
        token = f"{chain}:{first_seq}:{attempt}"
        self._store.insert("ledger", (*names(), "leaf"), block, token=token)

    def leaves(self, chain: int, first_seq: int, limit: int = MAX_BLOCK_ROWS) -> list[tuple[int, bytes]]:
        """(seq, leaf) of the rows from `first_seq` on, in order."""
        found = self._store.query(
            "SELECT seq, leaf FROM {database}.ledger WHERE chain = {chain:UInt32} AND seq >= {seq:UInt64} "
            "ORDER BY seq LIMIT {limit:UInt64}",
            {"chain": chain, "seq": first_seq, "limit": limit},
        )
        return [(seq, bytes(leaf)) for seq, leaf in found]

    def last_seq(self, chain: int) -> int:
        """The highest seq of a chain, -1 where it has no row."""
        found = self._store.query(
            "SELECT seq FROM {database}.ledger WHERE chain = {chain:UInt32} ORDER BY seq DESC LIMIT 1",
            {"chain": chain},
        )
        return int(found[0][0]) if found else -1

    def head(self, chain: int) -> Head | None:
        """The last row of a chain, or None where the chain has none."""
        seq = self.last_seq(chain)
        if seq < 0:
            return None
        return next((Head(seq, leaf, row) for row, leaf in self.rows(chain, seq, seq + 1)), None)

    def first_of_record(self, chain: int, seq: int, head_seq: int) -> int:
        """The seq of the first row that shares its Kafka record with row `seq`; head + 1 when past the head.

        Raises StoreError when the chain has no row `seq`.
        """
        if seq > head_seq:
            return head_seq + 1
        found = self._store.query(
            "SELECT min(seq), count() FROM {database}.ledger WHERE chain = {chain:UInt32} "
            "AND (stream, offset) IN (SELECT stream, offset FROM {database}.ledger "
            "WHERE chain = {chain:UInt32} AND seq = {seq:UInt64})",
            {"chain": chain, "seq": seq},
        )
        first, count = found[0]
        if count == 0:
            raise StoreError(f"chain {chain} has no row {seq}, but rows after it. Run: ansvar verify")
        return int(first)

    def chains(self) -> list[int]:
        """Every chain that has a row, in order."""
        found = self._store.query("SELECT DISTINCT chain FROM {database}.ledger ORDER BY chain")
        return [chain for (chain,) in found]

    def rows(self, chain: int, first_seq: int, end_seq: int) -> Iterator[tuple[Row, bytes]]:
        """(row, leaf) with first_seq <= seq < end_seq, in order. Raises StoreError where bytes are no row."""
        return self._rows(chain, first_seq, end_seq)

    def stored(self, chain: int, first_seq: int, end_seq: int) -> Iterator[tuple[bytes, bytes]]:
        """(stored column bytes, leaf) with first_seq <= seq < end_seq, in order, nothing interpreted.

        Rows come in pages, so memory stays flat; rows with one seq are all there.
        """
        return self._stored(chain, first_seq, end_seq)

    def state_rows(self, chain: int, end_seq: int, first_seq: int = 0) -> Iterator[Row]:
        """The rows from `first_seq` on, below `end_seq`, that may change a subject's state, in order.

        A `link` row does too: it joins two subjects.
        """
        condition = (
            "kind = 'link' OR stage IN ('done', 'fail_open') "
            "AND (kind IN ('rights', 'contract') OR (kind = 'processing' AND operation = 'collect'))"
        )
        return self.rows_where(chain, first_seq, end_seq, condition)

    def recent_events(self, chain: int, first_seq: int, end_seq: int) -> Iterator[tuple[int, bytes, bytes]]:
        """(seq, id, digest) of the rows of events and commands with first_seq <= seq < end_seq, in order."""
        found = self._store.query(
            "SELECT seq, event_id, digest FROM {database}.ledger WHERE chain = {chain:UInt32} "
            "AND seq >= {a:UInt64} AND seq < {b:UInt64} "
            "AND (verdict != '' OR kind IN ('policy', 'review', 'keys', 'forwarded')) ORDER BY seq",
            {"chain": chain, "a": first_seq, "b": end_seq},
        )
        return ((seq, event_id.bytes, bytes(digest)) for seq, event_id, digest in found)

    def sent(self, chain: int, end_seq: int) -> dict[int, int]:
        """Chain -> how much this one has told it (`link` and `forwarded` rows)."""
        found = self._store.query(
            "SELECT JSONExtractUInt(extra, 'to') AS other, max(JSONExtractUInt(extra, 'number')) "
            "FROM {database}.ledger WHERE chain = {chain:UInt32} AND seq < {end:UInt64} "
            "AND kind IN ('link', 'forwarded') AND JSONHas(extra, 'to') GROUP BY other",
            {"chain": chain, "end": end_seq},
        )
        return {other: number + 1 for other, number in found}

    def batch_ranges(self, chain: int, since: int, end_seq: int, always: str = "") -> list[BatchRange]:
        """The authenticated batches recorded since a time (ms), as ranges of numbers, by session.

        Those of the producer `always` whenever they were recorded.
        """
        found = self._store.query(
            "SELECT producer, session, min(batch) AS first, max(batch), toUnixTimestamp64Milli(max(at)) "
            "FROM ("
            " SELECT producer, session, batch, at,"
            " batch - row_number() OVER (PARTITION BY producer, session ORDER BY batch) AS island FROM ("
            "  SELECT producer, session, batch, max(recorded_at) AS at FROM {database}.ledger"
            "  WHERE chain = {chain:UInt32} AND seq < {end:UInt64} AND session != toFixedString('', 16)"
            "  AND (recorded_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
            "   OR producer = {always:String})"
            "  AND kind NOT IN ('session', 'gap') GROUP BY producer, session, batch)) "
            "GROUP BY producer, session, island ORDER BY producer, session, first",
            {"chain": chain, "since": since, "end": end_seq, "always": always or "-"},
        )
        return [
            BatchRange(producer, bytes(session), first, last, at)
            for producer, session, first, last, at in found
        ]

    def refused_by_hour(self, chain: int, since: int, end_seq: int) -> list[tuple[int, int]]:
        """(a time in an hour of broker time, in ms; refused rows in that hour) since a time, by first row."""
        found = self._store.query(
            "SELECT toUnixTimestamp64Milli(min(recorded_at)), count() FROM {database}.ledger "
            "WHERE chain = {chain:UInt32} AND seq < {end:UInt64} AND kind = 'refused' "
            "AND recorded_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') "
            "GROUP BY intDiv(toUnixTimestamp64Milli(recorded_at), 3600000) ORDER BY min(seq)",
            {"chain": chain, "since": since, "end": end_seq},
        )
        return [(at, rows) for at, rows in found]

    def rows_of_kind(self, chain: int, kinds: Sequence[str], since: int, end_seq: int) -> list[Row]:
        """The rows of some kinds recorded since a time (ms), in order."""
        condition = (
            "kind IN {kinds:Array(String)} AND recorded_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
        )
        parameters = {"kinds": list(kinds), "since": since}
        return [row for row, _ in self._rows(chain, 0, end_seq, condition, parameters)]

    def rows_where(
        self, chain: int, first_seq: int, end_seq: int, condition: str, parameters: Parameters = _NONE
    ) -> Iterator[Row]:
        """The rows with first_seq <= seq < end_seq that meet a condition in SQL, in order and in pages.

        Values in the condition are bound by `parameters`, whose names are not `chain`, `first` and `last`.
        """
        return (row for row, _ in self._rows(chain, first_seq, end_seq, condition, parameters))

    def _rows(
        self, chain: int, first_seq: int, end_seq: int, condition: str = "1", parameters: Parameters = _NONE
    ) -> Iterator[tuple[Row, bytes]]:
        for columns, leaf in self._stored(chain, first_seq, end_seq, condition, parameters):
            try:
                row, _ = decode(columns)
            except MalformedRow as error:
                chain, seq = place(columns)
                raise StoreError(f"chain {chain}, seq {seq}: {error}. Run: ansvar verify") from error
            yield row, leaf

    def _stored(
        self, chain: int, first_seq: int, end_seq: int, condition: str = "1", parameters: Parameters = _NONE
    ) -> Iterator[tuple[bytes, bytes]]:
        sql = (
            f"SELECT formatRow('RowBinary', {COLUMNS_SQL}), leaf FROM {{database}}.ledger "  # noqa: S608 - all ours
            "WHERE chain = {chain:UInt32} AND seq >= {first:UInt64} AND seq <= {last:UInt64} "
            f"AND ({condition}) ORDER BY seq LIMIT {PAGE_ROWS} WITH TIES"
        )
        bound = {**parameters, "chain": chain, "last": end_seq - 1}
        while first_seq < end_seq:
            page = list(_split(self._store.raw(sql, {**bound, "first": first_seq})))
            yield from page
            if len(page) < PAGE_ROWS:
                return
            first_seq = place(page[-1][0])[1] + 1


def _split(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Take apart the RowBinary of (String, FixedString(32))."""
    at = 0
    while at < len(data):
        size, at = read_length(data, at)
        yield data[at : at + size], data[at + size : at + size + 32]
        at += size + 32


def ddl_columns() -> list[tuple[str, str]]:
    """(name, ClickHouse type) of the stored columns, as the row version lists them."""
    return [(c.name, c.sql) for c in COLUMNS_V1]
