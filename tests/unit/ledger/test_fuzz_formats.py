"""The properties of `fuzz/targets.py` on damaged specimens, in seconds; `make fuzz` looks for longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansvar.ledger.checkpoint import open_checkpoint
from ansvar.ledger.tlog_proof import TlogProof
from ansvar.verifier.evidence import verify_archive
from fuzz import specimens
from fuzz.targets import TARGETS

SLOW = {"bundle", "bundle-file"}  # a bundle has some thirty files and signatures
Range = tuple[int, int]


def _spans(data: bytes, length: int = 80) -> st.SearchStrategy[Range]:
    """Where a piece of the bytes begins and ends."""
    starts = st.integers(0, len(data))
    return st.tuples(starts, st.integers(0, length)).map(lambda s: (s[0], min(len(data), sum(s))))


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A specimen after one to four changes such as accidents and forgers make."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start, end = draw(_spans(data))
        piece = data[start:end]
        match draw(st.sampled_from(("flip", "replace", "remove", "repeat", "cut", "lines", "mix"))):
            case "flip" if data:
                place = draw(st.integers(0, len(data) * 8 - 1))
                changed = bytearray(data)
                changed[place // 8] ^= 1 << place % 8
                data = bytes(changed)
            case "replace":
                data = data[:start] + draw(st.binary(max_size=8)) + data[end:]
            case "remove":
                data = data[:start] + data[end:]
            case "repeat":
                data = data[:end] + piece + data[end:]
            case "cut":
                data = data[:start]
            case "lines":
                lines = data.split(b"\n")
                at, to = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
                lines[at], lines[to] = lines[to], lines[at]
                data = b"\n".join(lines)
            case "mix":
                other = draw(st.sampled_from(seeds))
                data = data[:start] + other[start:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_specimens_are_what_they_claim(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].check(seed)


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - SLOW))
@given(data=st.data())
@settings(max_examples=100)
def test_damage_is_refused_or_changes_no_claim(name: str, data: st.DataObject) -> None:
    TARGETS[name].check(data.draw(damaged(tuple(TARGETS[name].seeds))))


@pytest.mark.parametrize("name", sorted(SLOW))
@given(data=st.data())
@settings(max_examples=20, suppress_health_check=[HealthCheck.data_too_large])
def test_a_damaged_bundle_too(name: str, data: st.DataObject) -> None:
    TARGETS[name].check(data.draw(damaged(tuple(TARGETS[name].seeds))))


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - {"bundle-file"}))
@given(data=st.binary(max_size=300))
@settings(max_examples=40)
def test_any_bytes_are_refused_or_come_back(name: str, data: bytes) -> None:
    TARGETS[name].check(data)


def test_the_specimens_are_accepted(tmp_path: Path) -> None:
    """Else all the properties above would hold of a verifier that refuses everything."""
    keys, quorum = specimens.LOG_KEYS, specimens.QUORUM
    for size, note in specimens.NOTES.items():
        opened = open_checkpoint(note.encode(), keys, quorum.witness_keys, specimens.ORIGIN)
        assert (opened.checkpoint, len(opened.signed)) == (specimens.TREES[size], 4)
    for seq, proof in specimens.PROOFS.items():
        TlogProof.parse(proof).verify(specimens.LEAVES[seq], keys, quorum, specimens.ORIGIN)
    path = tmp_path / "case.zip"
    path.write_bytes(specimens.packed(specimens.FILES))
    assert [row.seq for row in verify_archive(path, keys, quorum).rows] == list(specimens.SHOWN)
