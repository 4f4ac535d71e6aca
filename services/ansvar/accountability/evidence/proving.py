"""Many proofs from one chain's tiles: neighbours share what is read, and few tiles are held at a time.

What comes out is not yet compared with a signed root; that is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ansvar.ledger.proofs import Parts, proof
from ansvar.ledger.tiles import Tile, TileHashes, tiles_for
from ansvar.store.trees import Trees

_TILES: Final = 32  # tiles of leaves held at a time


def proofs_of(
    trees: Trees, chain: int, wanted: Iterable[tuple[Sequence[Parts], int]]
) -> Iterator[tuple[bytes, ...]]:
    """The proof of each (parts, size), in order; neighbours share the tiles that are read."""
    group: list[Sequence[Parts]] = []
    tiles: dict[tuple[int, int], Tile] = {}
    leaves = 0
    for parts, size in wanted:
        for tile in tiles_for(parts, size):
            known = tiles.get((tile.level, tile.index))
            leaves += known is None and tile.level == 0
            # A tile of a larger tree begins with that of a smaller one.
            if known is None or known.width < tile.width:
                tiles[tile.level, tile.index] = tile
        group.append(parts)
        if leaves >= _TILES:
            yield from _of_group(trees, chain, group, tiles)
            group, tiles, leaves = [], {}, 0
    yield from _of_group(trees, chain, group, tiles)


def _of_group(
    trees: Trees, chain: int, group: Sequence[Sequence[Parts]], tiles: dict[tuple[int, int], Tile]
) -> Iterator[tuple[bytes, ...]]:
    hash_of = TileHashes(trees.tiles(chain, list(tiles.values())))
    for parts in group:
        yield proof(parts, hash_of)
