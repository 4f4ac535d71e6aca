"""The tree of a chain as its stored leaves give it, asked for its root at growing sizes.

Invariants: memory depends on the stretch, not on the chain. Roots come from the leaves alone; the tiles
stored beside are compared with them and never used, but for the tree that this goes on from, which its maker
has held against a signed root.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Final

from ansvar.ledger.merkle import Range
from ansvar.ledger.tiles import HEIGHT, WIDTH, Frontier
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.trees import TilesMissing, Trees

STRETCH: Final = 1 << 18  # rows whose tiles one query computes: a thousand roots, half a second
_KEPT: Final = 1_000  # tiles at fault that are remembered


class GrowingTree:
    """The tree over up to `limit` rows, which must be there once each; else TilesMissing is raised.

    `altered` and `missing` are the stored tiles, as (first row, rows, level), that are not those of the rows.
    """

    def __init__(
        self,
        store: Store,
        chain: int,
        limit: int,
        base: Frontier | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._store, self._chain, self._limit, self._progress = store, chain, limit, progress
        self._trees, self._ledger = Trees(store), LedgerStore(store)
        self._tree = Frontier() if base is None else base.copy()
        self._roots: deque[bytes] = deque()  # of the tiles that follow
        self._leaves: dict[int, bytes] = {}  # by seq, of last tiles that are asked for soon
        self.altered: list[tuple[int, int, int]] = []
        self.missing: list[tuple[int, int, int]] = []

    @property
    def size(self) -> int:
        """How far it has grown, in whole tiles after the first call of `root_at`."""
        return self._tree.size

    def prepare(self, sizes: Iterable[int]) -> None:
        """Read the leaves of the last, partial tiles of trees of these sizes, in one query."""
        tiles = sorted({size // WIDTH for size in sizes if size % WIDTH and size <= self._limit})
        if not tiles:
            return
        found = self._store.query(
            "SELECT seq, leaf FROM {database}.ledger WHERE chain = {chain:UInt32} AND seq >= {a:UInt64} "
            "AND seq < {b:UInt64} AND intDiv(seq, 256) IN {tiles:Array(UInt64)}",
            {
                "chain": self._chain,
                "a": tiles[0] * WIDTH,
                "b": min(tiles[-1] * WIDTH + WIDTH, self._limit),
                "tiles": tiles,
            },
        )
        self._leaves = {seq: bytes(leaf) for seq, leaf in found}

    def root_at(self, size: int) -> bytes:
        """The root over the first `size` rows, no fewer than at the last call."""
        self._grow(size // WIDTH * WIDTH)
        tree = Range(self._tree.size, self._tree.peaks)
        tree.extend(self._rest(tree.size, size))
        return tree.root()

    def finish(self) -> bytes:
        """The root over all rows up to the limit, after which all tiles were compared."""
        root = self.root_at(self._limit)
        self._compare()
        return root

    def _grow(self, size: int) -> None:
        """Go on to a size that is a multiple of 256."""
        if self._tree.size < size and self._tree.size % WIDTH:
            start = self._tree.size
            self._tree.extend(self._rest(start, start - start % WIDTH + WIDTH))
        while self._tree.size < size:
            if not self._roots:
                self._compare()
                start = self._tree.size
                end = min(start + STRETCH, self._limit // WIDTH * WIDTH)
                self._roots.extend(self._trees.tile_roots(self._chain, start, end))
                if self._progress is not None:
                    self._progress(end)
            self._tree.append_tile(self._roots.popleft())

    def _rest(self, start: int, end: int) -> list[bytes]:
        try:
            return [self._leaves[seq] for seq in range(start, end)]
        except KeyError:
            found = self._ledger.leaves(self._chain, start, end - start) if end > start else []
        if [seq for seq, _ in found] != list(range(start, end)):
            raise TilesMissing(f"chain {self._chain}: rows {start} to {end - 1} are not each there once")
        return [leaf for _, leaf in found]

    def _compare(self) -> None:
        """Hold the stored tiles against those that were completed since the last time."""
        made = self._tree.take_completed()
        if not made:
            return
        spans: dict[int, tuple[int, int]] = {}
        for level, index, _ in made:
            spans[level] = (spans.get(level, (index, 0))[0], index)
        places = " OR ".join([f"(level = {n} AND index BETWEEN {a} AND {b})" for n, (a, b) in spans.items()])
        columns = "SELECT level, index, root FROM {database}.tiles"
        sql = f"{columns} WHERE chain = {{chain:UInt32}} AND ({places})"
        stored: defaultdict[tuple[int, int], set[bytes]] = defaultdict(set)
        for level, index, root in self._store.query(sql, {"chain": self._chain}):
            stored[level, index].add(bytes(root))
        for level, index, root in made:
            there = stored.get((level, index), set())
            if there != {root}:
                rows = WIDTH << HEIGHT * level
                wrong = self.altered if there else self.missing
                if len(wrong) < _KEPT:
                    wrong.append((index * rows, rows, level))
