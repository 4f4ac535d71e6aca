"""A chain as the log that outsiders see: published checkpoint, tiles, entries, proofs (C2SP tlog-tiles).

Invariants: nothing is shown beyond the newest published checkpoint, and nothing that does not fit it: the
tree must have the checkpoint's root, each entry its leaf. Entries are canonical rows; no row holds an
identifier of a person, yet they are for auditors alone.

Not handled here: HTTP (`api.log`), who may ask.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from ansvar.ledger.canonical import ZERO32, leaf
from ansvar.ledger.checkpoint import Checkpoint
from ansvar.ledger.errors import Fault
from ansvar.ledger.notes import Note
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
                f"chain {chain} has no published checkpoint; a worker writes one within seconds of a row"
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
        if not 0 <= seq < self.size:
            raise NotPublished(f"chain {self.chain}: the published tree has {self.size} rows, no row {seq}")
        return self._canonical(seq, seq + 1)[0]

    def proof(self, seq: int) -> TlogProof:
        """The proof that a row is in the published tree. Raises NotPublished."""
        if not 0 <= seq < self.size:
            raise NotPublished(f"chain {self.chain}: the published tree has {self.size} rows, no row {seq}")
        return TlogProof(seq, self._trees.inclusion(self.chain, seq, self.size), self.note)

    def check(self) -> None:
        """Raise Fault unless the tree in the store has the checkpoint's root."""
        if self._trees.frontier(self.chain, self.size).root() != self.checkpoint.root:
            raise Fault("forked", self.chain, 0, "the rows are not those that the checkpoint was signed for")

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
    last. `progress(done, all)` counts tiles and bundles. Raises ExportError, Fault, StoreError.
    """
    log.check()
    _check_directory(out, log.checkpoint.origin)
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


def _check_directory(out: Path, origin: str) -> None:
    """Only an empty directory, or an export of this log, is written to."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in out.iterdir()}
        if not names:
            return
        found = (out / CHECKPOINT).read_bytes() if CHECKPOINT in names else b""
    except OSError as error:
        raise ExportError(f"{out} cannot be used: {error.strerror}") from error
    if names - {CHECKPOINT, "tile"} or not found.startswith(f"{origin}\n".encode()):
        raise ExportError(f"{out} holds something else than an export of {origin}; give an empty directory")


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.part")
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}") from error
