"""The worker's trees: taken up from what was signed, or refused; grown, and their tiles kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ansvar.enforcement.errors import Forked, RolledBack
from ansvar.enforcement.trees import ChainTrees, Tip
from ansvar.ledger.checkpoint import Checkpoint, cosign_mldsa
from ansvar.ledger.merkle import root
from ansvar.ledger.notes import Note
from ansvar.ledger.proofs import verify_consistency
from ansvar.ledger.tiles import Frontier
from ansvar.store.checkpoints import Checkpoints, Stored
from ansvar.store.client import Store
from ansvar.store.errors import StoreUnavailable
from ansvar.store.ledger import LedgerStore
from ansvar.store.migrate import migrate
from ansvar.store.trees import CompletedTile, Trees
from ansvar.vault import logkeys
from ansvar.vault.logkeys import LogSigner
from records import log_signer
from rows import company_chain, sealed
from stores import engine as engine
from stores import new_database
from stores import new_store as new_store
from stores import store as store

CHAIN, SIZE, SIGNED = 2, 700, 600
AT = 1_800_000_000
STORED = sealed(company_chain(CHAIN, SIZE))
LEAVES = [row[-32:] for row in STORED]


def fill(store: Store, rows: list[bytes] = STORED) -> None:
    LedgerStore(store).append(CHAIN, 0, b"".join(rows))


def tiles(size: int, leaves: list[bytes] = LEAVES) -> list[CompletedTile]:
    frontier = Frontier()
    frontier.extend(leaves[:size])
    return frontier.take_completed()


def keep_tiles(store: Store, found: list[CompletedTile]) -> None:
    Trees(store).keep((CHAIN, tile) for tile in found)


def note(size: int, leaves: list[bytes] = LEAVES, chain: int = CHAIN) -> bytes:
    return log_signer().sign(chain, size, root(leaves[:size]), AT).encode()


def checkpoint(store: Store, content: bytes, size: int = SIGNED) -> None:
    Checkpoints(store).keep([Stored(CHAIN, size, AT * 1000, True, content)])


def take_up(store: Store, size: int = SIZE, signer: LogSigner | None = None) -> tuple[Frontier, Tip]:
    trees = ChainTrees(store, signer or log_signer())
    frontier = trees.take_up(CHAIN, trees.newest(CHAIN), size)
    trees.grew(CHAIN, frontier)
    [tip] = trees.tips()
    assert (tip.chain, tip.size, tip.root) == (CHAIN, frontier.size, frontier.root())
    return frontier, tip


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, SIZE])
def test_without_a_checkpoint_a_tree_is_rebuilt_from_the_rows(store: Store, size: int) -> None:
    fill(store)
    frontier, tip = take_up(store, size)
    assert (frontier.size, frontier.root()) == (size, root(LEAVES[:size]))
    assert list(tip.tiles) == tiles(size)


@pytest.mark.parametrize("size", [SIGNED, SIGNED + 1, SIZE])
def test_a_tree_goes_on_from_what_was_signed(store: Store, size: int) -> None:
    fill(store)
    keep_tiles(store, tiles(SIGNED))
    checkpoint(store, note(SIGNED))
    frontier, tip = take_up(store, size)
    assert frontier.root() == root(LEAVES[:size])
    assert list(tip.tiles) == []  # rows 512 to 700 complete none, those before are kept


def test_the_tiles_since_the_checkpoint_are_handed_out(store: Store) -> None:
    fill(store)
    keep_tiles(store, tiles(300))
    checkpoint(store, note(300), 300)
    frontier, tip = take_up(store)
    assert frontier.root() == root(LEAVES)
    assert list(tip.tiles) == [tile for tile in tiles(SIZE) if tile not in tiles(300)]


def _altered(found: list[CompletedTile]) -> list[CompletedTile]:
    level, index, _ = found[0]
    return [(level, index, hashlib.sha256(b"other").digest()), *found[1:]]


def _swapped(found: list[CompletedTile]) -> list[CompletedTile]:
    (level, one, first), (_, two, second) = found[:2]
    return [(level, one, second), (level, two, first), *found[2:]]


@pytest.mark.parametrize(
    "damage",
    [lambda _: [], lambda found: found[1:], _altered, _swapped, lambda found: found + _altered(found)],
    ids=["none", "one missing", "altered", "swapped", "doubled"],
)
def test_tiles_that_are_not_the_trees_are_computed_again(
    store: Store, damage: Callable[[list[CompletedTile]], list[CompletedTile]]
) -> None:
    fill(store)
    keep_tiles(store, damage(tiles(SIGNED)))
    checkpoint(store, note(SIGNED))
    frontier, tip = take_up(store)
    assert frontier.root() == root(LEAVES)
    assert list(tip.tiles) == tiles(SIZE)


@pytest.mark.parametrize("left", [0, 1, SIGNED - 1])
def test_a_ledger_that_was_cut_is_rolled_back(store: Store, left: int) -> None:
    if left:
        fill(store, STORED[:left])
    keep_tiles(store, tiles(SIGNED))
    checkpoint(store, note(SIGNED))
    with pytest.raises(RolledBack, match=f"has {left} rows, but a checkpoint over {SIGNED} was signed"):
        take_up(store, left)


@pytest.mark.parametrize("kept", [True, False], ids=["with tiles", "without tiles"])
def test_rewritten_rows_are_a_fork(store: Store, kept: bool) -> None:
    other = sealed(company_chain(CHAIN, SIZE, seed=1))
    fill(store, other)
    if kept:  # in that case the partial tile tells; a rewritten whole tile is told by whoever reads the rows
        keep_tiles(store, tiles(SIGNED))
    checkpoint(store, note(SIGNED))
    with pytest.raises(Forked, match="its first 600 rows are not those that the log signed"):
        take_up(store)
    assert ChainTrees(store, log_signer()).tips() == []


@pytest.mark.parametrize(("signed", "deleted"), [(True, 3), (True, 650), (False, 3), (False, 650)])
def test_holes_are_a_fork_and_not_waited_for(store: Store, signed: bool, deleted: int) -> None:
    fill(store)
    if signed:
        checkpoint(store, note(SIGNED))
    store.command("DELETE FROM {database}.ledger WHERE seq = {seq:UInt64}", {"seq": deleted})
    with pytest.raises(Forked, match="Run: ansvar verify"):
        take_up(store)


def test_a_row_that_is_there_twice_is_a_fork(store: Store) -> None:
    fill(store, [*STORED[:651], STORED[650], *STORED[651:]])
    checkpoint(store, note(SIGNED))
    with pytest.raises(Forked, match="rows from 600 on do not follow each other"):
        take_up(store)


def _stranger(size: int) -> bytes:
    other = log_signer().origin(CHAIN)
    signed = Note.parse(note(size, chain=CHAIN + 1))
    return Note(Checkpoint(other, size, root(LEAVES[:size])).text(), signed.signatures).encode()


def _unsigned_but_cosigned(size: int) -> bytes:
    """By nobody that the signer knows."""
    text = Checkpoint(log_signer().origin(CHAIN), size, root(LEAVES[:size]))
    mldsa = MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    return Note(text.text(), (cosign_mldsa(text, "someone", mldsa, 1),)).encode()


def _flipped(size: int) -> bytes:
    """The text of another tree under the signatures of this one."""
    other = Checkpoint(log_signer().origin(CHAIN), size, hashlib.sha256(b"other").digest())
    return Note(other.text(), Note.parse(note(size)).signatures).encode()


BELIEVED_BY_NOBODY: dict[str, Callable[[int], bytes]] = {
    "of another chain": lambda size: note(size, chain=CHAIN + 1),
    "signed for another chain": _stranger,
    "of no known key": _unsigned_but_cosigned,
    "badly signed": _flipped,
    "no note": lambda _: b"nonsense",
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("name", BELIEVED_BY_NOBODY)
def test_a_checkpoint_that_this_log_did_not_sign_is_a_fork(store: Store, name: str) -> None:
    fill(store)
    keep_tiles(store, tiles(SIGNED))
    checkpoint(store, note(500), 500)
    checkpoint(store, BELIEVED_BY_NOBODY[name](SIGNED))
    with pytest.raises(Forked, match="is none that this log signed"):
        take_up(store)


def test_an_old_note_under_a_large_number_hides_nothing(store: Store) -> None:
    """Rows are cut, and the note of the smaller tree is put before the one over the larger."""
    fill(store, STORED[:300])
    checkpoint(store, note(300), 300)
    checkpoint(store, note(SIGNED))
    checkpoint(store, note(300), 10**9)
    with pytest.raises(Forked, match="states 1000000000 rows, but was signed over 300"):
        take_up(store, 300)


def test_a_checkpoint_of_an_older_key_is_believed(store: Store, tmp_path: Path) -> None:
    logkeys.create(tmp_path / "keys")
    signer = LogSigner(tmp_path / "keys", bytes(16))
    fill(store)
    checkpoint(store, signer.sign(CHAIN, SIGNED, root(LEAVES[:SIGNED]), AT).encode())
    signer.rotate([CHAIN], AT, 0)
    assert take_up(store, signer=signer)[0].root() == root(LEAVES)


def test_taking_up_again_changes_nothing_and_hands_out_what_was_not_kept(store: Store) -> None:
    fill(store)
    trees = ChainTrees(store, log_signer())
    for _ in range(2):
        trees.grew(CHAIN, trees.take_up(CHAIN, None, 600))
    [tip] = trees.tips()
    assert set(tip.tiles) == set(tiles(600))
    trees.keep([tip])
    assert trees.tips()[0].tiles == ()
    checkpoint(store, note(600))
    trees.grew(CHAIN, trees.take_up(CHAIN, trees.newest(CHAIN), SIZE))
    assert [(tip.size, tip.tiles) for tip in trees.tips()] == [(SIZE, ())]
    verify_consistency(300, 600, root(LEAVES[:300]), root(LEAVES[:600]), trees.consistency(CHAIN, 300, 600))


def test_what_was_confirmed_is_not_taken_back_by_an_earlier_tenure(store: Store) -> None:
    trees = ChainTrees(store, log_signer())
    late, now = Frontier(), Frontier()
    late.extend(LEAVES[:300])
    now.extend(LEAVES[:600])
    trees.grew(CHAIN, now)
    [before] = trees.tips()
    trees.grew(CHAIN, late)
    assert trees.tips() == [before]


class Away(Store):
    """A store that keeps nothing while it is away, or does and says that it failed."""

    def __init__(self, dsn: str, database: str) -> None:
        super().__init__(dsn, database=database)
        self.fails = ""

    def insert(self, table: str, *given: Any, **named: Any) -> None:
        if self.fails == "before":
            raise StoreUnavailable("away")
        super().insert(table, *given, **named)
        if self.fails == "after":
            raise StoreUnavailable("the answer was lost")


steps = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.integers(0, 1), st.integers(1, 400)),
        st.tuples(st.just("keep"), st.sampled_from(["", "before", "after"]), st.booleans()),
    ),
    max_size=12,
)


@settings(max_examples=30)
@given(steps=steps)
def test_every_tile_is_handed_out_until_it_was_kept(engine: str, steps: list[tuple[str, Any, Any]]) -> None:
    """Whatever grows and fails in between; and the store has each tile's one root."""
    store = Away(engine, new_database())
    try:
        migrate(store, 0)
        trees, frontiers = ChainTrees(store, log_signer()), [Frontier(), Frontier()]
        kept: list[set[CompletedTile]] = [set(), set()]

        def handed_out() -> dict[int, list[CompletedTile]]:
            return {tip.chain: list(tip.tiles) for tip in trees.tips()}

        for step, which, more in steps:
            if step == "grow":
                frontier = frontiers[which]
                frontier.extend(LEAVES[:more])
                trees.grew(which, frontier)
                continue
            tips = trees.tips()
            if more and tips:  # something grows while these are on their way
                frontiers[0].extend(LEAVES[:300])
                trees.grew(0, frontiers[0])
            store.fails = str(which)
            if which and any(tip.tiles for tip in tips):
                with pytest.raises(StoreUnavailable):
                    trees.keep(tips)
            else:
                trees.keep(tips)
                for tip in tips:
                    kept[tip.chain] |= set(tip.tiles)
            store.fails = ""
            for chain, found in handed_out().items():
                frontier = frontiers[chain]
                everything = {(level, index) for level, index, _ in found} | {t[:2] for t in kept[chain]}
                assert everything == {
                    (level, index) for level in range(3) for index in range(frontier.size >> 8 * (level + 1))
                }
                assert not set(found) & kept[chain]
        trees.keep(trees.tips())
        assert all(not found for found in handed_out().values())
        for tip in trees.tips():
            if tip.size:
                stored = store.query(
                    "SELECT level, count(), uniqExact(index) FROM (SELECT DISTINCT level, index, root "
                    "FROM {database}.tiles WHERE chain = {chain:UInt32}) GROUP BY level",
                    {"chain": tip.chain},
                )
                assert all(
                    count == distinct == tip.size >> 8 * (level + 1) for level, count, distinct in stored
                )
    finally:
        store.command("DROP DATABASE {database}")
        store.close()
