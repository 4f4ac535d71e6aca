"""A chain as the log that outsiders see: published checkpoint, tiles, entries, proofs (C2SP tlog-tiles).

Invariants: nothing is shown beyond the newest published checkpoint. A proof leads to its root, an export has
it, and each entry has its leaf; a tile that is asked for by itself is what the store holds, and who asks
compares (C2SP tlog-tiles). An export never takes the place of one that it does not extend. Entries are
canonical rows; no row holds an identifier of a person, yet they are for auditors alone.

Not handled here: HTTP (`api.log`), who may ask.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from ansvar.ledger.canonical import ZERO32, leaf
from ansvar.ledger.checkpoint import Checkpoint
from ansvar.ledger.errors import Fault, Malformed, Unproved
from ansvar.ledger.notes import Note
from ansvar.ledger.proofs import verify_inclusion
from ansvar.ledger.tiles import (
    WIDTH,
    Entries,
    Tile,
    encode_entries,
    entries_path,
    tile_path,
    tiles_of,
    width_at,
)
from ansvar.ledger.tlog_proof import TlogProof
from ansvar.store.checkpoints import Checkpoints
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.trees import Trees

CHECKPOINT: Final = "checkpoint"


class NotPublished(Exception):
    """What was asked for is not in the log as it is published now."""


class ExportError(Exception):
    """The directory for an export cannot be used."""


class PublishedLog:
    """One chain, as of its newest published checkpoint when this was made; NotPublished where it has none."""

    def __init__(self, store: Store, chain: int) -> None:
        newest = Checkpoints(store).newest(chain, published=True)
        if newest is None:
            raise NotPublished(
                f"chain {chain} has no published checkpoint; a worker writes one within seconds of a row, "
                "ingest at its end, once the witnesses that the policy asks for have cosigned it"
            )
        self.chain, self.note = chain, newest.note
        self.checkpoint = Checkpoint.parse(Note.parse(newest.note).text)
        self._ledger, self._trees = LedgerStore(store), Trees(store)

    @property
    def size(self) -> int:
        """Rows in the published tree."""
        return self.checkpoint.size

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile of the published tree, as wide as was asked. Raises NotPublished."""
        if not 0 < tile.width <= width_at(tile.level, tile.index, self.size):
            raise NotPublished(f"chain {self.chain} has no {tile_path(tile)} at size {self.size}")
        return self._trees.tiles(self.chain, [tile])[tile]

    def entries(self, bundle: Entries) -> bytes:
        """An entry bundle. Raises NotPublished, or Fault where a row is not what its leaf says."""
        if not 0 < bundle.width <= width_at(0, bundle.index, self.size):
            wanted = entries_path(bundle.index, bundle.width)
            raise NotPublished(f"chain {self.chain} has no {wanted} at size {self.size}")
        first = bundle.index * WIDTH
        return encode_entries(self._canonical(first, first + bundle.width))

    def entry(self, seq: int) -> bytes:
        """One row's canonical bytes. Raises NotPublished or Fault."""
        self._check_seq(seq)
        return self._canonical(seq, seq + 1)[0]

    def proof(self, seq: int) -> TlogProof:
        """The proof that a row's leaf is in the published tree. Raises NotPublished, or Fault if it is not.

        Whether the row is that of its leaf is `entry`'s to say.
        """
        self._check_seq(seq)
        found = self._ledger.leaves(self.chain, seq, 1)
        if not found or found[0][0] != seq:
            raise Fault("missing", self.chain, seq, "the row is not there")
        hashes = self._trees.inclusion(self.chain, seq, self.size)
        try:
            verify_inclusion(found[0][1], seq, self.size, hashes, self.checkpoint.root)
        except Unproved as error:
            told = f"the row is not in the tree that was signed: {error}"
            raise Fault("forked", self.chain, seq, told) from error
        return TlogProof(seq, hashes, self.note)

    def check(self, checkpoint: Checkpoint) -> None:
        """Raise Fault unless the tree in the store is one that goes through this checkpoint of the log."""
        if checkpoint.size > self.size:
            told = f"a checkpoint over {checkpoint.size} rows was published once"
            raise Fault("rolled-back", self.chain, self.size, told)
        if self._trees.frontier(self.chain, checkpoint.size).root() != checkpoint.root:
            raise Fault("forked", self.chain, 0, "the rows are not those that the checkpoint was signed for")

    def _check_seq(self, seq: int) -> None:
        if not 0 <= seq < self.size:
            raise NotPublished(f"chain {self.chain}: the published tree has {self.size} rows, no row {seq}")

    def _canonical(self, first: int, end: int) -> list[bytes]:
        before, found = ZERO32, []
        for seq, (columns, stored) in enumerate(
            self._ledger.stored(self.chain, max(0, first - 1), end), start=max(0, first - 1)
        ):
            if seq >= first:
                if leaf(columns + before) != stored:
                    raise Fault("edited", self.chain, seq, "the stored columns do not give the stored leaf")
                found.append(columns + before)
            before = stored
        if len(found) != end - first:
            raise Fault("missing", self.chain, first, f"{len(found)} rows where {end - first} should be")
        return found


def export_tiles(log: PublishedLog, out: Path, progress: Callable[[int, int], None]) -> int:
    """Write a chain's log as files: `checkpoint`, `tile/...`, `tile/entries/...`; returns how many it wrote.

    A directory that holds an older export of the same log is brought up to date; the checkpoint is written
    last. `progress(done, all)` counts tiles and bundles. Raises ExportError, StoreError, or Fault, also where
    the log does not extend what the older export holds: that is then evidence, and stays as it is.
    """
    log.check(log.checkpoint)
    older = _exported(out, log.checkpoint.origin)
    if older is not None:
        log.check(older)
    tiles = list(tiles_of(log.size))
    files = [(tile_path(tile), partial(log.tile, tile)) for tile in tiles]
    bundles = [Entries(tile.index, tile.width) for tile in tiles if tile.level == 0]
    files += [(entries_path(each.index, each.width), partial(log.entries, each)) for each in bundles]
    written = 0
    for done, (name, content) in enumerate(files, start=1):
        if not (out / name).exists():
            _write(out / name, content())
            written += 1
        progress(done, len(files))
    _write(out / CHECKPOINT, log.note)
    return written + 1


def _exported(out: Path, origin: str) -> Checkpoint | None:
    """The checkpoint of the older export; only that of this log, or an empty directory, is written to."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in out.iterdir()} - {_part(out / CHECKPOINT).name}
        if not names:
            return None
        found = Checkpoint.parse(Note.parse((out / CHECKPOINT).read_bytes()).text)
        foreign = bool(names - {CHECKPOINT, "tile"}) or found.origin != origin
    except FileNotFoundError:
        foreign = True
    except OSError as error:
        raise ExportError(f"{out} cannot be used: {error.strerror}") from error
    except Malformed:
        foreign = True
    if foreign:
        raise ExportError(f"{out} holds something else than a whole export of {origin}; give an empty one")
    return found


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _part(path)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}") from error


def _part(path: Path) -> Path:
    """What a file is called until it is whole."""
    return path.with_name(f".{path.name}.part")
