"""A map from key tags to entries under one root: a sparse Merkle tree over the 256 bits of a tag.

Pure. A tag's bits, highest first, lead from the root to its place. A subtree with no entry is `EMPTY`, one
with a single entry is that entry's hash wherever it begins, and any other is a node over its two halves: the
root depends on the entries alone and not on the order in which they came. SHA-256 throughout, with first
bytes that RFC 6962 does not use (docs/completeness.md, "Bytes").

Whoever made a root, each tag has one answer under it: its bits name one path, and two paths that give the
root would be a collision. A proof of absence may show one other tag; it does not show that tag's entry.

Not handled here: what a tag and an entry stand for (`completeness`), and which root is the committed one.
"""

from __future__ import annotations

import hashlib
import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ansvar.ledger.errors import Malformed, Unproved

TAG_BYTES: Final = 32
EMPTY: Final = bytes(32)  # of no known input, so no node or entry has this hash
_BITS: Final = 8 * TAG_BYTES
_ALL_BITS: Final = (1 << _BITS) - 1
_VERSION: Final = 1
_NOTHING, _OWN, _OTHER = range(3)
_HEAD: Final = struct.Struct(">BBH")
_COUNT: Final = struct.Struct(">Q")
MAX_ROWS: Final = (1 << 64) - 1
MAX_PROOF_BYTES: Final = _HEAD.size + _BITS // 8 + _BITS * 32 + 64


class Entry(NamedTuple):
    """What the map holds for a tag: how many rows the key has, and the running hash over their leaves."""

    rows: int
    running: bytes

    def value(self) -> bytes:
        """The entry as the tree hashes it, 32 bytes."""
        return hashlib.sha256(b"\3" + _COUNT.pack(self.rows) + self.running).digest()


class Other(NamedTuple):
    """Another tag's place, as a proof of absence shows it: the tag, and its entry's `value()` alone."""

    tag: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class MapProof:
    """What stands at a tag's place, and the hashes beside the path to it, from the root down.

    `found` is the tag's own entry, the only other entry of the subtree, or None where that is empty. Raises
    Malformed for parts of a wrong size.
    """

    siblings: tuple[bytes, ...]
    found: Entry | Other | None

    def __post_init__(self) -> None:
        if len(self.siblings) > _BITS:
            raise _malformed("siblings", f"{len(self.siblings)} of them, at most {_BITS}")
        if any(len(sibling) != 32 for sibling in self.siblings):
            raise _malformed("siblings", "a hash has 32 bytes")
        match self.found:
            case Entry(rows, running) if not (1 <= rows <= MAX_ROWS and len(running) == 32):
                raise _malformed("entry", "a count from 1 and a hash of 32 bytes are needed")
            case Other(tag, value) if not len(tag) == len(value) == 32:
                raise _malformed("entry", "another tag and its hash have 32 bytes each")

    def encode(self) -> bytes:
        """Head (version, kind, depth), a bit a sibling, the siblings that are not empty, what was found."""
        bits = "".join("0" if sibling == EMPTY else "1" for sibling in self.siblings)
        bitmap = bytes(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8))
        match self.found:
            case Entry(rows, running):
                kind, end = _OWN, _COUNT.pack(rows) + running
            case Other(tag, value):
                kind, end = _OTHER, tag + value
            case None:
                kind, end = _NOTHING, b""
        hashes = b"".join(sibling for sibling in self.siblings if sibling != EMPTY)
        return _HEAD.pack(_VERSION, kind, len(self.siblings)) + bitmap + hashes + end


_END_BYTES: Final = {_NOTHING: 0, _OWN: _COUNT.size + 32, _OTHER: 64}


def parse_proof(data: bytes) -> MapProof:
    """The inverse of `MapProof.encode`; a proof has one encoding. Raises Malformed."""
    if not _HEAD.size <= len(data) <= MAX_PROOF_BYTES:
        raise _malformed("length", f"{len(data)} bytes, from {_HEAD.size} to {MAX_PROOF_BYTES} are possible")
    version, kind, depth = _HEAD.unpack_from(data)
    if version != _VERSION or kind not in _END_BYTES or depth > _BITS:
        raise _malformed("head", f"version {version}, kind {kind}, depth {depth} is not a proof we know")
    begin = _HEAD.size + (depth + 7) // 8
    bits = "".join(f"{byte:08b}" for byte in data[_HEAD.size : begin])
    end = begin + 32 * bits.count("1")
    if "1" in bits[depth:]:
        raise _malformed("bitmap", f"a bit is set beyond depth {depth}")
    if len(data) != end + _END_BYTES[kind]:
        raise _malformed("length", f"{len(data)} bytes instead of {end + _END_BYTES[kind]}")
    hashes = (data[at : at + 32] for at in range(begin, end, 32))
    siblings = tuple([next(hashes) if bit == "1" else EMPTY for bit in bits[:depth]])
    if siblings.count(EMPTY) != bits[:depth].count("0"):
        raise _malformed("siblings", "an empty subtree is written as a bit, not as a hash")
    found: Entry | Other | None = None
    if kind == _OWN:
        found = Entry(_COUNT.unpack_from(data, end)[0], data[end + _COUNT.size :])
    elif kind == _OTHER:
        found = Other(data[end : end + 32], data[end + 32 :])
    return MapProof(siblings, found)


def verify_entry(root: bytes, tag: bytes, proof: MapProof) -> Entry | None:
    """The tag's entry under a root, or None where the proof shows that it has none.

    Raises Unproved when the proof does not lead to the root, Malformed when root or tag are not 32 bytes.
    """
    if not len(root) == len(tag) == 32:
        raise _malformed("root or tag", "32 bytes are needed")
    depth = len(proof.siblings)
    path = int.from_bytes(tag, "big")
    match proof.found:
        case Entry() as entry:
            subtree = _leaf(tag, entry.value())
        case Other(other, value):
            if other == tag or (int.from_bytes(other, "big") ^ path) >> (_BITS - depth):
                raise Unproved("index proof: the other tag that is shown does not stand in this tag's place")
            subtree = _leaf(other, value)
        case None:
            subtree = EMPTY
    for level in range(depth - 1, -1, -1):
        sibling = proof.siblings[level]
        on_the_right = path >> (_BITS - 1 - level) & 1
        subtree = _node(sibling, subtree) if on_the_right else _node(subtree, sibling)
    if subtree != root:
        raise Unproved("index proof: it does not lead to the committed root; it is of another tag or root")
    return proof.found if isinstance(proof.found, Entry) else None


class SparseTree:
    """The entries and their root, which `update` alone changes. A place is a 1 and its tags' first bits."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.root = EMPTY
        self._tags: list[bytes] = []  # sorted, so that a subtree is a range of it
        self._nodes: dict[int, bytes] = {}

    def update(self, entries: Mapping[bytes, Entry]) -> None:
        """Put entries in; hashes the paths of these tags alone. Raises Malformed if a tag is not 32 bytes."""
        touched = sorted(entries)
        if any(len(tag) != TAG_BYTES for tag in touched):
            raise Malformed("index tag", "length", f"a tag has {TAG_BYTES} bytes")
        self._tags += [tag for tag in touched if tag not in self.entries]
        self._tags.sort()  # two sorted runs: one merge
        self.entries.update(entries)
        self.root = self._subtree(1, 0, len(self._tags), touched)

    def prove(self, tag: bytes) -> MapProof:
        """What stands at the tag's place under `root`."""
        siblings: list[bytes] = []
        for place, low, high in self._path(tag):
            siblings.append(self._subtree(place ^ 1, low, high, ()))
        return MapProof(tuple(siblings), self._at_the_end(tag, len(siblings)))

    def _path(self, tag: bytes) -> Iterator[tuple[int, int, int]]:
        """The subtrees towards a tag, below the root, each with the range of its sibling's tags."""
        place, low, high = 1, 0, len(self._tags)
        while high - low > 1:
            middle = _middle(place)
            cut = bisect_left(self._tags, middle, low, high)
            if tag < middle:
                place, sibling, high = 2 * place, (cut, high), cut
            else:
                place, sibling, low = 2 * place + 1, (low, cut), cut
            yield place, *sibling

    def _at_the_end(self, tag: bytes, depth: int) -> Entry | Other | None:
        own = self.entries.get(tag)
        if own is not None:
            return own
        at = bisect_left(self._tags, tag)  # the only tag of the subtree is a neighbour of the one asked for
        for other in self._tags[max(at - 1, 0) : at + 1]:
            if not (int.from_bytes(other, "big") ^ int.from_bytes(tag, "big")) >> (_BITS - depth):
                return Other(other, self.entries[other].value())
        return None

    def _subtree(self, place: int, low: int, high: int, touched: Sequence[bytes]) -> bytes:
        """The hash of a subtree over tags[low:high], of which `touched` (sorted) changed."""
        if high - low < 2:
            return _leaf(self._tags[low], self.entries[self._tags[low]].value()) if low < high else EMPTY
        if not touched and place in self._nodes:
            return self._nodes[place]
        middle = _middle(place)
        cut, split = bisect_left(self._tags, middle, low, high), bisect_left(touched, middle)
        left = self._subtree(2 * place, low, cut, touched[:split])
        right = self._subtree(2 * place + 1, cut, high, touched[split:])
        self._nodes[place] = _node(left, right)
        return self._nodes[place]


def _middle(place: int) -> bytes:
    """The first tag of a subtree's right half."""
    depth = place.bit_length() - 1
    return ((2 * place + 1) << (_BITS - 1 - depth) & _ALL_BITS).to_bytes(TAG_BYTES, "big")


def _leaf(tag: bytes, value: bytes) -> bytes:
    return hashlib.sha256(b"\4" + tag + value).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\5" + left + right).digest()


def _malformed(where: str, problem: str) -> Malformed:
    return Malformed("index proof", where, problem)
