"""Findings that nobody has answered yet: rows whose rules fired, without a `review` row that names them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import Struct

from ansvar.store.client import Store


class Open(Struct, frozen=True):
    """One row that waits for an answer; `occurred_at` is the event's time, or since when a finding holds.

    `about` is the event's id, or the place (`chain/seq`) of the row that a sweep's finding names; `message`
    is that finding's.
    """

    chain: int
    seq: int
    kind: str
    occurred_at: datetime
    system: str
    verdict: str
    findings: tuple[str, ...]
    about: str
    message: str


_OPEN = """
SELECT chain, seq, toString(kind), occurred_at, system, toString(verdict), findings,
    if(kind = 'finding', concat(JSONExtractRaw(extra, 'chain'), '/', JSONExtractRaw(extra, 'seq')),
        toString(event_id)),
    JSONExtractString(extra, 'message')
FROM {database}.ledger
WHERE verdict IN {verdicts:Array(String)} AND stage NOT IN ('intent', 'not_run') AND (chain, seq) NOT IN (
    SELECT toUInt32(JSONExtractUInt(extra, 'chain')), toUInt64(JSONExtractUInt(extra, 'seq'))
    FROM {database}.ledger WHERE kind = 'review'
)
ORDER BY occurred_at DESC, chain, seq LIMIT {limit:UInt32}
"""


def open_findings(store: Store, least: Literal["flag", "deny"] = "deny", limit: int = 100) -> list[Open]:
    """The newest rows that wait for an answer."""
    verdicts = ["deny"] if least == "deny" else ["deny", "flag"]
    rows = store.query(_OPEN, {"verdicts": verdicts, "limit": limit})
    return [
        Open(chain, seq, kind, at.replace(tzinfo=UTC), system, verdict, tuple(found), about, message)
        for chain, seq, kind, at, system, verdict, found, about, message in rows
    ]


def has_findings(store: Store, chain: int, seq: int) -> bool:
    """Whether there is a row with findings at that place."""
    found = store.query(
        "SELECT count() FROM {database}.ledger WHERE chain = {chain:UInt32} AND seq = {seq:UInt64} "
        "AND notEmpty(findings)",
        {"chain": chain, "seq": seq},
    )
    return bool(found[0][0])


def to_json(found: list[Open]) -> list[dict[str, object]]:
    """As JSON data."""
    return [msgspec.to_builtins(one) for one in found]
