"""Evidence bundles for tests: a deployment's chains with signed checkpoints, and bundles taken apart.

Rows are those of `rows.company_chain`, on a genesis that names the deployment and a policy that is there.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from msgspec.structs import replace

from ansvar.accountability.evidence.building import Log, Made, Request, archived, build
from ansvar.accountability.evidence.selecting import Selection, choose
from ansvar.deployment import Deployment, RegisteredProducer, to_record
from ansvar.ledger.canonical import ZERO32, leaf, values
from ansvar.ledger.checkpoint import Checkpoint
from ansvar.ledger.errors import MalformedRow
from ansvar.ledger.merkle import root
from ansvar.ledger.notes import Note, NoteSignature, VerifierKey
from ansvar.ledger.proofs import Node, inclusion_parts, proof
from ansvar.ledger.row import Row, seal
from ansvar.ledger.tlog_proof import TlogProof
from ansvar.store.catalogue import Catalogue
from ansvar.store.checkpoints import Checkpoints, Stored
from ansvar.store.client import Store
from ansvar.store.trees import Trees
from ansvar.vault.logkeys import LogSigner, create
from ansvar.verifier.manifest import (
    DOCUMENTS,
    MANIFEST,
    ROWS,
    ChainEntry,
    Listed,
    Manifest,
    checkpoint_path,
    lean,
    policy_path,
    proof_path,
    readable,
    row_path,
    schema,
    schema_path,
)
from rows import company_chain
from stores import fill

DEPLOYMENT = UUID("0192d3a4-0000-7000-8000-000000000001")
POLICY = b'{"bundle.yaml":"name: a"}'
MADE_AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
SIGNED_AT = 1_780_000_000  # Unix seconds of the first checkpoint
Cosign = Callable[[Checkpoint, int], Sequence[NoteSignature]]


def deployment(policy: bytes = POLICY) -> Deployment:
    """The record that genesis rows hold."""
    return Deployment(
        id=DEPLOYMENT.bytes,
        topic="ansvar.events",
        chains=4,
        recent_events=1000,
        engine=1,
        bundle=hashlib.sha256(policy).digest(),
        operator=bytes(32),
        epoch=1,
        intake=bytes(1216),
        secrets=bytes(32),
        producers=(RegisteredProducer("local", bytes(32)),),
        founded_at=0,
    )


def founded(rows: Iterable[Row], policy: bytes = POLICY) -> list[Row]:
    """The rows as if they were judged by this policy, in this deployment."""
    record = to_record(deployment(policy)).decode()
    sha256 = hashlib.sha256(policy).digest()
    return [replace(row, policy=sha256, extra=record if row.kind == "genesis" else row.extra) for row in rows]


def checkpointed(
    store: Store, signer: LogSigner, chain: int, sizes: Sequence[int], cosign: Cosign | None = None
) -> None:
    """Keep the tiles of a chain, and a published checkpoint of each size, a minute apart."""
    trees = Trees(store)
    trees.keep((chain, tile) for tile in trees.rebuild(chain, sizes[-1]).take_completed())
    kept = []
    for n, size in enumerate(sizes):
        at = SIGNED_AT + 60 * n
        note = signer.sign(chain, size, trees.rebuild(chain, size).root(), at)
        if cosign is not None:
            note = note.with_signatures(*cosign(Checkpoint.parse(note.text), at))
        kept.append(Stored(chain, size, at * 1000, True, note.encode()))
    Checkpoints(store).keep(kept)


class Company:
    """A store with some chains of 300 rows, their checkpoints at 100, 257 and 300, and the log's keys."""

    chains = (0, 2)
    sizes = (100, 257, 300)

    def __init__(self, store: Store, keys: Path, cosign: Cosign | None = None) -> None:
        self.store = store
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        create(keys)
        self.signer = LogSigner(keys, DEPLOYMENT.bytes)
        Catalogue(store).put_bundle(POLICY)
        fill(store, *(founded(company_chain(chain, 300)) for chain in self.chains))
        for chain in self.chains:
            checkpointed(store, self.signer, chain, self.sizes, cosign)

    @property
    def log(self) -> Log:
        """What `build` is told of the log."""
        return Log(self.signer.origin, self.signer.successions)

    @property
    def keys(self) -> list[VerifierKey]:
        """What an auditor has pinned."""
        return [key for chain in self.chains for key in self.signer.public(chain)]

    def bundle(self, selection: Selection, *, limit: int = 1000, state_rows: bool = True) -> Made:
        """The bundle of a selection."""
        rows = choose(self.store, selection, limit, state_rows=state_rows)
        return build(self.store, rows, self.log, Request(selection.words(), MADE_AT, state_rows))


def unpacked(content: bytes) -> dict[str, bytes]:
    """The files of a bundle by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: dict[str, bytes], path: Path) -> Path:
    """A bundle of some files, written to a path."""
    path.write_bytes(archived(files))
    return path


def relisted(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files with a manifest whose hashes of the documents fit: what a forger would do."""
    manifest = Manifest.parse(files["manifest.json"])
    documents = {name: hashlib.sha256(files[name]).hexdigest() for name in manifest.documents}
    told = Manifest(
        manifest.made_at,
        manifest.selection,
        manifest.state_rows,
        manifest.chains,
        manifest.rows,
        manifest.versions,
        manifest.policies,
        documents,
    )
    return files | {"manifest.json": told.encode()}


def without_signatures(note: bytes, *names: str) -> bytes:
    """A note without the signatures of some keys, by name."""
    parsed = Note.parse(note)
    return Note(parsed.text, tuple(one for one in parsed.signatures if one.name not in names)).encode()


def sealed_log(
    canonicals: Sequence[bytes], signer: LogSigner, chain: int = 0, policies: Sequence[bytes] = (POLICY,)
) -> dict[str, bytes]:
    """The bundle of a whole chain whose log sealed and signed these bytes, whatever they are."""
    leaves = [leaf(one) for one in canonicals]
    size = len(leaves)

    def hash_of(node: Node) -> bytes:
        return root(leaves[node.index << node.height : (node.index + 1) << node.height])

    note = signer.sign(chain, size, root(leaves), SIGNED_AT)
    files = {checkpoint_path(chain, size): note.encode(), schema_path(1): schema(1)}
    lines = []
    for seq, canonical in enumerate(canonicals):
        path = proof(inclusion_parts(seq, size), hash_of)
        files[row_path(chain, seq)] = canonical
        files[proof_path(chain, seq)] = TlogProof(seq, path, lean(note)).encode()
        try:
            row, end = values(canonical)
        except MalformedRow:
            continue
        lines.append(readable(row, canonical[end:], leaves[seq]))
    files |= {policy_path(hashlib.sha256(policy).hexdigest()): policy for policy in policies}
    files |= dict.fromkeys(DOCUMENTS, b"words")
    manifest = Manifest(
        made_at="2026-11-23T12:00:00Z",
        selection=("all",),
        state_rows=True,
        chains={chain: ChainEntry(signer.origin(chain), (size,))},
        rows=tuple(Listed(chain, seq, "selected") for seq in range(size)),
        versions=(1,),
        policies=tuple(sorted(hashlib.sha256(policy).hexdigest() for policy in policies)),
        documents={name: hashlib.sha256(b"words").hexdigest() for name in DOCUMENTS},
    )
    return files | {ROWS: "".join(lines).encode(), MANIFEST: manifest.encode()}


def canonicals(rows: Iterable[Row]) -> list[bytes]:
    """The canonical bytes of a chain's rows, each linked to the one before."""
    made, previous = [], ZERO32
    for row in rows:
        columns, hashed = seal(row, previous)
        made.append(columns + previous)
        previous = hashed
    return made
