"""Inclusion and consistency proofs of RFC 6962 (sections 2.1.1 and 2.1.2), made and verified.

Pure. Making a proof has two steps, so that hashes may lie anywhere (rows, tiles, memory): first which perfect
subtrees make up each hash of the proof, then their roots, asked of a function. A verifier returns nothing or
raises Unproved; it raises Malformed for what cannot be a proof at all: a size or index outside 0..2^63-1, a
hash that has not 32 bytes.

Sizes and roots must come from checkpoints that were verified. A proof shows what holds for a root; which size
belongs to that root, only the checkpoint says: the same inclusion proof fits several sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import NamedTuple

from ansvar.ledger.errors import Malformed, Unproved
from ansvar.ledger.merkle import EMPTY_ROOT, HASH_SIZE, MAX_SIZE, node


class Node(NamedTuple):
    """The perfect subtree over the leaves index * 2^height to (index + 1) * 2^height, without the last."""

    height: int
    index: int  # type: ignore[assignment]  # the field's name; nobody looks up a position by tuple.index


Parts = tuple[Node, ...]
"""Perfect subtrees, left to right and each smaller than the one before: hashed together from the right they
are one hash of a proof, or a root."""


def peaks(size: int) -> Parts:
    """The perfect subtrees that make up a tree: those whose roots a compact range holds."""
    _check_number("tree", "size", size)
    return _cover(0, size)


def inclusion_parts(index: int, size: int) -> tuple[Parts, ...]:
    """What the inclusion proof of a leaf consists of, from the leaf up: PATH(m, D[n]) of section 2.1.1.

    Raises Malformed where the tree has no such leaf.
    """
    _check_number("inclusion proof", "size", size)
    if not 0 <= index < size:
        raise Malformed("inclusion proof", f"index {index}", f"a tree of size {size} has no such leaf")
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_cover(middle, end))
            end = middle
        else:
            path.append(_cover(start, middle))
            start = middle
    return tuple(reversed(path))


def consistency_parts(old: int, new: int) -> tuple[Parts, ...]:
    """What the consistency proof between two sizes consists of: PROOF(m, D[n]) of section 2.1.2.

    It is empty from size 0 and between equal sizes. Raises Malformed where the old size is the larger one.
    """
    _check_number("consistency proof", "size", new)
    if not 0 <= old <= new:
        raise Malformed("consistency proof", f"old size {old}", f"not within 0..{new}, the new size")
    if old == 0:
        return ()
    path = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_cover(middle, end))
            end = middle
        else:
            path.append(_cover(start, middle))
            start = middle
    if start:  # else what is left is the old tree, whose root the verifier has
        path.append(_cover(start, end))
    return tuple(reversed(path))


def proof(parts: Sequence[Parts], hash_of: Callable[[Node], bytes]) -> tuple[bytes, ...]:
    """The proof that the parts describe; `hash_of` gives the root of a perfect subtree, 32 bytes."""
    return tuple([root_of(nodes, hash_of) for nodes in parts])


def root_of(parts: Parts, hash_of: Callable[[Node], bytes]) -> bytes:
    """The one hash of these parts: `root_of(peaks(n), hash_of)` is the root of the tree of size n."""
    if not parts:
        return EMPTY_ROOT
    root = hash_of(parts[-1])
    for part in reversed(parts[:-1]):
        root = node(hash_of(part), root)
    return root


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Verify that `leaf` (a leaf hash) is number `index` in the tree of this size and root.

    The algorithm of RFC 9162 section 2.1.3.2, whose names it keeps. Raises Unproved or Malformed.
    """
    what = "inclusion proof"
    _check_number(what, "size", size)
    _check_number(what, "index", index)
    _check_hashes(what, proof)
    if len(leaf) != HASH_SIZE:
        raise Malformed(what, "leaf", f"{len(leaf)} bytes instead of {HASH_SIZE}")
    if index >= size:
        raise Unproved(f"{what}: index {index} is beyond the tree, whose size is {size}")
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            raise Unproved(f"{what}: {len(proof)} hashes are too many for index {index} at size {size}")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Unproved(f"{what}: {len(proof)} hashes are too few for index {index} at size {size}")
    if not compare_digest(r, root):
        raise Unproved(f"{what}: leaf {index} does not give the root of size {size}")


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Verify that the new tree begins with all of the old tree. Raises Unproved or Malformed.

    RFC 9162 section 2.1.4.2 leaves out size 0: every tree begins with the empty one, so what is held then is
    that the old root is the empty tree's and that the proof is empty.
    """
    what = "consistency proof"
    _check_number(what, "old size", old_size)
    _check_number(what, "new size", new_size)
    if old_size == 0:
        _check_hashes(what, (new_root,))
        if new_size == 0 and not compare_digest(new_root, EMPTY_ROOT):
            raise Unproved(f"{what}: size 0 with a root that is not the empty tree's")
    verify_subtree(0, old_size, new_size, old_root, new_root, proof)


def verify_subtree(
    start: int, end: int, size: int, subtree_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Verify that the leaves start..end-1 of the tree of this size and root have `subtree_root` as theirs.

    `verify_consistency` is the case start = 0. The algorithm is RFC 9162 section 2.1.4.2 with a start, as
    draft-ietf-plants-merkle-tree-certs puts it; a subtree begins at a multiple of its size, rounded up to a
    power of two. Raises Unproved or Malformed.
    """
    what = "consistency proof"
    for name, number in (("start", start), ("end", end), ("size", size)):
        _check_number(what, name, number)
    _check_hashes(what, proof)
    if not start <= end <= size:
        raise Unproved(f"{what}: {start}..{end} is not within the tree, whose size is {size}")
    if start == end:
        if proof or not compare_digest(subtree_root, EMPTY_ROOT):
            raise Unproved(f"{what}: from size 0 it is empty, and the root that of the empty tree")
        return
    if start % (1 << (end - start - 1).bit_length()):
        raise Unproved(f"{what}: {start}..{end} is not a subtree")
    fn, sn, tn = start, end - 1, size - 1
    while fn != sn and (sn & 1 or sn == tn):
        fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
    hashes = iter(proof)
    fr = sr = subtree_root if fn == sn else next(hashes, b"")  # b"" gives no root: the proof is too short
    for c in hashes:
        if tn == 0:
            raise Unproved(f"{what}: {len(proof)} hashes are too many for {start}..{end} at size {size}")
        if sn & 1 or sn == tn:
            if fn < sn:
                fr = node(c, fr)
            sr = node(c, sr)
            while not sn & 1:
                fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
        else:
            sr = node(sr, c)
        fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
    if tn:
        raise Unproved(f"{what}: {len(proof)} hashes are too few for {start}..{end} at size {size}")
    if not compare_digest(fr, subtree_root):
        raise Unproved(f"{what}: it does not give the root of {start}..{end}")
    if not compare_digest(sr, root):
        raise Unproved(f"{what}: it does not give the root of size {size}")


def _split(size: int) -> int:
    """k of RFC 6962 section 2.1: the largest power of two that is smaller than the size (at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _cover(start: int, end: int) -> Parts:
    """The perfect subtrees of the leaves start..end-1, whose start a power of two >= their number divides."""
    parts = []
    for height in reversed(range((end - start).bit_length())):
        if (end - start) >> height & 1:
            parts.append(Node(height, start >> height))
            start += 1 << height
    return tuple(parts)


def _check_number(what: str, name: str, number: int) -> None:
    if not 0 <= number <= MAX_SIZE:
        raise Malformed(what, name, f"{number} is outside 0..{MAX_SIZE}")


def _check_hashes(what: str, hashes: Sequence[bytes]) -> None:
    for n, one in enumerate(hashes):
        if len(one) != HASH_SIZE:
            raise Malformed(what, f"hash {n}", f"{len(one)} bytes instead of {HASH_SIZE}")
