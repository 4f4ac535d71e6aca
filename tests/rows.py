"""Ledger rows for tests: arbitrary ones for properties, and chains that look like a company's."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.columns import KINDS, ROLE_CODES, STAGE_CODES, VERDICT_CODES
from ansvar.ledger.row import Row, seal

BUNDLE = bytes(range(32))
JANUARY = 1_767_225_600_000  # 2026-01-01 in ms
EVENT_KINDS = ("processing", "transfer", "disclosure", "rights", "contract", "notice")

_INT64 = st.integers(-(2**63), 2**63 - 1)
# Long texts, whose length takes two bytes, are short ones repeated: little is drawn for a whole row.
_TEXT = st.one_of(
    st.just(""),
    st.text(max_size=8),
    st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=2), st.integers(60, 140)),
)
_LISTS = st.lists(_TEXT, max_size=3).map(tuple)
_ID = st.binary(min_size=16, max_size=16)


def _words(codes: Iterable[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(codes))


def any_row(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Row]:
    """Rows with any value that the columns can hold; `fixed` replaces the strategies of some fields."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "chain": st.integers(0, 2**32 - 1),
        "seq": st.integers(0, 2**64 - 1),
        "stream": _ID,
        "offset": _INT64,
        "index": st.integers(0, 2**16 - 1),
        "recorded_at": _INT64,
        "kind": _words(KINDS),
        "stage": _words(STAGE_CODES),
        "event_id": st.uuids(),
        "occurred_at": _INT64,
        "role": _words(ROLE_CODES),
        "verdict": _words(VERDICT_CODES),
        "data_categories": _LISTS,
        "findings": _LISTS,
        "policy": st.binary(min_size=32, max_size=32),
        "engine": st.integers(0, 2**16 - 1),
        "batch": st.integers(0, 2**64 - 1),
        "details": st.one_of(st.binary(max_size=8), st.binary(min_size=1, max_size=4).map(lambda b: b * 70)),
    }
    fields |= dict.fromkeys(
        ("subject", "request_id", "contract_id", "correlation_id", "digest", "session"), _ID
    )
    missing = set(Row.__struct_fields__) - set(fields) - {"version"}
    fields |= dict.fromkeys(sorted(missing), _TEXT)
    return st.builds(Row, **(fields | fixed))


def company_chain(chain: int, count: int, seed: int = 0) -> list[Row]:
    """A genesis and then `count - 1` rows of many kinds, as a company's year leaves them; nothing random."""
    dice = random.Random(f"{seed}/{chain}")
    rows = [
        Row(
            chain=chain,
            seq=0,
            stream=bytes(16),
            offset=-1,
            index=0,
            recorded_at=JANUARY,
            kind="genesis",
            occurred_at=JANUARY * 1000,
            policy=BUNDLE,
            engine=1,
            extra='{"chains":3}',
        )
    ]
    stream, session = dice.randbytes(16), dice.randbytes(16)
    people = [dice.randbytes(16) for _ in range(7)]
    for seq in range(1, count):
        record, index = divmod(seq - 1, 5)
        recorded_at = JANUARY + record * 60_000
        rows.append(
            Row(
                chain=chain,
                seq=seq,
                stream=stream,
                offset=record,
                index=index,
                recorded_at=recorded_at,
                occurred_at=recorded_at * 1000 - dice.randrange(10**7),
                policy=BUNDLE,
                engine=1,
                producer="local",
                session=session,
                batch=record,
                **_content(dice, seq, people),
            )
        )
    return rows


def _content(dice: random.Random, seq: int, people: Sequence[bytes]) -> dict[str, Any]:
    bookkeeping = {11: "refused", 23: "duplicate", 29: "gap", 37: "session", 41: "policy"}.get(seq % 43)
    if bookkeeping is not None:
        return {"kind": bookkeeping, "extra": f'{{"number":{seq}}}'}
    kind = EVENT_KINDS[seq % len(EVENT_KINDS)]
    verdict, findings = dice.choice(
        [("permit", ()), ("permit", ()), ("flag", ("M.2",)), ("deny", ("T.1", "Å.3"))]
    )
    content: dict[str, Any] = {
        "kind": kind,
        "stage": dice.choice(["done", "done", "intent", "not_run", "fail_open"]),
        "event_id": uuid.UUID(bytes=dice.randbytes(16)),
        "subject": dice.choice(people),
        "system": dice.choice(["crm", "fakturering"]),
        "actor": "säljstöd",
        "purpose": "contract",
        "legal_basis": "contract",
        "role": "controller",
        "data_categories": dice.choice([(), ("name",), ("name", "phone")]),
        "correlation_id": dice.choice([bytes(16), dice.randbytes(16)]),
        "digest": dice.randbytes(16),
        "verdict": verdict,
        "findings": findings,
        "details": dice.choice([b"", dice.randbytes(40)]),
        "extra": "{}",
    }
    own: dict[str, dict[str, Any]] = {
        "processing": {"operation": dice.choice(["collect", "use", "call"])},
        "transfer": {
            "recipient": "molnet",
            "country": "US",
            "safeguard": "scc",
            "safeguard_reference": "SCC 7",
        },
        "disclosure": {"recipient": "polisen", "recipient_type": "authority", "ground": "legal_request"},
        "rights": {"right": "objection", "phase": "received", "request_id": dice.randbytes(16)},
        "contract": {"contract_id": dice.randbytes(16), "phase": "started"},
        "notice": {"via": "brev", "reference": "policy 3"},
    }
    return content | own[kind]


def sealed(rows: Iterable[Row]) -> list[bytes]:
    """The stored bytes (columns and leaf) of one chain's rows from its genesis on."""
    stored, previous = [], ZERO32
    for row in rows:
        columns, previous = seal(row, previous)
        stored.append(columns + previous)
    return stored
