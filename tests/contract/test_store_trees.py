"""The Merkle trees of chains in the store: proofs, rebuilding, and what is said of holes."""

from __future__ import annotations

import hashlib

import pytest

from ansvar.ledger.merkle import Range
from ansvar.ledger.proofs import verify_consistency, verify_inclusion
from ansvar.ledger.tiles import Frontier, Tile
from ansvar.store.checkpoints import Checkpoints, Stored
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.trees import TilesMissing, Trees
from rows import company_chain, sealed
from stores import fill

CHAIN = 3
SIZES = (1, 2, 255, 256, 257, 600, 1_100)


@pytest.fixture
def grown(store: Store) -> list[bytes]:
    """A chain of 1,100 rows, its completed tiles kept; the leaves."""
    leaves = _append(store, CHAIN, 1_100)
    frontier = Frontier()
    frontier.extend(leaves)
    Trees(store).keep((CHAIN, tile) for tile in frontier.take_completed())
    return leaves


def _append(store: Store, chain: int, count: int) -> list[bytes]:
    (stored,) = fill(store, company_chain(chain, count))
    return [row[-32:] for row in stored]


def _root(leaves: list[bytes]) -> bytes:
    tree = Range()
    tree.extend(leaves)
    return tree.root()


@pytest.mark.parametrize("size", SIZES)
def test_every_row_is_proved_in_trees_of_any_size(store: Store, grown: list[bytes], size: int) -> None:
    trees, root = Trees(store), _root(grown[:size])
    for index in {0, size // 2, size - 1}:
        verify_inclusion(grown[index], index, size, trees.inclusion(CHAIN, index, size), root)
    for old in {0, 1, size // 2, size - 1, size}:
        verify_consistency(old, size, _root(grown[:old]), root, trees.consistency(CHAIN, old, size))


@pytest.mark.parametrize("size", [0, *SIZES])
def test_a_tree_goes_on_from_tiles_or_from_rows(store: Store, grown: list[bytes], size: int) -> None:
    trees = Trees(store)
    read, rebuilt = trees.frontier(CHAIN, size), trees.rebuild(CHAIN, size)
    assert read.root() == rebuilt.root() == _root(grown[:size])
    direct = Frontier()
    direct.extend(grown[:size])
    assert rebuilt.take_completed() == direct.take_completed()
    read.extend(grown[size:])
    assert read.root() == _root(grown)


def test_rows_and_tiles_that_are_not_there_are_named(store: Store) -> None:
    trees = Trees(store)
    _append(store, CHAIN, 600)
    with pytest.raises(TilesMissing, match="tile 0 of level 1 there are 0 hashes, not 2"):
        trees.frontier(CHAIN, 600)
    with pytest.raises(TilesMissing, match="tile 2 of level 0 there are 88 hashes, not 89"):
        trees.rebuild(CHAIN, 601)
    store.command("DELETE FROM {database}.ledger WHERE seq = 300")
    with pytest.raises(TilesMissing, match="rows 256 to 511 are not each there once"):
        trees.rebuild(CHAIN, 600)


def test_a_row_that_is_there_twice_is_no_tree(store: Store) -> None:
    stored = sealed(company_chain(CHAIN, 256))
    LedgerStore(store).append(CHAIN, 0, b"".join([*stored, stored[7]]))
    with pytest.raises(TilesMissing, match="rows 0 to 255 are not each there once"):
        Trees(store).rebuild(CHAIN, 256)
    with pytest.raises(TilesMissing, match="257 hashes, not 256"):
        Trees(store).tiles(CHAIN, [Tile(0, 0)])


def test_keeping_a_tile_twice_changes_nothing(store: Store) -> None:
    trees, root = Trees(store), hashlib.sha256(b"a tile").digest()
    for level in (0, 0, 1):
        trees.keep([(CHAIN, (0, 0, root)), (CHAIN, (level, 0, root))])
    trees.keep([])
    assert trees.tiles(CHAIN, [Tile(1, 0, 1)]) == {Tile(1, 0, 1): root}


def test_checkpoints_come_back_by_size_and_by_what_was_published(store: Store) -> None:
    kept = [
        Stored(CHAIN, 10, 1_000, True, b"note of ten\n"),
        Stored(CHAIN, 20, 2_000, False, "note of twenty — unseen\n".encode()),
        Stored(CHAIN, 20, 3_000, True, "note of twenty — seen\n".encode()),
        Stored(CHAIN, 30, 4_000, False, b"\xff\x00 no text\n"),
        Stored(CHAIN + 1, 99, 5_000, True, b"of another chain\n"),
    ]
    checkpoints = Checkpoints(store)
    checkpoints.keep(kept[:3])
    checkpoints.keep(kept[3:])
    checkpoints.keep(kept[3:])
    assert checkpoints.newest(CHAIN) == kept[3]
    assert checkpoints.newest(CHAIN, published=True) == kept[2]
    assert checkpoints.newest(CHAIN, up_to=19) == kept[0]
    assert checkpoints.newest(CHAIN, up_to=9) is None
    assert checkpoints.first_covering(CHAIN, 9) == kept[0]
    assert checkpoints.first_covering(CHAIN, 10) == kept[2]
    assert checkpoints.first_covering(CHAIN, 20) is None
    assert list(checkpoints.all(CHAIN)) == kept[:4]
    assert checkpoints.chains() == [CHAIN, CHAIN + 1]


def test_the_newest_verification_counts(store: Store) -> None:
    checkpoints = Checkpoints(store)
    assert checkpoints.last_verified(CHAIN) is None
    checkpoints.keep_verified(CHAIN, 10, 1_000, b"first")
    checkpoints.keep_verified(CHAIN, 5, 2_000, b"second")
    assert checkpoints.last_verified(CHAIN) == b"second"
