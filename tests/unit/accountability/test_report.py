"""The report of a verification, as data."""

from __future__ import annotations

import json

import msgspec
import pytest

from ansvar.accountability.report import ChainResult, Found, Report, fault_lines, from_json, to_json

DAMAGED = Report(
    (
        ChainResult(0, 12, "aa" * 32),
        ChainResult(3, 7, "bb" * 32, (Found("missing", 7, "the next row is 9"), Found("edited", 9, "no"))),
    ),
    ("rows name a bundle that is not there",),
)


def test_every_fault_is_a_line_that_names_chain_seq_and_kind() -> None:
    assert fault_lines(DAMAGED) == [
        "chain 3, seq 7: missing: the next row is 9",
        "chain 3, seq 9: edited: no",
        "rows name a bundle that is not there",
    ]
    assert (DAMAGED.intact, DAMAGED.rows) == (False, 19)
    assert [chain.state for chain in DAMAGED.chains] == ["intact", "missing"]


def test_it_survives_json() -> None:
    data = json.loads(json.dumps(to_json(DAMAGED)))
    assert (data["intact"], data["rows"]) == (False, 19)
    assert data["chains"][1]["faults"][0] == {"kind": "missing", "seq": 7, "message": "the next row is 9"}
    assert from_json(data) == DAMAGED


def test_intact() -> None:
    report = Report((ChainResult(0, 12, "aa" * 32),))
    assert report.intact
    assert fault_lines(report) == []
    assert from_json(to_json(report)) == report


def test_another_shape_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        from_json({"detail": "this needs the token"})
