"""Proofs against the definition, the published vectors and everything that is not the proof."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.ledger.errors import Malformed, Unproved
from ansvar.ledger.merkle import EMPTY_ROOT, MAX_SIZE, Range
from ansvar.ledger.merkle import node as node_hash
from ansvar.ledger.proofs import (
    Node,
    consistency_parts,
    inclusion_parts,
    peaks,
    proof,
    root_of,
    verify_consistency,
    verify_inclusion,
    verify_subtree,
)
from vectors.rfc6962 import PUBLISHED, consistency, mth, path, subproof

OURS: dict[str, list[dict[str, Any]]] = json.loads(PUBLISHED.read_text())

# The public vectors of the transparency-dev Merkle library, good and bad, are not part of this repository: by
# default they are looked for in a folder beside it.
PUBLIC = Path(
    os.environ.get("ANSVAR_RFC6962_VECTORS")
    or Path(__file__).resolve().parents[4] / "shared" / "vectors" / "rfc6962"
)
public_vectors = pytest.mark.skipif(
    not PUBLIC.is_dir(), reason="the public vectors are not here (ANSVAR_RFC6962_VECTORS names their folder)"
)

EDGES = [*range(1, 41), 63, 64, 65, 127, 128, 129, 255, 256, 257, 258, 511, 512, 513, 600]


def hash_of(wanted: Node) -> bytes:
    return mth(wanted.index << wanted.height, (wanted.index + 1) << wanted.height)


def leaf(n: int) -> bytes:
    return mth(n, n + 1)


def refused(verify: Callable[..., None], *claim: Any) -> str:
    with pytest.raises((Unproved, Malformed)) as caught:
        verify(*claim)
    return str(caught.value)


@pytest.mark.parametrize("size", EDGES)
def test_every_proof_is_the_defined_one_and_verifies(size: int) -> None:
    root = mth(0, size)
    assert root_of(peaks(size), hash_of) == root
    for index in range(size):
        made = proof(inclusion_parts(index, size), hash_of)
        assert list(made) == path(index, 0, size)
        verify_inclusion(leaf(index), index, size, made, root)
    for old in range(size + 1):
        made = proof(consistency_parts(old, size), hash_of)
        assert list(made) == consistency(old, size)
        verify_consistency(old, size, mth(0, old), root, made)


@pytest.mark.parametrize("size", range(1, 34))
def test_every_subtree_verifies(size: int) -> None:
    for end in range(1, size + 1):
        for start in range(end):
            made = subproof(start, end, 0, size, whole=True) if is_subtree(start, end) else []
            claim = (start, end, size, mth(start, end), mth(0, size), made)
            if is_subtree(start, end):
                verify_subtree(*claim)
                for n, one in enumerate(made):
                    refused(verify_subtree, *claim[:5], [*made[:n], one[::-1], *made[n + 1 :]])
            else:
                assert "is not a subtree" in refused(verify_subtree, *claim)


def is_subtree(start: int, end: int) -> bool:
    width = 1
    while width < end - start:
        width *= 2
    return start % width == 0


def test_the_empty_tree() -> None:
    assert peaks(0) == ()
    assert root_of((), hash_of) == EMPTY_ROOT
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, ())
    verify_consistency(0, 5, EMPTY_ROOT, mth(0, 5), ())
    refused(verify_consistency, 0, 5, EMPTY_ROOT, mth(0, 5), [leaf(4)])
    refused(verify_consistency, 0, 5, mth(0, 1), mth(0, 5), ())
    refused(verify_consistency, 0, 0, EMPTY_ROOT, mth(0, 1), ())
    refused(verify_consistency, 0, 0, mth(0, 1), mth(0, 1), ())
    assert "beyond the tree, whose size is 0" in refused(verify_inclusion, leaf(0), 0, 0, (), EMPTY_ROOT)


@given(st.data())
def test_a_leaf_has_one_proof(data: st.DataObject) -> None:
    """Whatever is offered in its place is refused: other proofs, and proofs of other leaves and sizes."""
    size = data.draw(st.integers(1, 600))
    index = data.draw(st.integers(0, size - 1))
    other_size = data.draw(st.integers(1, 600))
    other = path(data.draw(st.integers(0, other_size - 1)), 0, other_size)
    true = path(index, 0, size)
    for offered in (other, *data.draw(tampered(true))):
        if offered == true:
            verify_inclusion(leaf(index), index, size, offered, mth(0, size))
        else:
            refused(verify_inclusion, leaf(index), index, size, offered, mth(0, size))


@given(st.data())
def test_two_sizes_have_one_proof(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 600))
    old = data.draw(st.integers(0, new))
    other_new = data.draw(st.integers(1, 600))
    other = consistency(data.draw(st.integers(0, other_new)), other_new)
    true = consistency(old, new)
    for offered in (other, *data.draw(tampered(true))):
        if offered == true:
            verify_consistency(old, new, mth(0, old), mth(0, new), offered)
        else:
            refused(verify_consistency, old, new, mth(0, old), mth(0, new), offered)


@st.composite
def tampered(draw: st.DrawFn, true: list[bytes]) -> list[list[bytes]]:
    """A proof with a hash added, dropped, exchanged, flipped by one bit, cut or lengthened."""
    at = draw(st.integers(0, len(true)))
    extra = draw(st.sampled_from([bytes(32), EMPTY_ROOT, *true]))
    offered = [[*true[:at], extra, *true[at:]], true + true]
    if at < len(true):
        one = true[at]
        changed = [flipped(one, draw(st.integers(0, 255))), one[:-1], one + b"\0", b""]
        offered += [[*true[:at], *true[at + 1 :]], true[::-1], true[:at]]
        offered += [[*true[:at], new, *true[at + 1 :]] for new in changed]
    return offered


def flipped(one: bytes, bit: int) -> bytes:
    changed = bytearray(one)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@given(st.data())
def test_other_claims_for_a_proof(data: st.DataObject) -> None:
    """Another leaf, place or root does not go with a true proof."""
    size = data.draw(st.integers(2, 600))
    index = data.draw(st.integers(0, size - 1))
    wrong = data.draw(st.integers(-3, 700).filter(lambda n: n != index))
    bit = data.draw(st.integers(0, 255))
    true, root = path(index, 0, size), mth(0, size)
    refused(verify_inclusion, leaf(index), wrong, size, true, root)
    refused(verify_inclusion, flipped(leaf(index), bit), index, size, true, root)
    refused(verify_inclusion, leaf(index), index, size, true, flipped(root, bit))
    refused(verify_inclusion, leaf(index)[:-1], index, size, true, root)
    refused(verify_inclusion, leaf(index), index, size, true, root[:-1])

    old = index + 1
    steps = consistency(old, size)
    refused(verify_consistency, old, size, flipped(mth(0, old), bit), root, steps)
    refused(verify_consistency, old, size, mth(0, old), flipped(root, bit), steps)
    refused(verify_consistency, old, size, mth(0, old), mth(0, size + 1), steps)
    refused(verify_consistency, size + 1, size, mth(0, old), root, steps)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (4, 8), (3, 4), (6, 8), (256, 65_536)])
def test_one_root_for_two_sizes(old: int, new: int) -> None:
    """A log that shows the old root again under a new size."""
    root = mth(0, old)
    assert "0 hashes are too few" in refused(verify_consistency, old, new, root, root, ())
    refused(verify_consistency, old, new, root, root, [root])
    refused(verify_consistency, old, new, root, root, consistency(old, new))


def test_the_size_belongs_to_the_root_and_not_to_the_proof() -> None:
    """Why sizes are taken from checkpoints alone: paths from the left edge look alike at several sizes."""
    for size in (5, 6, 7, 8):
        verify_inclusion(leaf(0), 0, size, path(0, 0, 6), mth(0, 6))
    refused(verify_inclusion, leaf(0), 0, 9, path(0, 0, 6), mth(0, 6))


UNIFORM = [leaf(7)]
while len(UNIFORM) < 64:
    UNIFORM.append(node_hash(UNIFORM[-1], UNIFORM[-1]))


def with_one_other_leaf(place: int) -> Callable[[Node], bytes]:
    """The hashes of a tree as large as one likes: all leaves are equal but one."""

    def hash_of(wanted: Node) -> bytes:
        height, index = wanted
        if place >> height != index:
            return UNIFORM[height]
        if height == 0:
            return leaf(8)
        return node_hash(hash_of(Node(height - 1, 2 * index)), hash_of(Node(height - 1, 2 * index + 1)))

    return hash_of


@given(st.data())
def test_trees_of_any_size(data: st.DataObject) -> None:
    size = data.draw(st.one_of(st.integers(1, MAX_SIZE), st.just(MAX_SIZE), st.just(1 << 62)))
    index = data.draw(st.integers(0, size - 1))
    hashes = with_one_other_leaf(index)
    root = root_of(peaks(size), hashes)
    made = proof(inclusion_parts(index, size), hashes)
    verify_inclusion(leaf(8), index, size, made, root)
    refused(verify_inclusion, leaf(8), index ^ 1, size, made, root)
    refused(verify_inclusion, leaf(7), index, size, made, root)

    old = data.draw(st.integers(0, size))
    steps = proof(consistency_parts(old, size), hashes)
    verify_consistency(old, size, root_of(peaks(old), hashes), root, steps)
    assert len(made) <= 63
    assert len(steps) <= 64  # the old tree and its path; 63 up to size 2^62
    assert Range(size, [hashes(one) for one in peaks(size)]).root() == root


@given(st.integers(0, MAX_SIZE))
def test_peaks_make_up_the_tree(size: int) -> None:
    spans = [(one.index << one.height, (one.index + 1) << one.height) for one in peaks(size)]
    assert [one.height for one in peaks(size)] == [h for h in reversed(range(63)) if size >> h & 1]
    assert all(end == start for (_, end), (start, _) in pairwise(spans))
    assert (spans[0][0], spans[-1][1]) == (0, size) if size else not spans


@pytest.mark.parametrize("wrong", [-1, MAX_SIZE + 1, 1 << 5_000])
def test_sizes_that_no_tree_has(wrong: int) -> None:
    calls: list[Callable[[], object]] = [
        lambda: peaks(wrong),
        lambda: inclusion_parts(0, wrong),
        lambda: inclusion_parts(wrong, 5),
        lambda: consistency_parts(wrong, 5),
        lambda: consistency_parts(0, wrong),
        lambda: verify_inclusion(leaf(0), wrong, 5, (), leaf(0)),
        lambda: verify_inclusion(leaf(0), 0, wrong, (), leaf(0)),
        lambda: verify_consistency(wrong, 5, leaf(0), leaf(0), ()),
        lambda: verify_consistency(1, wrong, leaf(0), leaf(0), ()),
        lambda: verify_subtree(wrong, 5, 5, leaf(0), leaf(0), ()),
    ]
    for call in calls:
        with pytest.raises(Malformed):
            call()


def test_messages_say_what_is_wrong() -> None:
    root, true = mth(0, 8), path(5, 0, 8)
    assert "2 hashes are too few" in refused(verify_inclusion, leaf(5), 5, 8, true[:2], root)
    assert "4 hashes are too many" in refused(verify_inclusion, leaf(5), 5, 8, [*true, root], root)
    assert "index 8 is beyond" in refused(verify_inclusion, leaf(5), 8, 8, true, root)
    assert "hash 1: 3 bytes" in refused(verify_inclusion, leaf(5), 5, 8, [root, b"abc"], root)
    assert "root of size 8" in refused(verify_inclusion, leaf(4), 5, 8, true, root)
    assert "0..9 is not within" in refused(verify_consistency, 9, 8, mth(0, 9), root, ())
    with pytest.raises(Malformed, match="has no such leaf"):
        inclusion_parts(8, 8)
    with pytest.raises(Malformed, match="old size 9"):
        consistency_parts(9, 8)


@pytest.mark.parametrize("vector", OURS["inclusion"], ids=lambda v: f"{v['index']}-{v['size']}")
def test_our_inclusion_vectors(vector: dict[str, Any]) -> None:
    made = [bytes.fromhex(one) for one in vector["proof"]]
    index, size = vector["index"], vector["size"]
    verify_inclusion(bytes.fromhex(vector["leaf"]), index, size, made, bytes.fromhex(vector["root"]))
    assert made == list(proof(inclusion_parts(index, size), hash_of))


@pytest.mark.parametrize("vector", OURS["consistency"], ids=lambda v: f"{v['old_size']}-{v['new_size']}")
def test_our_consistency_vectors(vector: dict[str, Any]) -> None:
    made = [bytes.fromhex(one) for one in vector["proof"]]
    old, new = vector["old_size"], vector["new_size"]
    old_root, new_root = bytes.fromhex(vector["old_root"]), bytes.fromhex(vector["new_root"])
    verify_consistency(old, new, old_root, new_root, made)
    assert made == list(proof(consistency_parts(old, new), hash_of))


def public(name: str) -> list[Any]:
    """The vectors of a file, none where the folder is absent."""
    file = PUBLIC / name
    return json.loads(file.read_bytes()) if file.is_file() else []


def judge(verify: Callable[..., None], vector: dict[str, Any], *claim: Any) -> None:
    made = [b64decode(one) for one in vector["proof"] or ()]
    if vector["wantErr"]:
        refused(verify, *claim, made)
    else:
        verify(*claim, made)


@public_vectors
def test_public_vectors_were_found() -> None:
    assert len(public("inclusion.json")) >= 300
    assert len(public("consistency.json")) >= 200


@pytest.mark.parametrize("vector", public("inclusion.json"), ids=lambda v: v["name"])
@public_vectors
def test_public_inclusion_vectors(vector: dict[str, Any]) -> None:
    """Those with a start are of a subtree, in which the leaves are counted from its start."""
    start = vector.get("start", 0)
    index, size = vector["leafIdx"] - start, vector.get("end", vector.get("treeSize")) - start

    def verify(made: list[bytes]) -> None:
        verify_inclusion(b64decode(vector["leafHash"]), index, size, made, b64decode(vector["root"]))

    judge(verify, vector)


@pytest.mark.parametrize("vector", public("consistency.json"), ids=lambda v: v["name"])
@public_vectors
def test_public_consistency_vectors(vector: dict[str, Any]) -> None:
    roots = b64decode(vector["root1"]), b64decode(vector["root2"])
    if "start" in vector:
        judge(verify_subtree, vector, vector["start"], vector["end"], vector["size"], *roots)
        if vector["start"] == 0 < vector["end"]:
            judge(verify_consistency, vector, vector["end"], vector["size"], *roots)
    else:
        judge(verify_consistency, vector, vector["size1"], vector["size2"], *roots)
