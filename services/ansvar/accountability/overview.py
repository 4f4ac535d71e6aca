"""A first look at what the ledger says: counts for a person who has just opened it.

Reads only; every figure is one query over confirmed rows. Stages `intent` and `not_run` did not happen and
are not counted.
"""

from __future__ import annotations

from msgspec import Struct

from ansvar.store.client import Store

_HAPPENED = "FROM {database}.ledger WHERE stage IN ('done', 'fail_open') AND verdict != ''"


class Table(Struct, frozen=True):
    """One answer: its question, column names and rows."""

    question: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def overview(store: Store) -> list[Table]:
    """What happened, what left the EU/EEA, what authorities got, what broke the policy."""
    return [
        _ask(
            store,
            "What was done with personal data, for which purpose and on which basis?",
            ("purpose", "legal basis", "events", "people", "denied"),
            "SELECT purpose, legal_basis, count(), uniqExact(subject), countIf(verdict = 'deny') "
            f"{_HAPPENED} AND kind IN ('processing', 'transfer', 'disclosure') "
            "GROUP BY purpose, legal_basis ORDER BY count() DESC, purpose, legal_basis LIMIT 12",
        ),
        _ask(
            store,
            "What left the EU/EEA, to whom and under which safeguard?",
            ("recipient", "stated country", "stated safeguard", "events", "people", "denied"),
            "SELECT recipient, if(country = '', '-', country), if(safeguard = '', '-', safeguard), count(), "
            "uniqExact(subject), countIf(verdict = 'deny') "
            f"{_HAPPENED} AND has(findings, 'transfer.third_country') "
            "GROUP BY recipient, country, safeguard ORDER BY count() DESC, recipient, country, safeguard "
            "LIMIT 12",
        ),
        _ask(
            store,
            "What did authorities get, and on what ground?",
            ("authority", "ground", "disclosures", "people", "denied"),
            "SELECT recipient, if(ground = '', '-', ground), count(), uniqExact(subject), "
            "countIf(verdict = 'deny') "
            f"{_HAPPENED} AND has(findings, 'disclosure.authority') "
            "GROUP BY recipient, ground ORDER BY count() DESC, recipient, ground LIMIT 12",
        ),
        _ask(
            store,
            "What did people ask for, and how did it end?",
            ("right", "received", "fulfilled", "refused", "withdrawn"),
            "SELECT right, countIf(phase = 'received'), countIf(phase = 'fulfilled'), "
            "countIf(phase = 'refused'), countIf(phase = 'withdrawn') "
            f"{_HAPPENED} AND kind = 'rights' GROUP BY right ORDER BY right",
        ),
    ]


def _ask(store: Store, question: str, columns: tuple[str, ...], sql: str) -> Table:
    return Table(question, columns, tuple(store.query(sql)))
