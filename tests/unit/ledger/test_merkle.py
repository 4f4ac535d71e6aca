"""The tree of RFC 6962 against the reference vectors, our published ones and the definition."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.ledger.canonical import leaf
from ansvar.ledger.errors import Malformed
from ansvar.ledger.merkle import EMPTY_ROOT, MAX_SIZE, Range, node, root, subtree_root
from vectors.rfc6962 import PUBLISHED, entry, mth, written

# The inputs and roots of the Certificate Transparency reference tests (certificate-transparency,
# merkletree/merkle_tree_test.cc), for sizes 1 to 8.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf(bytes.fromhex(data)) for data in INPUTS]


def defined(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + defined(leaves[:k]) + defined(leaves[k:])).digest()


def test_empty() -> None:
    assert root([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_node() -> None:
    assert node(b"N123", b"N456").hex().startswith("aa217fe8")


@pytest.mark.parametrize("size", range(1, 9))
def test_reference_roots(size: int) -> None:
    assert root(LEAVES[:size]).hex() == ROOTS[size - 1]


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70))
def test_any_tree_is_the_defined_one(leaves: list[bytes]) -> None:
    tree = Range()
    for size, one in enumerate(leaves):
        assert (tree.size, tree.root()) == (size, defined(leaves[:size]))
        tree.append(one)
    assert root(leaves) == tree.root() == defined(leaves)


def test_published_vectors_are_the_defined_ones() -> None:
    assert PUBLISHED.read_text() == written()


@pytest.mark.parametrize("vector", json.loads(PUBLISHED.read_text())["roots"], ids=lambda v: str(v["size"]))
def test_published_roots(vector: dict[str, str | int]) -> None:
    assert root(leaf(entry(n)) for n in range(int(vector["size"]))).hex() == vector["root"]


@given(st.lists(st.integers(0, 700), max_size=6), st.integers(0, 1_000))
def test_extending_is_appending(steps: list[int], more: int) -> None:
    by_one, by_many = Range(), Range()
    for step in steps:
        leaves = [mth(n, n + 1) for n in range(by_one.size, by_one.size + step)]
        for one in leaves:
            by_one.append(one)
        by_many.extend(iter(leaves))
        assert (by_many.size, by_many.peaks) == (by_one.size, by_one.peaks)
    assert by_many.root() == mth(0, by_many.size)

    restored = Range(by_many.size, by_many.peaks)
    restored.extend(mth(n, n + 1) for n in range(restored.size, restored.size + more))
    assert restored.root() == mth(0, sum(steps) + more)


def test_a_copy_goes_on_by_itself() -> None:
    tree = Range()
    tree.extend(LEAVES[:3])
    copy = tree.copy()
    copy.append(LEAVES[3])
    assert (tree.size, tree.root().hex()) == (3, ROOTS[2])
    assert (copy.size, copy.root().hex()) == (4, ROOTS[3])


@pytest.mark.parametrize(
    ("size", "peaks"),
    [
        (0, [bytes(32)]),
        (1, []),
        (4, [bytes(32)] * 2),
        (7, [bytes(32)] * 2),
        (3, [bytes(32), bytes(31)]),
        (-1, [bytes(32)]),
        (MAX_SIZE + 1, [bytes(32)]),
    ],
)
def test_a_range_that_does_not_fit_its_size(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(Malformed, match=f"compact range, size {size}"):
        Range(size, peaks)


def test_the_largest_tree() -> None:
    assert Range(MAX_SIZE, [bytes(32)] * 63).peaks == (bytes(32),) * 63


@pytest.mark.parametrize("height", range(9))
def test_subtree_roots(height: int) -> None:
    hashes = [mth(n, n + 1) for n in range(1 << height)]
    assert subtree_root(hashes) == mth(0, 1 << height)


@pytest.mark.parametrize("count", [0, 3, 255, 257, 512])
def test_no_perfect_subtree(count: int) -> None:
    with pytest.raises(Malformed, match=f"{count} are not a power of two"):
        subtree_root([bytes(32)] * count)
