"""The Merkle tree of RFC 6962 section 2.1 over a chain's leaves, as a compact range.

Pure. A `Range` holds the roots of the perfect subtrees that make up the leaves so far, largest first, so
appending is O(1) amortised and the root O(log n). Leaves are leaf *hashes*: `row.leaf` has already made
them. Proofs and tiles are not here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

EMPTY_ROOT = hashlib.sha256(b"").digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node, 32 bytes."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Range:
    """The tree over the first `size` leaves."""

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the end."""
        peak = leaf
        size = self.size
        while size & 1:  # a trailing one bit is a perfect subtree that the new one completes
            peak = node(self._peaks.pop(), peak)
            size >>= 1
        self._peaks.append(peak)
        self.size += 1

    def root(self) -> bytes:
        """The tree head over all leaves so far, 32 bytes."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node(peak, root)
        return root


def root(leaves: Iterable[bytes]) -> bytes:
    """The tree head over the given leaf hashes."""
    tree = Range()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()
