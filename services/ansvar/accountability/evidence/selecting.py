"""Which rows an evidence bundle has: those that were asked for, and those without which they say little.

To a selected row belong: the genesis row of its chain and the `keys` rows before it, which say who may claim
what; the row that put its policy in force; and, to judge it again, every row before it that changed its
subject's state, or that of somebody who was joined to the subject. Persons are their references; no
identifier comes here.

Not handled here: proofs (`building`), finding a person's reference (`cli.evidence`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from ansvar.accountability.evidence.errors import NothingSelected, TooManyRows
from ansvar.enforcement.rows import extra_of, microseconds
from ansvar.enforcement.subjects import Subjects
from ansvar.ledger.row import ZERO16
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.verifier.manifest import Listed

_CHUNK: Final = 500  # references in one query
# Rows that change a subject's state; `LedgerStore.state_rows` reads the same.
STATE: Final = (
    "(kind = 'link' OR stage IN ('done', 'fail_open') "
    "AND (kind IN ('rights', 'contract') OR (kind = 'processing' AND operation = 'collect')))"
)
_AMONG: Final = (
    "subject IN (SELECT toFixedString(unhex(arrayJoin(splitByChar(',', {references:String}))), 16))"
)


class Selection(Struct, frozen=True, kw_only=True):
    """What is asked for: any of the events and places, if some are named, that meet every other criterion.

    `subjects` are references (16 bytes) of one person; `since` and `until` bound the event's own time,
    half-open; `recipient` is also found where data went through it.
    """

    events: tuple[UUID, ...] = ()
    places: tuple[tuple[int, int], ...] = ()
    subjects: tuple[bytes, ...] = ()
    recipient: str = ""
    rule: str = ""
    verdict: str = ""
    kind: str = ""
    since: datetime | None = None
    until: datetime | None = None
    chain: int | None = None

    def words(self) -> tuple[str, ...]:
        """The criteria as the manifest states them."""
        told = [
            *(f"event {event}" for event in self.events),
            *(f"row {chain}/{seq}" for chain, seq in self.places),
            *(f"subject with the reference {reference.hex()}" for reference in self.subjects),
            *(f"{name} {value}" for name in _WORDS if (value := getattr(self, name))),
        ]
        if self.since is not None:
            told.append(f"occurred at or after {self.since.isoformat()}")
        if self.until is not None:
            told.append(f"occurred before {self.until.isoformat()}")
        if self.chain is not None:
            told.append(f"chain {self.chain}")
        return tuple(told)


_WORDS: Final = ("recipient", "rule", "verdict", "kind")


class _Picked(Struct, frozen=True):
    seq: int
    subject: bytes


def choose(store: Store, selection: Selection, limit: int, *, state_rows: bool = True) -> list[Listed]:
    """The rows of a bundle in order, each with the reason why it is there; at most `limit` in all.

    Raises NothingSelected, TooManyRows or StoreError.
    """
    if not selection.words():
        raise NothingSelected(
            "nothing was asked for; name an event, a row, or a criterion such as --recipient"
        )
    joined = _joined(store) if selection.subjects or state_rows else Subjects()
    found = _selected(store, selection, limit, joined)
    if not found:
        raise NothingSelected("no row of the ledger meets the criteria")
    rows: list[Listed] = []
    for chain, picked in sorted(found.items()):
        why = {one.seq: "selected" for one in picked}
        if state_rows:
            for seq in _state(store, chain, picked, joined):
                why.setdefault(seq, "state")
        for seq in _policies(store, chain, why):
            why.setdefault(seq, "policy")
        rows += [Listed(chain, seq, reason) for seq, reason in sorted(why.items())]
    if len(rows) > limit:
        picked_rows = sum(map(len, found.values()))
        raise TooManyRows(
            f"{picked_rows} selected rows need {len(rows)} in all to be judged again; the limit is {limit}. "
            "Narrow the selection, raise --limit, or leave out the others with --no-state"
        )
    return rows


def _selected(store: Store, selection: Selection, limit: int, joined: Subjects) -> dict[int, list[_Picked]]:
    """The selected rows by chain."""
    condition, bound = _condition(selection, joined)
    found = store.query(
        "SELECT chain, seq, subject FROM {database}.ledger WHERE " + condition + " "
        "ORDER BY chain, seq LIMIT {limit:UInt64}",
        {**bound, "limit": limit + 1},
    )
    if len(found) > limit:
        raise TooManyRows(f"more than {limit} rows meet the criteria; narrow them, or raise --limit")
    by_chain: dict[int, list[_Picked]] = defaultdict(list)
    for chain, seq, subject in found:
        by_chain[chain].append(_Picked(seq, bytes(subject)))
    return by_chain


def _condition(selection: Selection, joined: Subjects) -> tuple[str, dict[str, Any]]:
    """The selection in SQL, and the values that it binds."""
    named, wanted = [], []
    bound: dict[str, Any] = {}
    if selection.events:
        named.append("(verdict != '' AND event_id IN {events:Array(UUID)})")
        bound["events"] = [str(event) for event in selection.events]
    for n, (chain, seq) in enumerate(selection.places):
        named.append(f"(chain = {{c{n}:UInt32}} AND seq = {{s{n}:UInt64}})")
        bound |= {f"c{n}": chain, f"s{n}": seq}
    if named:
        wanted.append(f"({' OR '.join(named)})")
    if selection.subjects:
        wanted.append(_AMONG)
        bound["references"] = _listed(_persons(selection.subjects, joined))
    for name, condition in _EQUAL.items():
        if value := getattr(selection, name):
            wanted.append(condition)
            bound[name] = value
    if selection.since is not None:
        wanted.append("occurred_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')")
        bound["since"] = microseconds(selection.since)
    if selection.until is not None:
        wanted.append("occurred_at < fromUnixTimestamp64Micro({until:Int64}, 'UTC')")
        bound["until"] = microseconds(selection.until)
    if selection.chain is not None:
        wanted.append("chain = {chain:UInt32}")
        bound["chain"] = selection.chain
    return " AND ".join(wanted), bound


_EQUAL: Final = {
    "recipient": "(recipient = {recipient:String} OR via = {recipient:String})",
    "rule": "has(findings, {rule:String})",
    "verdict": "toString(verdict) = {verdict:String}",
    "kind": "toString(kind) = {kind:String}",
}


def _joined(store: Store) -> Subjects:
    """Who was joined to whom by the link rows of all chains; references differ between chains."""
    subjects = Subjects()
    ledger = LedgerStore(store)
    for (chain,) in store.query(
        "SELECT DISTINCT chain FROM {database}.ledger WHERE kind = 'link' ORDER BY chain"
    ):
        for row in ledger.rows_of_kind(chain, ("link",), 0, 1 << 63):
            if "to" not in extra_of(row):  # where they went, a row there joins them
                subjects.took(row)
    return subjects


def _persons(references: Iterable[bytes], joined: Subjects) -> set[bytes]:
    """The references, and all that stand for the same persons."""
    survivors = {joined.survivor(reference) for reference in references}
    return survivors | {each for each in joined.survivors if joined.survivor(each) in survivors}


def _state(store: Store, chain: int, picked: Sequence[_Picked], joined: Subjects) -> list[int]:
    """The rows that changed the state of each picked row's subject before it."""
    last: dict[bytes, int] = {}  # by survivor: the last picked row
    for one in picked:
        if one.subject != ZERO16:
            survivor = joined.survivor(one.subject)
            last[survivor] = max(one.seq, last.get(survivor, 0))
    references = sorted(_persons(last, joined)) if last else []
    found = []
    for start in range(0, len(references), _CHUNK):
        found += store.query(
            "SELECT seq, subject FROM {database}.ledger WHERE chain = {chain:UInt32} AND seq < {end:UInt64} "
            f"AND {STATE} AND {_AMONG}",
            {
                "chain": chain,
                "end": max(last.values()),
                "references": _listed(references[start : start + _CHUNK]),
            },
        )
    return [seq for seq, subject in found if seq < last[joined.survivor(bytes(subject))]]


def _policies(store: Store, chain: int, seqs: Iterable[int]) -> set[int]:
    """The rows that put in force what some rows were judged by, the genesis row, `keys` rows before them."""
    found = store.query(
        "SELECT seq, toString(kind) FROM {database}.ledger WHERE chain = {chain:UInt32} "
        "AND kind IN ('genesis', 'policy', 'keys') ORDER BY seq",
        {"chain": chain},
    )
    wanted = list(seqs)
    began = [seq for seq, kind in found if kind != "keys"]
    keys = {seq for seq, kind in found if kind == "keys" and seq < max(wanted)}
    return {began[max(0, bisect_right(began, seq) - 1)] for seq in wanted} | set(began[:1]) | keys


def _listed(references: Iterable[bytes]) -> str:
    return ",".join(sorted(reference.hex() for reference in references))
