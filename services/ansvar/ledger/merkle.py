"""The Merkle tree of RFC 6962 section 2.1 over a chain's leaves, as a compact range.

Pure. A `Range` holds the roots of the perfect subtrees that make up the leaves so far, largest first, so
appending is O(1) amortised and the root O(log n). Leaves are leaf *hashes*: `canonical.leaf` has already made
them, and nothing here looks at their length. Proofs stand in `proofs`, tiles in `tiles`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import islice
from typing import Final, Self

from ansvar.ledger.errors import Malformed

EMPTY_ROOT = sha256(b"").digest()
HASH_SIZE: Final = 32
MAX_SIZE: Final = 2**63 - 1  # leaves of a tree: what a signed 64-bit integer holds
_BLOCK: Final = 256  # leaves that are hashed together at most; the width of a tile


def node(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node, 32 bytes."""
    return sha256(b"\1" + left + right).digest()


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """The root of the perfect subtree over 1, 2, 4 ... or 256 hashes; Malformed for any other number."""
    if not 0 < len(hashes) <= _BLOCK or len(hashes) & (len(hashes) - 1):
        raise Malformed(
            "perfect subtree", "hashes", f"{len(hashes)} are not a power of two from 1 to {_BLOCK}"
        )
    while len(hashes) > 1:
        # Not node(): the call costs a fifth of the hash, and this is the worker's hot path.
        pairs = iter(hashes)
        hashes = [sha256(b"\1" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return hashes[0]


class Range:
    """The tree over the first `size` leaves, which can be carried on from its size and its peaks.

    Raises Malformed where the size is outside 0..2^63-1, or the peaks are not as many hashes as it has one
    bits.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if not 0 <= size <= MAX_SIZE:
            raise Malformed("compact range", f"size {size}", f"outside 0..{MAX_SIZE}")
        if len(peaks) != size.bit_count():
            raise Malformed("compact range", f"size {size}", f"{len(peaks)} peaks and not {size.bit_count()}")
        if any(len(peak) != HASH_SIZE for peak in peaks):
            raise Malformed("compact range", f"size {size}", f"a peak that has not {HASH_SIZE} bytes")
        self.size = size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The roots of the perfect subtrees, largest (leftmost) first: one for each one bit of the size."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the end."""
        size = self.size
        self.size = size + 1
        if size & 1:  # a trailing one bit is a perfect subtree that the new one completes
            pop = self._peaks.pop
            while size & 1:
                leaf = sha256(b"\1" + pop() + leaf).digest()
                size >>= 1
        self._peaks.append(leaf)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes at the end: what `append` does one by one, in fewer steps."""
        source = iter(leaves)
        while chunk := list(islice(source, _BLOCK - self.size % _BLOCK)):
            at = 0
            while at < len(chunk):
                # The largest perfect subtree that may begin here and that the chunk fills.
                lowest_bit = (self.size | _BLOCK) & -(self.size | _BLOCK)
                height = min(lowest_bit.bit_length(), (len(chunk) - at).bit_length()) - 1
                self._join(subtree_root(chunk[at : at + (1 << height)]), height)
                at += 1 << height

    def root(self) -> bytes:
        """The tree head over all leaves so far, 32 bytes."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node(peak, root)
        return root

    def copy(self) -> Self:
        """A range that goes on by itself."""
        return type(self)(self.size, self._peaks)

    def _join(self, peak: bytes, height: int) -> None:
        """Add a perfect subtree of 2^height leaves, which the size must be a multiple of."""
        index = self.size >> height
        self.size += 1 << height
        while index & 1:
            peak = node(self._peaks.pop(), peak)
            index >>= 1
        self._peaks.append(peak)


def root(leaves: Iterable[bytes]) -> bytes:
    """The tree head over the given leaf hashes."""
    tree = Range()
    tree.extend(leaves)
    return tree.root()
