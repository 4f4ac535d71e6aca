"""Exports before the eyes of others: the `fsck` of Tessera (Go), an independent checker of C2SP tlog-tiles.

It is told the directory and the log's public key, recomputes every tile from the entries, and compares the
root with the signed checkpoint. On some damage it asks again for ever, so it has a limit of time; whatever
does not end well within it has not passed.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from ansvar.accountability.published import PublishedLog, export_tiles
from ansvar.enforcement.checkpointing import Checkpointer
from ansvar.enforcement.trees import ChainTrees
from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.row import seal
from ansvar.ledger.tiles import Frontier
from ansvar.policy.verdict import Finding
from ansvar.store.checkpoints import Checkpoints
from ansvar.store.client import Store
from ansvar.store.ledger import MAX_BLOCK_ROWS, LedgerStore
from records import log_signer
from rows import company_chain
from stores import engine as engine
from stores import new_store as new_store
from stores import store as store

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

CHAIN = 0
SIZES = (1, 2, 255, 256, 257, 65_535, 65_536, 65_537, 110_000)
VERSION = "v1.0.4"
PATIENCE = 300  # seconds for a good log; it needs a few
IMPATIENCE = 15  # for a damaged one


@pytest.fixture(scope="module")
def fsck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checker, built from its released module."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("there is no `go` here to build Tessera's fsck with")
    directory = tmp_path_factory.mktemp("fsck")
    module = "github.com/transparency-dev/tessera"
    for words in (
        ["mod", "init", "scratch"],
        ["get", f"{module}/cmd/fsck@{VERSION}"],
        ["build", "-o", "fsck", f"{module}/cmd/fsck"],
    ):
        done = subprocess.run([go, *words], cwd=directory, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return directory / "fsck"


def passes(fsck: Path, out: Path, key: Path, size: int, seconds: float) -> bool:
    """Whether the checker says within so many seconds that it found a whole log of this size and root."""
    command = [fsck, "-storage_url", f"file://{out}/", "-public_key", key, "-logtostderr", "-ui=false"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return False
    root = (out / "checkpoint").read_text().split("\n")[2]
    # Its exit code is 0 whatever it finds.
    return f"Successfully fsck'd log with size {size} and root {root} " in done.stderr


async def tell(chain: int, seq: int, finding: Finding) -> bool:
    raise AssertionError(f"{chain}, {seq}: {finding}")


async def exported(store: Store, directory: Path) -> dict[int, Path]:
    """A chain exported at every size, each into a directory of its own, and all into the one called 0."""
    shapes, leaf_before = company_chain(CHAIN, 600), ZERO32
    trees, frontier = ChainTrees(store, log_signer()), Frontier()
    writer = Checkpointer(trees, Checkpoints(store), log_signer(), tell)
    found = {0: directory / "growing"}
    for size in SIZES:
        while (first := frontier.size) < size:
            block, leaves = [], []
            for seq in range(first, min(size, first + MAX_BLOCK_ROWS)):
                row = replace(shapes[seq if seq < 600 else 1 + seq % 599], seq=seq)
                columns, leaf_before = seal(row, leaf_before)
                block.append(columns + leaf_before)
                leaves.append(leaf_before)
            LedgerStore(store).append(CHAIN, first, b"".join(block))
            frontier.extend(leaves)
        trees.grew(CHAIN, frontier)
        [written] = await writer.write()
        assert (written.size, written.published) == (size, True)
        log = PublishedLog(store, CHAIN)
        found[size] = directory / str(size)
        for out in (found[size], found[0]):
            export_tiles(log, out, lambda *_: None)
    return found


def changed(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def cut(content: bytes, at: int) -> bytes:
    return content[:at]


DAMAGES: list[tuple[int, str, Callable[[bytes], bytes]]] = [
    (257, "tile/entries/000", partial(changed, at=300)),
    (257, "tile/entries/001.p/1", partial(changed, at=40)),
    (257, "tile/0/000", partial(changed, at=0)),
    (257, "tile/1/000.p/1", partial(changed, at=31)),
    (257, "checkpoint", partial(changed, at=60)),
    (65_537, "tile/entries/017", partial(changed, at=5_000)),
    (65_537, "tile/2/000.p/1", partial(changed, at=3)),
    (257, "tile/entries/000", partial(cut, at=300)),
]


async def test_an_independent_checker_passes_what_is_whole_and_nothing_else(
    store: Store, fsck: Path, tmp_path: Path
) -> None:
    out = await exported(store, tmp_path)
    key = tmp_path / "log.vkey"
    key.write_text(f"{log_signer().keys(1, CHAIN)[0]}\n")
    good = [(out[0], SIZES[-1]), *((out[size], size) for size in SIZES)]
    assert [size for where, size in good if not passes(fsck, where, key, size, PATIENCE)] == []

    wrong = tmp_path / "other.vkey"
    wrong.write_text(f"{log_signer().keys(1, CHAIN + 1)[0]}\n")
    assert not passes(fsck, out[257], wrong, 257, IMPATIENCE)

    passed = []
    for size, name, damage in DAMAGES:
        file = out[size] / name
        whole = file.read_bytes()
        assert damage(whole) != whole
        file.write_bytes(damage(whole))
        if passes(fsck, out[size], key, size, IMPATIENCE):
            passed.append((size, name))
        file.write_bytes(whole)
    assert passed == []
    for size in (257, 65_537):  # put back, they are whole again
        assert passes(fsck, out[size], key, size, PATIENCE)
