"""One small log with everything that it hands out, from fixed keys: what fuzzing starts from.

Nothing here reads a clock or draws randomness, so a crash is repeated from its input alone; only ML-DSA
signatures differ from run to run.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from msgspec.structs import replace

from ansvar.ledger.canonical import ZERO32, leaf, values
from ansvar.ledger.checkpoint import Checkpoint, cosign_ed25519, cosign_mldsa, ed25519_key, mldsa_key, sign
from ansvar.ledger.columns import VERSION
from ansvar.ledger.merkle import root
from ansvar.ledger.notes import COSIGNATURE_ED25519, Note
from ansvar.ledger.proofs import Node, Parts, consistency_parts, inclusion_parts, proof
from ansvar.ledger.row import canonical
from ansvar.ledger.statements import Succession, Verified, join_notes, sign_statement
from ansvar.ledger.tlog_proof import TlogProof
from ansvar.ledger.trust import Group, LogEntry, TrustPolicy, WitnessEntry
from ansvar.ledger.witness_protocol import AddCheckpoint
from ansvar.verifier.manifest import (
    DOCUMENTS,
    MANIFEST,
    ROWS,
    ChainEntry,
    Listed,
    Manifest,
    checkpoint_path,
    consistency_path,
    lean,
    policy_path,
    proof_path,
    readable,
    row_path,
    schema,
    schema_path,
    successions_path,
)
from rows import company_chain

CHAIN = 0
DEPLOYMENT = UUID("0192d3a4-0000-7000-8000-000000000001")
ORIGIN = f"ansvar/{DEPLOYMENT}/{CHAIN}"
POLICY = b'{"bundle.yaml":"name: a"}'
SIZES = (3, 7)
SHOWN = (0, 1, 2, 5)  # rows of the bundle
TIME = 1_780_000_000


def _keys(secret: bytes) -> tuple[Ed25519PrivateKey, MLDSA44PrivateKey]:
    return Ed25519PrivateKey.from_private_bytes(secret * 32), MLDSA44PrivateKey.from_seed_bytes(secret * 32)


LOG, NEXT_LOG, WITNESS = _keys(b"l"), _keys(b"n"), _keys(b"w")
LOG_KEYS = (ed25519_key(ORIGIN, LOG[0].public_key()), mldsa_key(ORIGIN, LOG[1].public_key()))
NEXT_KEYS = (ed25519_key(ORIGIN, NEXT_LOG[0].public_key()), mldsa_key(ORIGIN, NEXT_LOG[1].public_key()))
WITNESS_KEYS = (
    ed25519_key("witness.example", WITNESS[0].public_key(), COSIGNATURE_ED25519),
    mldsa_key("witness.example", WITNESS[1].public_key()),
)
QUORUM = TrustPolicy(
    (LogEntry(LOG_KEYS[0]),),
    (WitnessEntry("w", WITNESS_KEYS[0], "https://witness.example/"), WitnessEntry("pq", WITNESS_KEYS[1])),
    (Group("either", 1, ("w", "pq")),),
    "either",
)


def _rows() -> list[bytes]:
    """The canonical bytes of the chain's rows."""
    founding = f'{{"id":"{base64.b64encode(DEPLOYMENT.bytes).decode()}"}}'
    made, before = [], ZERO32
    for row in company_chain(CHAIN, SIZES[-1]):
        extra = founding if row.seq == 0 else row.extra
        data = canonical(replace(row, policy=hashlib.sha256(POLICY).digest(), extra=extra), before)
        made.append(data)
        before = leaf(data)
    return made


CANONICAL = _rows()
LEAVES = [leaf(data) for data in CANONICAL]
TREES = {size: Checkpoint(ORIGIN, size, root(LEAVES[:size])) for size in SIZES}


def _hash_of(wanted: Node) -> bytes:
    return root(LEAVES[wanted.index << wanted.height : (wanted.index + 1) << wanted.height])


def _hashes(parts: tuple[Parts, ...]) -> tuple[bytes, ...]:
    return proof(parts, _hash_of)


def _note(tree: Checkpoint) -> Note:
    return Note(
        tree.text(),
        (
            sign(tree, ORIGIN, LOG[0]),
            cosign_mldsa(tree, ORIGIN, LOG[1], TIME),
            cosign_ed25519(tree, "witness.example", WITNESS[0], TIME + 1),
            cosign_mldsa(tree, "witness.example", WITNESS[1], TIME + 1),
        ),
    )


NOTES = {size: _note(tree) for size, tree in TREES.items()}
LEAN = {size: lean(note) for size, note in NOTES.items()}
PROOFS = {
    seq: TlogProof(seq, _hashes(inclusion_parts(seq, SIZES[-1])), LEAN[SIZES[-1]]).encode()
    for seq in range(SIZES[-1])
}
CONSISTENCY = AddCheckpoint(SIZES[0], _hashes(consistency_parts(*SIZES)), LEAN[SIZES[-1]])
SUCCESSION = Succession(ORIGIN, *NEXT_KEYS, TIME, TIME + 86_400)
VERIFIED = Verified(TREES[SIZES[-1]], TIME)
STATEMENTS = {
    statement.text(): sign_statement(statement, ORIGIN, LOG[0]).encode()
    for statement in (SUCCESSION, VERIFIED)
}


def _files() -> dict[str, bytes]:
    documents = {name: f"{name}\n".encode() for name in DOCUMENTS}
    sha256 = hashlib.sha256(POLICY).hexdigest()
    manifest = Manifest(
        made_at="2026-11-23T12:00:00Z",
        selection=("chain 0",),
        state_rows=False,
        chains={CHAIN: ChainEntry(ORIGIN, SIZES, True)},
        rows=tuple([Listed(CHAIN, seq, "selected") for seq in SHOWN]),
        versions=(VERSION,),
        policies=(sha256,),
        documents={name: hashlib.sha256(content).hexdigest() for name, content in documents.items()},
    )
    lines = []
    for seq in SHOWN:
        columns, end = values(CANONICAL[seq])
        lines.append(readable(columns, CANONICAL[seq][end:], LEAVES[seq]))
    files = {MANIFEST: manifest.encode(), ROWS: "".join(lines).encode(), **documents}
    files[schema_path(VERSION)] = schema(VERSION)
    files[policy_path(sha256)] = POLICY
    files[successions_path(CHAIN)] = join_notes([STATEMENTS[SUCCESSION.text()]])
    files[consistency_path(CHAIN, SIZES[0])] = CONSISTENCY.encode()
    files |= {checkpoint_path(CHAIN, size): note.encode() for size, note in NOTES.items()}
    for seq in SHOWN:
        files |= {row_path(CHAIN, seq): CANONICAL[seq], proof_path(CHAIN, seq): PROOFS[seq]}
    return files


FILES = _files()


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The files as an evidence bundle."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()
