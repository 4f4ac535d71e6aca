"""What the ledger tells of some subjects, recipients and findings: the questions of a sweep.

Invariants: reads only; every question has a bound on the rows it reads or reads them in pages. Times are in
microseconds since 1970. `references` are at most `MOST_REFERENCES` a question, and those joined to one person
are asked about together by the caller. Stages `intent` and `not_run` are left out: they did not happen.

Not handled here: what follows from the answers (`enforcement.sweep`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from ansvar.ledger.row import Row
from ansvar.store.client import Parameters
from ansvar.store.ledger import LedgerStore

MOST_REFERENCES: Final = 1_000
_AT = "toUnixTimestamp64Micro(occurred_at)"
_HAPPENED = "stage IN ('done', 'fail_open')"
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
        condition = f"kind IN ('processing', 'transfer', 'disclosure') AND {_HAPPENED} AND {_OF_THESE}"
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

    def first_handover(self, recipient: str) -> tuple[int, int] | None:
        """(chain, seq) of the transfer or disclosure to a recipient recorded first, of all chains."""
        found = self._store.query(
            "SELECT chain, seq FROM {database}.ledger WHERE kind IN ('transfer', 'disclosure') "  # noqa: S608 - all ours
            f"AND {_HAPPENED} AND (recipient = {{recipient:String}} OR via = {{recipient:String}}) "
            "ORDER BY recorded_at, chain, seq LIMIT 1",
            {"recipient": recipient},
        )
        return next(((chain, seq) for chain, seq in found), None)

    def findings(self) -> set[bytes]:
        """The ids (16 bytes) of all recorded findings, of all chains."""
        data = self._store.raw(
            "SELECT UUIDStringToNum(toString(event_id)) FROM {database}.ledger WHERE kind = 'finding'"
        )
        return {data[at : at + 16] for at in range(0, len(data), 16)}


def _these(chain: int, end_seq: int, references: Iterable[bytes]) -> Parameters:
    named = ",".join(reference.hex() for reference in references)
    return {"chain": chain, "end": end_seq, "references": named}
