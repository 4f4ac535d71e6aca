"""Verifying chains: their rows are what was sealed, and their trees are what the log signed.

Links and leaves are recomputed by `recompute`; the tree that the leaves give (`growing`) is then held against
every root that was signed (`claims`) and the tiles stored beside. That shows what recomputing alone cannot:
rows cut off at the end, rows that were all sealed anew, an older copy put in place. What nobody signed yet is
no fault; `ChainReport.uncovered` says how many rows that are.

A chain is verified from its genesis, or goes on from its last verification if that is signed, if the tree and
the last row are still the ones that it names, and if nothing kept elsewhere speaks against it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from msgspec import Struct

from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.checkpoint import Checkpoint
from ansvar.ledger.errors import Fault, LedgerError
from ansvar.ledger.proofs import verify_inclusion
from ansvar.ledger.tiles import Frontier
from ansvar.store.catalogue import Catalogue
from ansvar.store.checkpoints import Checkpoints
from ansvar.store.claims import Claims, LogKeys
from ansvar.store.client import Store
from ansvar.store.comparison import compare
from ansvar.store.errors import StoreError
from ansvar.store.growing import GrowingTree
from ansvar.store.ledger import LedgerStore
from ansvar.store.recompute import FEW_ROWS, MOST_FAULTS, Progress, by_seq, check_rows
from ansvar.store.trees import TilesMissing, Trees

# Up to so many rows in all chains everything is recomputed each time: half a minute at most, and no fault is
# left behind a verification that was made before it.
WHOLE_ROWS: Final = 2_000_000
ProgressOfChains = Callable[[int, int], None]


class How(Struct, frozen=True):
    """How to verify: by whose keys (None: nothing signed is looked at), against what was kept, and how much.

    `full` recomputes every row by SQL, and in Python only near to what that found; `whole` does both for
    every row. With neither, a chain goes on from its last verification.
    """

    keys: LogKeys | None = None
    kept: Mapping[int, Sequence[Checkpoint]] = {}
    full: bool = False
    whole: bool = True


class ChainReport(Struct, frozen=True):
    """What verification saw of one chain: rows that passed, its root after them, and every fault, by seq.

    `start` is the number of rows that an earlier verification vouches for, `checkpoint` the size of the
    newest checkpoint that holds and `checkpoint_root` its root, `uncovered` the rows that none covers.
    """

    chain: int
    rows: int
    root: bytes
    faults: tuple[Fault, ...] = ()
    start: int = 0
    checkpoint: int = 0
    checkpoint_root: bytes = b""
    uncovered: int = 0

    @property
    def fault(self) -> Fault | None:
        """The first fault, or None."""
        return self.faults[0] if self.faults else None


class _Base(Struct, frozen=True):
    """What a verification goes on from: the tree and the leaf of its last row."""

    tree: Frontier
    link: bytes


_WHOLE: Final = How()
_GENESIS: Final = _Base(Frontier(), ZERO32)


def verify_chain(
    store: Store, chain: int, progress: Progress | None = None, confirmed: int = -1, how: How = _WHOLE
) -> ChainReport:
    """One chain, and whether it reaches `confirmed`, a seq that was there once."""
    claims = None if how.keys is None else Claims(store, chain, how.keys, how.kept.get(chain, ()))
    last = LedgerStore(store).last_seq(chain)
    base = _GENESIS if claims is None or how.full or how.whole else _base(store, chain, claims, last)
    first = base.tree.size
    in_python = not how.full or last + 1 - first <= FEW_ROWS
    passes = 3 if in_python else 2
    tell = None if progress is None else partial(_told, progress, first, passes)
    rows = check_rows(
        store,
        chain,
        last,
        first=first,
        link=base.link,
        tree=base.tree.copy(),
        in_python=in_python,
        progress=tell,
    )
    done = (passes - 1) * (last + 1 - first)
    grown = None if tell is None else lambda size: tell(done + size - first)
    tree = GrowingTree(store, chain, rows.unbroken, base.tree, grown)
    compared = compare(chain, last + 1, confirmed, claims, rows, tree)
    if progress is not None:
        progress(last + 1)
    faults = sorted([*rows.faults, *compared.faults], key=by_seq)
    return ChainReport(
        chain,
        compared.rows,
        compared.root,
        tuple(faults[: 2 * MOST_FAULTS]),
        first,
        compared.covered.size,
        compared.covered.root,
        max(last + 1 - compared.covered.size, 0),
    )


def verify_store(
    store: Store,
    expected_heads: Mapping[int, int],
    progress: ProgressOfChains | None = None,
    how: How = _WHOLE,
    chains: Iterable[int] | None = None,
) -> list[ChainReport]:
    """Verify every chain of the store, or those given; `progress(chain, rows so far)`.

    `expected_heads` maps a chain to a seq that is known to have been confirmed: a chain that ends before it
    was truncated.
    """
    if chains is None:
        signed = [] if how.keys is None else Checkpoints(store).chains()
        chains = {*LedgerStore(store).chains(), *expected_heads, *signed, *how.kept}
    reports = []
    for chain in sorted(chains):
        tell = None if progress is None else partial(progress, chain)
        reports.append(verify_chain(store, chain, tell, expected_heads.get(chain, -1), how))
    return reports


def _base(store: Store, chain: int, claims: Claims, last: int) -> _Base:
    """The last verification, if all that can be seen at little cost agrees with it; else the genesis."""
    verified = claims.verified
    if verified is None or not 0 < verified.size <= last + 1:
        return _GENESIS
    trees = Trees(store)
    try:
        for kept in claims.kept:
            if kept.size < verified.size and trees.frontier(chain, kept.size).root() != kept.root:
                return _GENESIS
        tree = trees.frontier(chain, verified.size)
        (seq, link), *_ = LedgerStore(store).leaves(chain, verified.size - 1, 1)
        proof = trees.inclusion(chain, seq, verified.size)
        verify_inclusion(link, seq, verified.size, proof, verified.root)
    except (LedgerError, TilesMissing):
        return _GENESIS
    return _Base(tree, link) if tree.root() == verified.root else _GENESIS


def _told(progress: Progress, first: int, passes: int, rows: int) -> None:
    """Progress in rows of the chain, where each row is looked at in several passes."""
    progress(first + rows // passes)


def verify_bundles(store: Store) -> None:
    """Every stored bundle has the hash it is stored under, and every bundle that a row names is there.

    Raises StoreError naming the bundle.
    """
    stored = set()
    for sha256, content in Catalogue(store).all_bundles():
        if hashlib.sha256(content).digest() != sha256:
            raise StoreError(f"the stored content of bundle {sha256.hex()} was changed")
        stored.add(sha256)
    named = store.query("SELECT DISTINCT policy FROM {database}.ledger")
    missing = {bytes(sha256) for (sha256,) in named} - stored - {ZERO32}
    if missing:
        raise StoreError(f"rows name the bundle {min(missing).hex()}, which is not in the store")
