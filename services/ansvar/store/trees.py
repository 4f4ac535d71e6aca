"""The Merkle trees of the chains in the store: leaves in the ledger, the roots of completed tiles beside.

Invariants: nothing here is believed by itself. A tree put together from these tables is compared with a
checkpoint that the log signed, and tiles that are missing are computed again from the leaves. Tiles are
appended to, never changed; keeping one twice changes nothing.

Not handled here: what the hashes mean (`ledger.tiles`, `ledger.proofs`), checkpoints (`checkpoints`), whether
leaves are those of their rows (`verify`).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ansvar.ledger.proofs import Parts, consistency_parts, inclusion_parts, peaks, proof
from ansvar.ledger.tiles import HEIGHT, WIDTH, Frontier, Tile, TileHashes, tiles_for
from ansvar.store.client import Parameters, Store
from ansvar.store.errors import StoreError

CompletedTile = tuple[int, int, bytes]  # level, index, root

_STRETCH: Final = 1 << 20  # rows whose tiles one query computes
_ROW: Final = struct.Struct("<IBQ32s")
_NONE: Final[Parameters] = {}
_LEAVES: Final = (
    "SELECT seq, leaf FROM {database}.ledger "
    "WHERE chain = {chain:UInt32} AND intDiv(seq, 256) IN {tiles:Array(UInt64)}"
)
_ROOTS: Final = (
    "SELECT level, index, root FROM {database}.tiles "
    "WHERE chain = {chain:UInt32} AND (level, intDiv(index, 256)) IN "
    "arrayZip({levels:Array(UInt8)}, {tiles:Array(UInt64)})"
)
_LEAF: Final = struct.Struct("<Q32s")
_ROOT: Final = struct.Struct("<BQ32s")


class TilesMissing(StoreError):
    """The store has not all the leaves or tile roots that a tree of that size consists of."""


class Trees:
    """The trees of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, tiles: Iterable[tuple[int, CompletedTile]]) -> None:
        """Store the roots of completed tiles, (chain, (level, index, root)); nothing happens without any."""
        block = b"".join(_ROW.pack(chain, level, index, root) for chain, (level, index, root) in tiles)
        if block:
            token = hashlib.sha256(block).hexdigest()
            self._store.insert("tiles", ("chain", "level", "index", "root"), block, token=token)

    def tiles(self, chain: int, wanted: Sequence[Tile]) -> dict[Tile, bytes]:
        """The hashes of some tiles. Raises TilesMissing where one of them is not there in full."""
        found = self._leaves(chain, [tile for tile in wanted if tile.level == 0])
        found |= self._roots(chain, [tile for tile in wanted if tile.level > 0])
        for tile in wanted:
            if len(found[tile]) != 32 * tile.width:
                raise TilesMissing(
                    f"chain {chain}: of tile {tile.index} of level {tile.level} there are "
                    f"{len(found[tile]) // 32} hashes, not {tile.width}. Run: ansvar verify"
                )
        return found

    def inclusion(self, chain: int, index: int, size: int) -> tuple[bytes, ...]:
        """The inclusion proof of a leaf in the tree of that size (RFC 6962 section 2.1.1)."""
        return self._proof(chain, inclusion_parts(index, size), size)

    def consistency(self, chain: int, old: int, new: int) -> tuple[bytes, ...]:
        """The consistency proof from one size to another (RFC 6962 section 2.1.2)."""
        return self._proof(chain, consistency_parts(old, new), new)

    def frontier(self, chain: int, size: int) -> Frontier:
        """The tree of that size, to go on from. Raises TilesMissing."""
        parts = peaks(size)
        hashes = TileHashes(self.tiles(chain, tiles_for([parts], size)))
        return Frontier(size, [hashes(node) for node in parts])

    def rebuild(self, chain: int, size: int, progress: Callable[[int], None] | None = None) -> Frontier:
        """The tree of that size from the leaves alone; all its completed tiles are there to be taken.

        Raises TilesMissing naming the first leaf that is missing or there twice.
        """
        frontier = Frontier()
        full = size // WIDTH * WIDTH
        for start in range(0, full, _STRETCH):
            end = min(start + _STRETCH, full)
            for root in self.tile_roots(chain, start, end):
                frontier.append_tile(root)
            if progress is not None:
                progress(end)
        rest = Tile(0, full // WIDTH, size - full)
        if rest.width:
            hashes = self.tiles(chain, [rest])[rest]
            frontier.extend(hashes[at : at + 32] for at in range(0, len(hashes), 32))
        return frontier

    def _proof(self, chain: int, parts: Sequence[Parts], size: int) -> tuple[bytes, ...]:
        return proof(parts, TileHashes(self.tiles(chain, tiles_for(parts, size))))

    def tile_roots(self, chain: int, start: int, end: int) -> list[bytes]:
        """The roots of the completed tiles of level 0 from `start` to `end` (multiples of 256), in order.

        They are computed from the leaves. Raises TilesMissing as `rebuild`.
        """
        found = self._store.query(_TILE_ROOTS, {"chain": chain, "a": start, "b": end})
        expected = start // WIDTH
        for tile, rows, distinct, _ in found:
            if tile != expected or rows != WIDTH or distinct != WIDTH:
                break
            expected += 1
        if expected != end // WIDTH:
            first = expected * WIDTH
            raise TilesMissing(
                f"chain {chain}: rows {first} to {first + WIDTH - 1} are not each there once. "
                "Run: ansvar verify"
            )
        return [bytes(root) for _, _, _, root in found]

    def _leaves(self, chain: int, tiles: Sequence[Tile]) -> dict[Tile, bytes]:
        found: dict[int, list[tuple[int, bytes]]] = {tile.index: [] for tile in tiles}
        for seq, leaf in sorted(_LEAF.iter_unpack(self._asked(_LEAVES, chain, list(found)))):
            found[seq // WIDTH].append((seq, leaf))
        return {
            tile: b"".join([leaf for seq, leaf in found[tile.index] if seq % WIDTH < tile.width])
            for tile in tiles
        }

    def _roots(self, chain: int, tiles: Sequence[Tile]) -> dict[Tile, bytes]:
        """The hashes of a tile above level 0 are the roots of 256 tiles of the level below."""
        found: dict[tuple[int, int], list[tuple[int, bytes]]] = {(t.level - 1, t.index): [] for t in tiles}
        levels, indexes = [level for level, _ in found], [index for _, index in found]
        data = self._asked(_ROOTS, chain, indexes, {"levels": levels})
        for level, index, root in sorted(set(_ROOT.iter_unpack(data))):  # what was kept twice counts once
            found[level, index // WIDTH].append((index, root))
        return {
            tile: b"".join(
                [root for index, root in found[tile.level - 1, tile.index] if index % WIDTH < tile.width]
            )
            for tile in tiles
        }

    def _asked(self, sql: str, chain: int, tiles: list[int], further: Parameters = _NONE) -> bytes:
        """The rows of whole tiles as bytes, in no order: sorting and parting them costs less here."""
        return self._store.raw(sql, {"chain": chain, "tiles": tiles, **further}) if tiles else b""


def _tile_roots_sql() -> str:
    """A query of (tile, rows, distinct seqs, root) for each tile of level 0 that is wholly in a stretch."""
    inner = (
        "SELECT intDiv(seq, 256) AS tile, count() AS rows, uniqExact(seq) AS seqs, "
        "arrayMap(x -> x.2, arraySort(x -> x.1, groupArray((seq, leaf)))) AS h0 FROM {database}.ledger "
        "WHERE chain = {chain:UInt32} AND seq >= {a:UInt64} AND seq < {b:UInt64} GROUP BY tile"
    )
    for n in range(HEIGHT):
        pairs = f"range(1, intDiv(length(h{n}), 2) + 1)"
        paired = f"arrayMap(i -> SHA256(concat('\\x01', h{n}[2 * i - 1], h{n}[2 * i])), {pairs})"
        inner = f"SELECT tile, rows, seqs, {paired} AS h{n + 1} FROM ({inner})"  # noqa: S608 - all ours
    return f"SELECT tile, rows, seqs, h{HEIGHT}[1] FROM ({inner}) ORDER BY tile"  # noqa: S608


_TILE_ROOTS: Final = _tile_roots_sql()
