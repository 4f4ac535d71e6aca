"""What is fuzzed, and what must hold for any bytes: one Target a format, run by atheris and by hypothesis.

A target's `check` takes any bytes. It returns when they are refused with one of the errors of bad input or
are accepted for what they may be; it raises AssertionError where something is accepted that nobody signed or
that is not written back to the same bytes; and any other error that comes out of it is a fault as well.
"""

from __future__ import annotations

import atexit
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from ansvar.ledger.canonical import values
from ansvar.ledger.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint
from ansvar.ledger.columns import COLUMNS
from ansvar.ledger.errors import Fault, Malformed, MalformedRow, Unproved
from ansvar.ledger.notes import Note, VerifierKey
from ansvar.ledger.proofs import verify_consistency
from ansvar.ledger.sparse_tree import Entry, SparseTree, parse_proof, verify_entry
from ansvar.ledger.statements import Succession, Verified, followed, join_notes, open_statement, split_notes
from ansvar.ledger.tiles import (
    Entries,
    decode_entries,
    encode_entries,
    entries_path,
    parse_path,
    tile_path,
)
from ansvar.ledger.tlog_proof import TlogProof
from ansvar.ledger.trust import NO_WITNESSES, TrustPolicy
from ansvar.ledger.witness_protocol import AddCheckpoint, parse_cosignatures, parse_size
from ansvar.verifier.evidence import verify_archive
from ansvar.verifier.manifest import MANIFEST, Manifest
from fuzz.specimens import (
    CANONICAL,
    CHAIN,
    CONSISTENCY,
    FILES,
    LEAN,
    LEAVES,
    LOG_KEYS,
    NEXT_KEYS,
    NOTES,
    ORIGIN,
    PROOFS,
    QUORUM,
    SIZES,
    STATEMENTS,
    SUCCESSION,
    TREES,
    VERIFIED,
    WITNESS_KEYS,
    packed,
)

BAD_INPUT: Final = (Malformed, Unproved, Fault, MalformedRow)


class Target(NamedTuple):
    """A format: what any bytes must do, and true specimens of it."""

    check: Callable[[bytes], None]
    seeds: Sequence[bytes]


def note(data: bytes) -> None:
    """A note is the bytes that it was read from."""
    with suppress(*BAD_INPUT):
        assert Note.parse(data).encode() == data


def checkpoint_text(data: bytes) -> None:
    """So is the text of a checkpoint, and a key."""
    text = data.decode("utf-8", "surrogateescape")
    with suppress(*BAD_INPUT):
        assert Checkpoint.parse(text).text() == text
    with suppress(*BAD_INPUT):
        assert str(VerifierKey.parse(text)) == text


def checkpoint(data: bytes) -> None:
    """A checkpoint that is believed is one that was signed, whatever else the note has grown."""
    with suppress(*BAD_INPUT):
        assert_signed(open_checkpoint(data, LOG_KEYS, WITNESS_KEYS, ORIGIN))


def assert_signed(opened: OpenedCheckpoint) -> None:
    assert opened.checkpoint in TREES.values()
    assert {one.key for one in opened.signed} <= {*LOG_KEYS, *WITNESS_KEYS}


def tlog_proof(data: bytes) -> None:
    """A proof that holds for a leaf says where that leaf is, in a tree that was signed."""
    try:
        proof = TlogProof.parse(data)
    except BAD_INPUT:
        return
    assert proof.encode() == data
    for policy in (NO_WITNESSES, QUORUM):
        with suppress(*BAD_INPUT):
            assert_signed(proof.verify(LEAVES[1], LOG_KEYS, policy, ORIGIN))
            assert proof.index == 1


def consistency(data: bytes) -> None:
    """A consistency proof that holds for a root is one from the size of that root."""
    try:
        request = AddCheckpoint.parse(data)
    except BAD_INPUT:
        return
    assert request.encode() == data
    old = TREES[SIZES[0]]
    with suppress(*BAD_INPUT):
        new = open_checkpoint(request.checkpoint, LOG_KEYS, origin=ORIGIN).checkpoint
        verify_consistency(request.old, new.size, old.root, new.root, request.proof)
        assert request.old == old.size
        assert new in TREES.values()


def answer(data: bytes) -> None:
    """What a witness answers."""
    with suppress(*BAD_INPUT):
        assert "".join([one.line() for one in parse_cosignatures(data)]).encode() == data
    with suppress(*BAD_INPUT):
        assert f"{parse_size(data)}\n".encode() == data


def policy(data: bytes) -> None:
    """A policy comes back, without its comments."""
    with suppress(*BAD_INPUT):
        found = TrustPolicy.parse(data)
        assert TrustPolicy.parse(found.encode()) == found
        found.satisfied_by(())


def statement(data: bytes) -> None:
    """A statement that is believed is one that was signed; keys are followed to those that were named."""
    with suppress(*BAD_INPUT):
        text, key = open_statement(data, LOG_KEYS)
        assert text in STATEMENTS
        assert key == LOG_KEYS[0]
    with suppress(*BAD_INPUT):
        assert set(followed(LOG_KEYS, [data])) <= {*LOG_KEYS, *NEXT_KEYS}
    text = data.decode("utf-8", "surrogateescape") + "\n"  # as every note's text ends
    with suppress(*BAD_INPUT):
        assert Succession.parse(text).text() == text
    with suppress(*BAD_INPUT):
        assert Verified.parse(text).text() == text


def notes_file(data: bytes) -> None:
    """A file of notes is the notes in it."""
    with suppress(*BAD_INPUT):
        assert join_notes(split_notes(data)) == data
        for one in split_notes(data):
            with suppress(*BAD_INPUT):
                assert Note.parse(one).encode() == one


def path(data: bytes) -> None:
    """The path of a tile has one form."""
    text = data.decode("utf-8", "surrogateescape")
    with suppress(*BAD_INPUT):
        match parse_path(text):
            case Entries(index, width):
                assert entries_path(index, width) == text
            case tile:
                assert tile_path(tile) == text


def entries(data: bytes) -> None:
    """An entry bundle, whose width is the first byte here, is its entries."""
    width, rest = (data[0] + 1, data[1:]) if data else (1, b"")
    with suppress(*BAD_INPUT):
        assert encode_entries(decode_entries(rest, width)) == rest


def row(data: bytes) -> None:
    """A row that can be read has one form."""
    with suppress(*BAD_INPUT):
        found, end = values(data)
        written = b"".join(column.write(found[column.name]) for column in COLUMNS[found["version"]])
        assert written == data[:end]


def map_proof(data: bytes) -> None:
    """A proof of the index of keys that holds gives what the index has, for one that is there and one not."""
    try:
        proof = parse_proof(data)
    except BAD_INPUT:
        return
    assert proof.encode() == data
    for tag, entry in (*MAP.items(), (ABSENT, None)):
        with suppress(*BAD_INPUT):
            assert verify_entry(MAP_ROOT, tag, proof) == entry


def manifest(data: bytes) -> None:
    """The manifest of a bundle has one form."""
    with suppress(*BAD_INPUT):
        found = Manifest.parse(data)
        assert found.encode() == data
        found.files()


def bundle(data: bytes) -> None:
    """A bundle that is believed holds rows and checkpoints of the log, unchanged and at their places."""
    _SCRATCH.write_bytes(data)
    for trusted in (NO_WITNESSES, QUORUM):
        with suppress(*BAD_INPUT):
            report = verify_archive(_SCRATCH, LOG_KEYS, trusted)
            assert report.rows
            assert report.chains == (CHAIN,)
            for proved in report.rows:
                assert (proved.chain, proved.canonical) == (CHAIN, CANONICAL[proved.seq])
            for each in report.checkpoints:
                assert each.checkpoint in TREES.values()


def bundle_file(data: bytes) -> None:
    """The same of a bundle in which one file, by the first byte, has the rest as its content.

    The archive is packed well, so that what is in it is reached.
    """
    if data:
        name = sorted(FILES)[data[0] % len(FILES)]
        bundle(packed({**FILES, name: data[1:]}, zipfile.ZIP_STORED))


def _map() -> tuple[dict[bytes, Entry], bytes, list[bytes]]:
    tags = [bytes([n]) * 32 for n in (0, 1, 3, 128, 200)]
    entries = {tag: Entry(n + 1, bytes([n]) * 32) for n, tag in enumerate(tags)}
    tree = SparseTree()
    tree.update(entries)
    return entries, tree.root, [tree.prove(tag).encode() for tag in (*tags, ABSENT)]


ABSENT: Final = bytes([2]) * 32
MAP, MAP_ROOT, _MAP_PROOFS = _map()
_SCRATCH: Final = Path(tempfile.gettempdir()) / f"ansvar-fuzz-{os.getpid()}.zip"
atexit.register(_SCRATCH.unlink, missing_ok=True)

_WITNESSED: Final = [one.encode() for one in NOTES.values()]
_FILES: Final = [bytes([n]) + FILES[name] for n, name in enumerate(sorted(FILES))]
_PATHS: Final = (
    "tile/0/000",
    "tile/3/x001/x234/067.p/112",
    "tile/entries/x999/000",
    "tile/63/x009/x223/x372/x036/x854/x775/807",
)

TARGETS: Final[dict[str, Target]] = {
    "note": Target(note, [*_WITNESSED, *LEAN.values()]),
    "checkpoint-text": Target(
        checkpoint_text, [*(tree.text().encode() for tree in TREES.values()), str(LOG_KEYS[0]).encode()]
    ),
    "checkpoint": Target(checkpoint, [*_WITNESSED, *LEAN.values()]),
    "tlog-proof": Target(tlog_proof, [PROOFS[1], PROOFS[5]]),
    "consistency": Target(consistency, [CONSISTENCY.encode()]),
    "answer": Target(answer, ["".join([one.line() for one in NOTES[3].signatures[2:]]).encode(), b"7\n"]),
    "policy": Target(policy, [QUORUM.encode(), b"# nobody\nquorum none\n"]),
    "statement": Target(
        statement, [*STATEMENTS.values(), SUCCESSION.text()[:-1].encode(), VERIFIED.text()[:-1].encode()]
    ),
    "notes-file": Target(notes_file, [join_notes(STATEMENTS.values()), join_notes(LEAN.values())]),
    "path": Target(path, [each.encode() for each in _PATHS]),
    "entries": Target(
        entries, [struct.pack("B", len(CANONICAL) - 1) + encode_entries(CANONICAL), b"\0\0\0", b""]
    ),
    "row": Target(row, CANONICAL),
    "map-proof": Target(map_proof, _MAP_PROOFS),
    "manifest": Target(manifest, [FILES[MANIFEST]]),
    "bundle": Target(bundle, [packed(FILES), packed(FILES, zipfile.ZIP_STORED)]),
    "bundle-file": Target(bundle_file, _FILES),
}
"""Every format that comes from outside, by the name that `run.py` takes."""
