"""The Merkle trees of a worker's chains: they go on from what the log signed, and grow by confirmed rows.

Invariants:
- A tree that is taken up has, at the size of the newest checkpoint, the root that the log signed there. A
  ledger that was cut, rewritten or exchanged since then is found out before a row is added to it.
- `grew` is called with rows that were read back; what it is told is never taken back, whoever owns the chain.
- Completed tiles are handed out until they were kept, and never before the rows below them are confirmed.

Not handled here: signing and publishing (`checkpointing`), the tables (`store.trees`, `store.checkpoints`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from ansvar.enforcement.errors import Forked, RolledBack
from ansvar.enforcement.ports import CheckpointSigner
from ansvar.ledger.checkpoint import Checkpoint, open_checkpoint
from ansvar.ledger.errors import LedgerError
from ansvar.ledger.tiles import Frontier
from ansvar.store.checkpoints import Checkpoints, Stored
from ansvar.store.client import Store
from ansvar.store.ledger import MAX_BLOCK_ROWS, LedgerStore
from ansvar.store.trees import CompletedTile, TilesMissing, Trees


class Tip(Struct, frozen=True):
    """Where a chain's tree stands: its size and root, and the completed tiles that are not kept yet."""

    chain: int
    size: int
    root: bytes
    tiles: tuple[CompletedTile, ...]


class ChainTrees:
    """The trees of one worker's chains, and the tips that wait for a checkpoint. Safe between threads."""

    def __init__(
        self, store: Store, signer: CheckpointSigner, anchored: Callable[[int], Stored | None] | None = None
    ) -> None:
        """`anchored` gives the newest checkpoint of a chain that was kept outside the store, if any."""
        self._anchored = anchored
        self._ledger, self._signer = LedgerStore(store), signer
        self._trees, self._checkpoints = Trees(store), Checkpoints(store)
        self._tips: dict[int, Tip] = {}
        self._lock = threading.Lock()

    def newest(self, chain: int) -> Stored | None:
        """The newest checkpoint of a chain, in the store or kept beside it; it is not verified yet.

        Read before the chain's head, it cannot be ahead of that.
        """
        stored = self._checkpoints.newest(chain)
        kept = None if self._anchored is None else self._anchored(chain)
        return max(stored, kept, key=lambda each: -1 if each is None else each.size)

    def take_up(self, chain: int, newest: Stored | None, size: int) -> Frontier:
        """The tree over a chain's first `size` rows, going on from its newest checkpoint.

        The rows after it are not signed yet: it is for the caller to see that they are genuine, and to say so
        by `grew`.

        Raises RolledBack where the chain ends before it, Forked where its rows are not those that were
        signed, or are not each there once, StoreError where the store fails.
        """
        signed = None if newest is None else self._signed(chain, newest)
        if signed is not None and signed.size > size:
            raise RolledBack(
                f"chain {chain} has {size} rows, but a checkpoint over {signed.size} was signed: rows were "
                "removed, or an older ledger was put in place. Nothing is added to it. Bring the ledger "
                "back, and run: ansvar verify"
            )
        tree = self._rebuilt(chain, size) if signed is None else self._at(chain, signed)
        for leaves in self._leaves(chain, tree.size, size):
            tree.extend(leaves)
        return tree

    def grew(self, chain: int, tree: Frontier) -> None:
        """Take note of a tree over confirmed rows, and of the tiles that they completed."""
        size, root, tiles = tree.size, tree.root(), tuple(tree.take_completed())
        with self._lock:
            before = self._tips.get(chain)
            if before is not None and before.size > size:
                return  # what was confirmed under an earlier tenure
            self._tips[chain] = Tip(chain, size, root, (*(before.tiles if before else ()), *tiles))

    def tips(self) -> list[Tip]:
        """Where the trees stand now, by chain."""
        with self._lock:
            return [self._tips[chain] for chain in sorted(self._tips)]

    def keep(self, tips: Sequence[Tip]) -> None:
        """Keep the tiles of these tips in the store; they are not handed out again. Raises StoreError."""
        self._trees.keep((tip.chain, tile) for tip in tips for tile in tip.tiles)
        with self._lock:
            for tip in tips:
                now, kept = self._tips[tip.chain], set(tip.tiles)
                left = tuple([tile for tile in now.tiles if tile not in kept])
                self._tips[tip.chain] = Tip(now.chain, now.size, now.root, left)

    def consistency(self, chain: int, old: int, new: int) -> tuple[bytes, ...]:
        """The consistency proof between two sizes whose tiles are kept. Raises StoreError."""
        return self._trees.consistency(chain, old, new)

    def _signed(self, chain: int, newest: Stored) -> Checkpoint:
        try:
            keys = self._signer.public(chain)
            signed = open_checkpoint(newest.note, keys, origin=self._signer.origin(chain)).checkpoint
        except LedgerError as error:
            raise Forked(
                f"chain {chain}: the newest checkpoint in the store is none that this log signed ({error}). "
                "Stop all workers and run: ansvar verify"
            ) from error
        if signed.size != newest.size:  # else an old note under a large number would hide what came after it
            raise Forked(
                f"chain {chain}: the newest checkpoint in the store states {newest.size} rows, but "
                f"was signed over {signed.size}. Stop all workers and run: ansvar verify"
            )
        return signed

    def _at(self, chain: int, signed: Checkpoint) -> Frontier:
        """The tree as it was signed; from tiles if they give it, else from the rows."""
        try:
            tree = self._trees.frontier(chain, signed.size)
        except TilesMissing:
            tree = None
        if tree is None or tree.root() != signed.root:
            tree = self._rebuilt(chain, signed.size)
        if tree.root() != signed.root:
            raise Forked(
                f"chain {chain}: its first {signed.size} rows are not those that the log signed. Stop all "
                "workers and run: ansvar verify"
            )
        return tree

    def _rebuilt(self, chain: int, size: int) -> Frontier:
        try:
            return self._trees.rebuild(chain, size)
        except TilesMissing as error:  # a hole in the rows: asking again would not fill it
            raise Forked(str(error)) from error

    def _leaves(self, chain: int, start: int, size: int) -> Iterable[Sequence[bytes]]:
        while start < size:
            found = self._ledger.leaves(chain, start, min(MAX_BLOCK_ROWS, size - start))
            if [seq for seq, _ in found] != list(range(start, start + len(found))) or not found:
                raise Forked(
                    f"chain {chain}: the rows from {start} on do not follow each other. Run: ansvar verify"
                )
            yield [leaf for _, leaf in found]
            start += len(found)
