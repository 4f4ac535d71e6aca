"""The tiles of a chain's tree and the bundles of its entries, as C2SP tlog-tiles lays them out.

Pure. A tile of level l holds up to 256 consecutive hashes of height 8 * l, so the perfect subtree of height
8 * (l + 1) and index n is the root of the full tile n of level l, and a hash of level l + 1. Where the bytes
of tiles lie, and that they are those of a signed tree, is left to others: a root computed from tiles proves
nothing before it is compared with a checkpoint's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Self

from ansvar.ledger.errors import Malformed
from ansvar.ledger.merkle import HASH_SIZE, MAX_SIZE, Range, node, subtree_root
from ansvar.ledger.proofs import Node, Parts

WIDTH: Final = 256
HEIGHT: Final = 8  # 2^8 hashes of a tile
MAX_LEVEL: Final = 63
MAX_ENTRY: Final = 65_535  # a length is a u16

# Seven groups hold every index below 2^63.
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?")


class Tile(NamedTuple):
    """A tile: its level, its index in the level, and how many hashes it holds (1..256)."""

    level: int
    index: int  # type: ignore[assignment]  # as in proofs.Node
    width: int = WIDTH


class Entries(NamedTuple):
    """An entry bundle: its index, and how many entries it holds (1..256)."""

    index: int  # type: ignore[assignment]  # as in proofs.Node
    width: int = WIDTH


def tile_path(tile: Tile) -> str:
    """The path of a tile below the log's prefix, as `tile/0/x001/x234/067` or `tile/0/000.p/112`."""
    return f"tile/{tile.level}/{_place(tile.index, tile.width)}"


def entries_path(index: int, width: int = WIDTH) -> str:
    """The path of an entry bundle below the log's prefix, as `tile/entries/000`."""
    return f"tile/entries/{_place(index, width)}"


def parse_path(path: str) -> Tile | Entries:
    """The tile or bundle of a path; Malformed for any path that `tile_path` and `entries_path` do not write.

    A well-formed path says nothing of whether a tree has such a tile: see `width_at`.
    """
    where = repr(path[:80])
    match = _PATH.fullmatch(path)
    if match is None:
        raise Malformed("tile path", where, "not tile/<level>/<index>[.p/<width>] nor tile/entries/...")
    level, groups, partial = match.groups()
    index = int(groups.replace("x", "").replace("/", ""))
    width = WIDTH if partial is None else int(partial)
    if index > MAX_SIZE:
        raise Malformed("tile path", where, f"the index is larger than {MAX_SIZE}")
    if level == "entries":
        found: Tile | Entries = Entries(index, width)
        written = entries_path(index, width)
    else:
        found = Tile(int(level), index, width)
        written = tile_path(found)
        if found.level > MAX_LEVEL:
            raise Malformed("tile path", where, f"the level is above {MAX_LEVEL}")
    if not 0 < width <= WIDTH:
        raise Malformed("tile path", where, f"a partial tile holds 1 to {WIDTH - 1} hashes")
    if written != path:
        raise Malformed("tile path", where, f"a full or zero-padded form of {written}")
    return found


def width_at(level: int, index: int, size: int) -> int:
    """How many hashes a tile holds in a tree of this size: 256, fewer, or 0 where it has no such tile."""
    if level < 0 or index < 0:
        return 0
    return min(WIDTH, max(0, (size >> HEIGHT * level) - index * WIDTH))


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree of this size, partial ones included, level by level from the leaves."""
    level = 0
    while hashes := size >> HEIGHT * level:
        for index in range(-(-hashes // WIDTH)):
            yield Tile(level, index, width_at(level, index, size))
        level += 1


def completed(size_before: int, size_after: int) -> Iterator[tuple[int, int]]:
    """The (level, index) of every tile that became full as a tree grew, lower levels first."""
    level = 0
    while full := size_after >> HEIGHT * (level + 1):
        for index in range(size_before >> HEIGHT * (level + 1), full):
            yield level, index
        level += 1


def tiles_for(parts: Iterable[Parts], size: int) -> tuple[Tile, ...]:
    """The tiles, as wide as they are at `size`, from which `TileHashes` computes these nodes.

    Raises Malformed for a node that is not within a tree of that size.
    """
    found: dict[Tile, None] = {}  # for a set in the order of the parts
    for part in parts:
        for one in part:
            if (one.index + 1) << one.height > size:
                raise Malformed("tiles", f"height {one.height}, index {one.index}", f"not within size {size}")
            level, index, _ = _within(one)
            found[Tile(level, index, width_at(level, index, size))] = None
    return tuple(found)


class TileHashes:
    """The roots of perfect subtrees, computed from tiles: what `proofs.proof` and `root_of` ask for.

    The keys say how wide the tiles are. Calling it raises Malformed naming a tile that is missing, that has
    not 32 bytes for each hash, or that is too narrow.
    """

    def __init__(self, tiles: Mapping[Tile, bytes]) -> None:
        self._tiles: dict[tuple[int, int], tuple[Tile, bytes]] = {}
        for tile, data in sorted(tiles.items()):  # a full tile stands in for its partial forms
            self._tiles[tile.level, tile.index] = (tile, data)
        self._known: dict[Node, bytes] = {}

    def __call__(self, wanted: Node) -> bytes:
        """The root of a perfect subtree, 32 bytes."""
        known = self._known.get(wanted)
        if known is None:
            known = self._known[wanted] = subtree_root(self._read(wanted))
        return known

    def _read(self, wanted: Node) -> list[bytes]:
        """The hashes of a tile over which the subtree stands."""
        level, index, first = _within(wanted)
        end = first + (1 << wanted.height % HEIGHT)
        tile, data = self._tiles.get((level, index), (Tile(level, index), None))
        if data is None:
            raise Malformed("tile", tile_path(tile), "missing")
        if len(data) != tile.width * HASH_SIZE:
            raise Malformed("tile", tile_path(tile), f"{len(data)} bytes, not {tile.width * HASH_SIZE}")
        if end > tile.width:
            raise Malformed("tile", tile_path(tile), f"too narrow: hash {end - 1} is needed")
        return [data[at * HASH_SIZE : (at + 1) * HASH_SIZE] for at in range(first, end)]


class Frontier(Range):
    """A compact range that also collects the root of each tile that its leaves complete.

    It costs no hash: the range computes these roots as it merges. `Frontier(size, peaks)` carries on; what
    was completed before is not collected again.
    """

    __slots__ = ("_completed",)

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        super().__init__(size, peaks)
        self._completed: list[tuple[int, int, bytes]] = []

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the end; many cost less by `extend`."""
        self._join(leaf, 0)

    def append_tile(self, root: bytes) -> None:
        """Add the 256 leaves of a full tile by its root; Malformed where the size is no multiple of 256."""
        if self.size % WIDTH:
            raise Malformed("tile", f"size {self.size}", "a whole tile can only follow whole tiles")
        self._join(root, HEIGHT)

    def take_completed(self) -> list[tuple[int, int, bytes]]:
        """(level, index, root) of the tiles completed since this was last asked, lower levels first."""
        taken, self._completed = self._completed, []
        return sorted(taken)

    def copy(self) -> Self:
        """A frontier that goes on by itself, with what was completed and not yet taken."""
        copied = super().copy()
        copied._completed = list(self._completed)
        return copied

    def _join(self, peak: bytes, height: int) -> None:
        index = self.size >> height
        self.size += 1 << height
        while True:
            if height and not height % HEIGHT:
                self._completed.append((height // HEIGHT - 1, index, peak))
            if not index & 1:
                break
            peak = node(self._peaks.pop(), peak)
            index >>= 1
            height += 1
        self._peaks.append(peak)


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry after its length (big-endian u16); Malformed for one above 65,535 bytes."""
    out = bytearray()
    for n, entry in enumerate(entries):
        if len(entry) > MAX_ENTRY:
            raise Malformed("entry bundle", f"entry {n}", f"{len(entry)} bytes, at most {MAX_ENTRY}")
        out += len(entry).to_bytes(2, "big")
        out += entry
    return bytes(out)


def decode_entries(data: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle; Malformed, naming the byte, where it holds fewer, more or a part."""
    entries: list[bytes] = []
    at = 0
    while len(entries) < width:
        start = at + 2
        if start > len(data):
            raise Malformed("entry bundle", f"byte {at}", f"ends after {len(entries)} of {width} entries")
        end = start + int.from_bytes(data[at:start], "big")
        if end > len(data):
            raise Malformed("entry bundle", f"byte {at}", f"ends within entry {len(entries)} of {width}")
        entries.append(data[start:end])
        at = end
    if at != len(data):
        raise Malformed("entry bundle", f"byte {at}", f"{len(data) - at} bytes after the last entry")
    return entries


def _place(index: int, width: int) -> str:
    """The index in groups of three digits, all but the last after an x, and the width of a partial tile."""
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return path if width == WIDTH else f"{path}.p/{width}"


def _within(wanted: Node) -> tuple[int, int, int]:
    """The level and index of the tile that a node is computed from, and where in it its hashes begin."""
    level, above = divmod(wanted.height, HEIGHT)
    first = wanted.index << above
    return level, first // WIDTH, first % WIDTH
