"""The tree of RFC 6962 against the reference vectors and against the definition."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.ledger.merkle import EMPTY_ROOT, Range, node, root
from ansvar.ledger.row import leaf

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
