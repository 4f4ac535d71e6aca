"""Rows that nobody has signed yet are recomputed before they are: what was put there is not signed for."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ansvar.enforcement.anchoring import Anchors
from ansvar.enforcement.checkpointing import Checkpointer
from ansvar.enforcement.errors import Forked, RolledBack
from ansvar.enforcement.trees import ChainTrees
from ansvar.ledger.row import seal
from ansvar.policy.verdict import Finding
from ansvar.sample.company import generate
from ansvar.store.checkpoints import Checkpoints
from ansvar.store.client import Store
from ansvar.vault.vault import Vault
from workers import Deployed, until

EVENTS = generate(300).events
CHAINS = (0, 1)


@pytest.fixture
async def deployed(kafka: str, store: Store, tmp_path: Path) -> Deployed:
    """A deployment of two chains whose worker has taken 100 events; nothing is signed yet."""
    made = Deployed(kafka, store, tmp_path)
    await made.make_topics()
    await made.emit(EVENTS[:100], batch=5)
    await made.processed()
    return made


def checkpointer(deployed: Deployed, trees: ChainTrees) -> Checkpointer:
    async def tell(chain: int, seq: int, finding: Finding) -> bool:
        raise AssertionError(f"nobody asked a witness: {chain}, {seq}, {finding}")

    return Checkpointer(trees, Checkpoints(deployed.store), deployed.signer(), tell)


async def sign(deployed: Deployed) -> None:
    """Sign for all rows, as the worker that has just sealed them does."""
    trees = deployed.trees()
    for chain in CHAINS:
        trees.grew(chain, trees.take_up(chain, None, size(deployed, chain)))
    await checkpointer(deployed, trees).write()


def size(deployed: Deployed, chain: int) -> int:
    return deployed.ledger.last_seq(chain) + 1


def forge(deployed: Deployed, chain: int = 0) -> None:
    """Append a row with a right link and leaf, which claims to come from the last record."""
    head = deployed.ledger.head(chain)
    assert head is not None
    row = replace(head.row, seq=head.seq + 1, index=head.row.index + 1, actor="forged")
    columns, leaf = seal(row, head.leaf)
    deployed.ledger.append(chain, row.seq, columns + leaf)


async def test_a_forged_tail_is_found_before_it_is_signed(deployed: Deployed) -> None:
    await sign(deployed)
    true_size = size(deployed, 0)
    forge(deployed)
    trees = deployed.trees()
    async with deployed.worker(trees=trees) as worker:
        error = await until(lambda: worker.failure.error, "found")
        assert isinstance(error, Forked)
        assert f"chain 0, seq {true_size}: forked" in str(error)
    await checkpointer(deployed, trees).write()
    newest = Checkpoints(deployed.store).newest(0)
    assert newest is not None
    assert newest.size == true_size


async def test_it_is_found_also_when_the_vault_was_made_to_know_it(deployed: Deployed) -> None:
    await sign(deployed)
    forge(deployed)
    vault: Vault = deployed.vault()
    try:
        through = vault.effects_through()[0]
        vault.advance(0, through, through + 1)
    finally:
        vault.close()
    async with deployed.worker() as worker:
        assert isinstance(await until(lambda: worker.failure.error, "found"), Forked)


async def test_a_genuine_tail_is_recomputed_and_then_signed(deployed: Deployed) -> None:
    await sign(deployed)
    signed = [size(deployed, chain) for chain in CHAINS]
    await deployed.emit(EVENTS[100:200], batch=5)
    await deployed.processed()  # by a worker that ends before it signs
    sizes = [size(deployed, chain) for chain in CHAINS]
    assert all(now > then for now, then in zip(sizes, signed, strict=True))
    trees = deployed.trees()
    async with deployed.worker(trees=trees) as worker:
        await until(lambda: [tip.size for tip in trees.tips()] == sizes, "recomputed")
        assert worker.failure.error is None
    await checkpointer(deployed, trees).write()
    newest = [Checkpoints(deployed.store).newest(chain) for chain in CHAINS]
    assert [checkpoint and checkpoint.size for checkpoint in newest] == sizes
    assert [size(deployed, chain) for chain in CHAINS] == sizes


async def test_a_history_is_held_against_the_anchors(deployed: Deployed, tmp_path: Path) -> None:
    """An admin rewrites rows and takes every checkpoint away, but for one outside the store."""
    await sign(deployed)
    anchors = Anchors(tmp_path / "anchors")
    newest = Checkpoints(deployed.store).newest(0)
    assert newest is not None
    anchors.take([newest])
    rewrite(deployed, chain=0, seq=5)
    for table in ("checkpoints", "tiles"):
        deployed.store.command(f"DELETE FROM {{database}}.{table} WHERE chain = 0")
    trees = ChainTrees(deployed.store, deployed.signer(), anchors.newest)
    with pytest.raises(Forked, match="not those that the log signed"):
        trees.take_up(0, trees.newest(0), size(deployed, 0))
    deployed.store.command(f"DELETE FROM {{database}}.ledger WHERE chain = 0 AND seq >= {newest.size - 1}")
    with pytest.raises(RolledBack, match=f"a checkpoint over {newest.size} was signed"):
        trees.take_up(0, trees.newest(0), size(deployed, 0))


def rewrite(deployed: Deployed, chain: int, seq: int) -> None:
    """Change a row, and seal it and every row after it anew."""
    rows = list(deployed.ledger.rows(chain, 0, size(deployed, chain)))
    link = rows[seq - 1][1]
    block = b""
    for row, _ in rows[seq:]:
        columns, link = seal(replace(row, system="forged") if row.seq == seq else row, link)
        block += columns + link
    deployed.store.command(f"DELETE FROM {{database}}.ledger WHERE chain = {chain} AND seq >= {seq}")
    deployed.ledger.append(chain, seq, block, attempt=7)
