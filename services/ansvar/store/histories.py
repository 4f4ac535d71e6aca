"""What the ledger tells of some subjects, recipients and findings: the questions of a sweep.

Invariants: reads only. Whole rows come in pages. Of some `references`, at most `MOST_REFERENCES` a question,
everything is told at once: what one person has to tell is little. Those joined to one person are asked about
together by the caller. Times are in microseconds since 1970. Stages `intent` and `not_run` are left out: they
did not happen.

Without a bound, and short an entry instead, are the ids of findings (16 bytes each), the numbers of overtaken
rows (8 bytes each; ClickHouse sorts the uses of the subjects concerned, four small columns), and the
objections since a mark: a sweep holds the states of all subjects of a chain beside them. Bundles are as many
as policies were ever activated.

Not handled here: what follows from the answers (`enforcement.sweep`).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from ansvar.ledger.row import Row
from ansvar.store.client import Parameters
from ansvar.store.ledger import LedgerStore

MOST_REFERENCES: Final = 1_000
_ROWS_AT_ONCE: Final = 2_000  # asked for by number
_AT = "toUnixTimestamp64Micro(occurred_at)"
_HAPPENED = "stage IN ('done', 'fail_open')"
_A_USE = "kind IN ('processing', 'transfer', 'disclosure')"
# Changes the state of one subject; `LedgerStore.state_rows` has those that join two as well.
_CHANGES_A_STATE = "(kind IN ('rights', 'contract') OR kind = 'processing' AND operation = 'collect')"
_OF_THESE = (
    "chain = {chain:UInt32} AND seq < {end:UInt64} AND "
    "subject IN (SELECT toFixedString(unhex(arrayJoin(splitByChar(',', {references:String}))), 16))"
)


class Step(Struct, frozen=True):
    """A row of a contract or a request; for a contract `right` is empty and `request` zeros."""

    seq: int
    subject: bytes
    phase: str
    right: str
    request: bytes
    at: int


class Histories:
    """Questions about the table `ledger`, of the rows of one chain below `end_seq` unless said otherwise."""

    def __init__(self, ledger: LedgerStore) -> None:
        self._ledger = ledger
        self._store = ledger.store

    def erasures(self, chain: int, end_seq: int, references: Iterable[bytes]) -> list[tuple[bytes, int]]:
        """(subject, time) of each processing `erase`."""
        found = self._store.query(
            f"SELECT subject, {_AT} FROM {{database}}.ledger "  # noqa: S608 - all ours
            f"WHERE kind = 'processing' AND operation = 'erase' AND {_HAPPENED} AND {_OF_THESE}",
            _these(chain, end_seq, references),
        )
        return [(bytes(subject), at) for subject, at in found]

    def handovers(
        self, chain: int, end_seq: int, references: Iterable[bytes]
    ) -> list[tuple[bytes, str, int]]:
        """(subject, recipient, first time) of transfers and disclosures; `via` is a recipient too."""
        found = self._store.query(
            "SELECT subject, arrayJoin([recipient, via]) AS got, min(at) FROM "  # noqa: S608 - all ours
            f"(SELECT subject, recipient, via, {_AT} AS at FROM {{database}}.ledger "
            f" WHERE kind IN ('transfer', 'disclosure') AND {_HAPPENED} AND {_OF_THESE}) "
            "GROUP BY subject, got HAVING got != ''",
            _these(chain, end_seq, references),
        )
        return [(bytes(subject), recipient, at) for subject, recipient, at in found]

    def notifications(
        self, chain: int, end_seq: int, references: Iterable[bytes]
    ) -> list[tuple[bytes, str, bytes, str, int]]:
        """(subject, right, request, recipient, time) of each `recipients_notified` (Art. 19)."""
        found = self._store.query(
            f"SELECT subject, right, request_id, recipient, {_AT} FROM {{database}}.ledger "  # noqa: S608 - all ours
            f"WHERE kind = 'rights' AND phase = 'recipients_notified' AND {_HAPPENED} AND {_OF_THESE}",
            _these(chain, end_seq, references),
        )
        return [(bytes(who), right, bytes(request), to, at) for who, right, request, to, at in found]

    def steps(self, chain: int, end_seq: int, references: Iterable[bytes]) -> list[Step]:
        """Ends of contracts, receipts and fulfilments of requests, in order."""
        found = self._store.query(
            f"SELECT seq, subject, phase, right, request_id, {_AT} FROM {{database}}.ledger "  # noqa: S608 - all ours
            "WHERE (kind = 'contract' AND phase = 'ended' "
            f"OR kind = 'rights' AND phase IN ('received', 'fulfilled')) AND {_HAPPENED} AND {_OF_THESE} "
            "ORDER BY seq",
            _these(chain, end_seq, references),
        )
        return [
            Step(seq, bytes(who), phase, right, bytes(request), at)
            for seq, who, phase, right, request, at in found
        ]

    def uses(self, chain: int, end_seq: int, references: Iterable[bytes]) -> Iterator[Row]:
        """The rows of processing, transfer and disclosure, in order."""
        condition = f"{_A_USE} AND {_HAPPENED} AND {_OF_THESE}"
        these = _these(chain, end_seq, references)
        return self._ledger.rows_where(chain, 0, end_seq, condition, these)

    def objections(self, chain: int, first_seq: int, end_seq: int) -> list[tuple[int, bytes, int]]:
        """(seq, subject, time) of each objection received, among the rows from `first_seq` on."""
        found = self._store.query(
            f"SELECT seq, subject, {_AT} FROM {{database}}.ledger "  # noqa: S608 - all ours
            "WHERE chain = {chain:UInt32} AND seq >= {first:UInt64} AND seq < {end:UInt64} "
            "AND kind = 'rights' AND right = 'objection' AND phase = 'received' "
            f"AND {_HAPPENED} ORDER BY seq",
            {"chain": chain, "first": first_seq, "end": end_seq},
        )
        return [(seq, bytes(subject), at) for seq, subject, at in found]

    def overtaken(self, chain: int, first_seq: int, end_seq: int) -> Iterator[Row]:
        """The uses of data, in order, that a row of the same reference overtook that stands after them.

        That row is one of contract, request or collect from `first_seq` on, of something that had happened
        by the time of the use. Each use is there once.
        """
        late = f"{_CHANGES_A_STATE} AND seq >= {{since:UInt64}}"
        after = "PARTITION BY subject ORDER BY seq DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
        found = self._store.raw(
            f"SELECT seq FROM (SELECT seq, {_A_USE} AS a_use, {_AT} AS at, "  # noqa: S608 - all ours
            f"min(if({late}, {_AT}, NULL)) OVER ({after}) AS earliest FROM {{database}}.ledger "
            "WHERE chain = {chain:UInt32} AND seq < {end:UInt64} "
            f"AND ({_A_USE} OR {_CHANGES_A_STATE}) AND {_HAPPENED} AND subject != toFixedString('', 16) "
            "AND subject IN (SELECT subject FROM {database}.ledger WHERE chain = {chain:UInt32} "
            f"AND seq < {{end:UInt64}} AND {late} AND {_HAPPENED})"
            ") WHERE a_use AND earliest <= at ORDER BY seq",
            {"chain": chain, "since": first_seq, "end": end_seq},
        )
        seqs = array("Q")
        seqs.frombytes(found)
        if sys.byteorder == "big":  # RowBinary is little-endian
            seqs.byteswap()
        for begin in range(0, len(seqs), _ROWS_AT_ONCE):
            some = seqs[begin : begin + _ROWS_AT_ONCE]
            asked = {"seqs": some.tolist()}
            condition = f"seq IN {{seqs:Array(UInt64)}} AND {_A_USE}"
            yield from self._ledger.rows_where(chain, some[0], some[-1] + 1, condition, asked)

    def policies(self, chain: int, end_seq: int) -> list[bytes]:
        """The bundles (SHA-256) by which transfers and disclosures were judged."""
        found = self._store.query(
            "SELECT DISTINCT policy FROM {database}.ledger WHERE chain = {chain:UInt32} "
            "AND seq < {end:UInt64} AND kind IN ('transfer', 'disclosure') ORDER BY policy",
            {"chain": chain, "end": end_seq},
        )
        return [bytes(policy) for (policy,) in found]

    def handed_over_under(self, chain: int, end_seq: int, policy: bytes) -> Iterator[Row]:
        """The transfers and disclosures judged by one bundle, in order."""
        condition = (
            f"kind IN ('transfer', 'disclosure') AND {_HAPPENED} AND policy = unhex({{policy:String}})"
        )
        return self._ledger.rows_where(chain, 0, end_seq, condition, {"policy": policy.hex()})

    def breaches(self, chain: int, end_seq: int) -> Iterator[Row]:
        """The notices of breaches that are about no one subject, in order."""
        condition = (
            f"kind = 'notice' AND {_HAPPENED} AND subject = toFixedString('', 16) "
            "AND JSONExtractString(extra, 'topic') = 'breach'"
        )
        return self._ledger.rows_where(chain, 0, end_seq, condition)

    def handed_over_to(self, chain: int, end_seq: int, recipient: str) -> Iterator[Row]:
        """The transfers and disclosures to or by way of a recipient, in order."""
        condition = (
            f"kind IN ('transfer', 'disclosure') AND {_HAPPENED} "
            "AND (recipient = {recipient:String} OR via = {recipient:String})"
        )
        return self._ledger.rows_where(chain, 0, end_seq, condition, {"recipient": recipient})

    def findings(self) -> set[bytes]:
        """The ids (16 bytes) of all recorded findings, of all chains."""
        data = self._store.raw(
            "SELECT UUIDStringToNum(toString(event_id)) FROM {database}.ledger WHERE kind = 'finding'"
        )
        return {data[at : at + 16] for at in range(0, len(data), 16)}


def _these(chain: int, end_seq: int, references: Iterable[bytes]) -> Parameters:
    named = ",".join(reference.hex() for reference in references)
    return {"chain": chain, "end": end_seq, "references": named}
