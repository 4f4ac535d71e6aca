"""Making an evidence bundle: the proofs of chosen rows, and a file that is the same for the same input.

Invariants: what is put in was read from the store and holds before it is handed out: each row is proved in
the tree of the earliest published checkpoint that covers it, and each tree in the chain's newest published
one. Whether the log's signatures are good is left to whoever pins its keys. No secret is needed.

Not handled here: which rows (`selecting`), the texts for people (`readme`), verifying (`verifier.evidence`).
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from ansvar.accountability.evidence.errors import EvidenceError, NotYetCovered
from ansvar.accountability.evidence.proving import proofs_of
from ansvar.accountability.evidence.readme import Told, documents
from ansvar.ledger.canonical import ZERO32, leaf, place, values
from ansvar.ledger.checkpoint import Checkpoint
from ansvar.ledger.errors import LedgerError
from ansvar.ledger.notes import Note
from ansvar.ledger.proofs import (
    consistency_parts,
    inclusion_parts,
    verify_consistency,
    verify_inclusion,
)
from ansvar.ledger.rowbinary import read_length
from ansvar.ledger.statements import join_notes
from ansvar.ledger.tlog_proof import TlogProof
from ansvar.ledger.witness_protocol import AddCheckpoint
from ansvar.store.catalogue import Catalogue
from ansvar.store.checkpoints import Checkpoints
from ansvar.store.client import Store
from ansvar.store.ledger import COLUMNS_SQL
from ansvar.store.trees import Trees
from ansvar.verifier.archive import MAX_BYTES, MAX_FILES
from ansvar.verifier.evidence import MAX_KEPT
from ansvar.verifier.manifest import (
    MANIFEST,
    MAX_MANIFEST,
    MAX_SELECTION,
    ROWS,
    WITNESSES,
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

_PAGE: Final = 1_000  # rows of one query
_EPOCH_OF_ZIP: Final = (1980, 1, 1, 0, 0, 0)
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_SHOWN: Final = 5  # rows that an error names

Progress = Callable[[int, int], None]  # rows done, of how many


class Log(Struct, frozen=True):
    """What is public of the deployment's log: origins, key successions by chain, the witness policy."""

    origin: Callable[[int], str]
    successions: Callable[[int], list[bytes]]
    witnesses: bytes | None = None


class Request(Struct, frozen=True):
    """What the manifest says of how a bundle came to be; `made_at` is an aware UTC time."""

    selection: tuple[str, ...]
    made_at: datetime
    state_rows: bool = True


class Made(Struct, frozen=True):
    """A bundle: the file's bytes, and what is in it."""

    content: bytes
    manifest: Manifest


def build(
    store: Store, rows: Sequence[Listed], log: Log, request: Request, progress: Progress | None = None
) -> Made:
    """Make the bundle of some rows, which are in order, each once.

    Raises NotYetCovered where a checkpoint is still to come, EvidenceError where the store does not hold what
    its checkpoints say, StoreError.
    """
    files: dict[str, bytes] = {}
    told = Told()
    entries: dict[int, ChainEntry] = {}
    lines: list[str] = []
    trees = _trees(store, rows)
    picked = {(chain, seq) for chain, seq, why in rows if why == "selected"}
    done = 0
    for chain, (seqs, chosen) in trees.items():
        entries[chain] = _checkpoints(store, chain, chosen, log, files)
        for seq, canonical, row, proved in _proved(store, chain, seqs, chosen):
            files[row_path(chain, seq)] = canonical
            files[proof_path(chain, seq)] = proved
            lines.append(readable(row, canonical[-len(ZERO32) :], leaf(canonical)))
            told.took(row, selected=(chain, seq) in picked)
            done += 1
            if progress is not None:
                progress(done, len(rows))
    files[ROWS] = "".join(lines).encode()
    catalogue = Catalogue(store)
    policies = sorted(told.policies - {ZERO32})
    files |= {policy_path(sha256.hex()): catalogue.bundle(sha256) for sha256 in policies}
    files |= {schema_path(version): schema(version) for version in told.versions}
    texts = documents(told, entries, rows, request.made_at)
    if log.witnesses is not None:
        texts[WITNESSES] = log.witnesses
    manifest = Manifest(
        made_at=request.made_at.strftime(_TIME),
        selection=request.selection,
        state_rows=request.state_rows,
        chains=entries,
        rows=tuple(rows),
        versions=tuple(sorted(told.versions)),
        policies=tuple(sha256.hex() for sha256 in policies),
        documents={name: hashlib.sha256(text).hexdigest() for name, text in texts.items()},
    )
    _check_limits(manifest, files)
    return Made(archived({**files, **texts, MANIFEST: manifest.encode()}), manifest)


def _check_limits(manifest: Manifest, files: dict[str, bytes]) -> None:
    """Raise EvidenceError for more rows, policies or criteria than a verifier takes."""
    kept = [*(row_path(chain, seq) for chain, seq, _ in manifest.rows), *map(policy_path, manifest.policies)]
    if sum(len(files[path]) for path in kept) > MAX_KEPT:
        raise EvidenceError(
            f"a bundle has at most {MAX_KEPT >> 20} MiB of rows and policies; narrow the selection"
        )
    if len(manifest.selection) > MAX_SELECTION or len(manifest.encode()) > MAX_MANIFEST:
        raise EvidenceError("more rows or criteria than a bundle's manifest holds; narrow the selection")


def archived(files: dict[str, bytes]) -> bytes:
    """A zip of files by name: sorted, without times and owners, so that the same files give the same bytes.

    Raises EvidenceError for more than a verifier takes.
    """
    if len(files) > MAX_FILES or sum(map(len, files.values())) > MAX_BYTES:
        raise EvidenceError(
            f"a bundle has at most {MAX_FILES} files and {MAX_BYTES >> 20} MiB; narrow the selection"
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", allowZip64=False) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EPOCH_OF_ZIP)
            info.create_system = 3  # wherever it is made
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name])
    return packed.getvalue()


class _Trees(Struct, frozen=True):
    """The published checkpoints that the rows of one chain need: each row's by its seq, and the newest."""

    of: dict[int, int]  # seq -> size
    notes: dict[int, Note]  # size -> note
    newest: int

    def tree(self, size: int) -> Checkpoint:
        """The checkpoint of a size."""
        return Checkpoint.parse(self.notes[size].text)


def _trees(store: Store, rows: Sequence[Listed]) -> dict[int, tuple[list[int], _Trees]]:
    """The seqs of each chain and their trees. Raises NotYetCovered for all rows that have none."""
    seqs: dict[int, list[int]] = {}
    for chain, seq, _ in rows:
        seqs.setdefault(chain, []).append(seq)
    sizes = {chain: _published(store, chain) for chain in seqs}
    late = [(c, s) for c, s, _ in rows if not sizes[c] or s >= sizes[c][-1]]
    if late:
        shown = ", ".join([f"{chain}/{seq}" for chain, seq in late[:_SHOWN]])
        more = f" and {len(late) - _SHOWN} more" if len(late) > _SHOWN else ""
        raise NotYetCovered(
            f"no published checkpoint covers the rows {shown}{more} yet; try again in some seconds"
        )
    return {
        chain: (of_chain, _tree(store, chain, of_chain, sizes[chain])) for chain, of_chain in seqs.items()
    }


def _published(store: Store, chain: int) -> list[int]:
    """The sizes of a chain's published checkpoints, in order."""
    found = store.query(
        "SELECT DISTINCT size FROM {database}.checkpoints "
        "WHERE chain = {chain:UInt32} AND published = 1 ORDER BY size",
        {"chain": chain},
    )
    return [size for (size,) in found]


def _tree(store: Store, chain: int, seqs: Sequence[int], sizes: Sequence[int]) -> _Trees:
    of = {seq: sizes[bisect_right(sizes, seq)] for seq in seqs}
    kept = Checkpoints(store)
    notes: dict[int, Note] = {}
    for size in sorted({*of.values(), sizes[-1]}):
        stored = kept.first_covering(chain, size - 1)
        if stored is None or stored.size != size:
            raise EvidenceError(f"chain {chain}: the checkpoint of size {size} is gone. Run: ansvar verify")
        notes[size] = _note(chain, size, stored.note)
    return _Trees(of, notes, sizes[-1])


def _note(chain: int, size: int, data: bytes) -> Note:
    try:
        note = Note.parse(data)
        stated = Checkpoint.parse(note.text).size
    except LedgerError as error:
        raise EvidenceError(
            f"chain {chain}: the stored checkpoint of size {size} cannot be read: {error}. Run: ansvar verify"
        ) from error
    if stated != size:
        raise EvidenceError(
            f"chain {chain}: the stored checkpoint of size {size} states {stated}. Run: ansvar verify"
        )
    return note


def _checkpoints(store: Store, chain: int, trees: _Trees, log: Log, files: dict[str, bytes]) -> ChainEntry:
    """Add a chain's checkpoints, their consistency and the key successions."""
    sizes = sorted(trees.notes)
    parts = [(consistency_parts(size, trees.newest), trees.newest) for size in sizes]
    newest, last = trees.tree(trees.newest), lean(trees.notes[trees.newest])
    for size, hashes in zip(sizes, proofs_of(Trees(store), chain, parts), strict=True):
        files[checkpoint_path(chain, size)] = trees.notes[size].encode()
        tree = trees.tree(size)
        try:
            verify_consistency(tree.size, newest.size, tree.root, newest.root, hashes)
        except LedgerError as error:
            raise EvidenceError(f"chain {chain}: {error}. Run: ansvar verify") from error
        if size != trees.newest:
            files[consistency_path(chain, size)] = AddCheckpoint(size, hashes, last).encode()
    successions = log.successions(chain)
    if successions:
        files[successions_path(chain)] = join_notes(successions)
    return ChainEntry(log.origin(chain), tuple(sizes), bool(successions))


def _proved(
    store: Store, chain: int, seqs: Sequence[int], trees: _Trees
) -> Iterator[tuple[int, bytes, dict[str, Any], bytes]]:
    """(seq, canonical bytes, columns, tlog-proof) of each row, in order."""
    parts = [(inclusion_parts(seq, trees.of[seq]), trees.of[seq]) for seq in seqs]
    notes = {size: lean(note) for size, note in trees.notes.items()}
    roots = {size: trees.tree(size).root for size in trees.notes}
    hashes = proofs_of(Trees(store), chain, parts)
    for (seq, canonical), path in zip(_canonical(store, chain, seqs), hashes, strict=True):
        size, hashed = trees.of[seq], leaf(canonical)
        try:
            verify_inclusion(hashed, seq, size, path, roots[size])
            row, _ = values(canonical)
        except LedgerError as error:
            raise EvidenceError(f"chain {chain}, seq {seq}: {error}. Run: ansvar verify") from error
        yield seq, canonical, row, TlogProof(seq, path, notes[size]).encode()


def _canonical(store: Store, chain: int, seqs: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """(seq, canonical bytes) of some rows, in order. Raises EvidenceError for one that is not there once."""
    for start in range(0, len(seqs), _PAGE):
        page = seqs[start : start + _PAGE]
        wanted = sorted({*page, *(seq - 1 for seq in page if seq)})
        found: dict[int, tuple[bytes, bytes]] = {}
        count = 0
        for columns, hashed in _stored(store, chain, wanted):
            found[place(columns)[1]] = columns, hashed
            count += 1
        if count != len(wanted) or len(found) != count:
            raise EvidenceError(f"chain {chain}: rows are missing or there twice. Run: ansvar verify")
        for seq in page:
            yield seq, found[seq][0] + (found[seq - 1][1] if seq else ZERO32)


def _stored(store: Store, chain: int, seqs: Sequence[int]) -> Iterator[tuple[bytes, bytes]]:
    """(stored column bytes, leaf) of some rows."""
    data = store.raw(
        f"SELECT formatRow('RowBinary', {COLUMNS_SQL}), leaf FROM {{database}}.ledger "
        "WHERE chain = {chain:UInt32} AND seq IN {seqs:Array(UInt64)} ORDER BY seq",
        {"chain": chain, "seqs": list(seqs)},
    )
    at = 0
    while at < len(data):
        size, at = read_length(data, at)
        yield data[at : at + size], data[at + size : at + size + 32]
        at += size + 32
