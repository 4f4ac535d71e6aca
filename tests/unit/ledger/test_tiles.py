"""Tiles: their paths, which of them a tree has, and that proofs come out of them as out of the leaves."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansvar.ledger.errors import Malformed
from ansvar.ledger.merkle import MAX_SIZE, Range
from ansvar.ledger.proofs import (
    Node,
    Parts,
    consistency_parts,
    inclusion_parts,
    peaks,
    proof,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from ansvar.ledger.tiles import (
    Entries,
    Frontier,
    Tile,
    TileHashes,
    completed,
    decode_entries,
    encode_entries,
    entries_path,
    parse_path,
    tile_path,
    tiles_for,
    tiles_of,
    width_at,
)
from vectors.rfc6962 import mth

BIG = 66_000  # of a tree with a level 2


def data_of(tile: Tile) -> bytes:
    """A tile by its definition in tlog-tiles: MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l])."""
    span = 256**tile.level
    first = tile.index * 256
    return b"".join(mth(n * span, (n + 1) * span) for n in range(first, first + tile.width))


def leaves(start: int, end: int) -> list[bytes]:
    return [mth(n, n + 1) for n in range(start, end)]


PATHS = {
    "tile/0/x001/x234/067": Tile(0, 1_234_067),
    "tile/0/x001/x234/067.p/112": Tile(0, 1_234_067, 112),
    "tile/0/000": Tile(0, 0),
    "tile/63/999.p/1": Tile(63, 999, 1),
    "tile/5/x001/000.p/255": Tile(5, 1_000, 255),
    "tile/0/x009/x223/x372/x036/x854/x775/807": Tile(0, MAX_SIZE),
    "tile/entries/000": Entries(0),
    "tile/entries/x273/070.p/12": Entries(273_070, 12),
}


@pytest.mark.parametrize(("path", "found"), PATHS.items())
def test_paths(path: str, found: Tile | Entries) -> None:
    parsed = parse_path(path)
    assert (type(parsed), parsed) == (type(found), found)
    assert (tile_path(found) if isinstance(found, Tile) else entries_path(*found)) == path


@given(st.integers(0, 63), st.integers(0, MAX_SIZE), st.integers(1, 256))
def test_a_path_is_read_as_it_was_written(level: int, index: int, width: int) -> None:
    assert parse_path(tile_path(Tile(level, index, width))) == Tile(level, index, width)
    assert parse_path(entries_path(index, width)) == Entries(index, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/x01/002",
        "tile/0/x001/002.p/0",
        "tile/0/x001/002.p/01",
        "tile/0/x001/002.p/256",
        "tile/0/x001/002.p/257",
        "tile/0/x001/002.p/",
        "tile/0/x001/002.p/-1",
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/0/x001/x009/x223/x372/x036/x854/x775/807",
        "tile/0/" + "x001/" * 10_000 + "000",
        "tile/entries/0/000",
        "tile/Entries/000",
        "tile/0/٠٠٠",
        "tile/0/００１",
        "tile/0/000.p/１",
        "tile/../000",
        "tile/0/\udcff",
    ],
)
def test_a_path_of_nothing(path: str) -> None:
    with pytest.raises(Malformed, match=r"^tile path, "):
        parse_path(path)


@given(st.text("tilenrs/xp.0123456789", max_size=40) | st.from_regex(r"tile/\d+/(x\d+/)*\d+(\.p/\d+)?"))
def test_no_path_has_two_forms(path: str) -> None:
    try:
        found = parse_path(path)
    except Malformed:
        return
    assert path == (tile_path(found) if isinstance(found, Tile) else entries_path(*found))


def test_the_example_of_the_specification() -> None:
    tiles = list(tiles_of(70_000))
    assert tiles == [
        *[Tile(0, n) for n in range(273)],
        Tile(0, 273, 112),
        Tile(1, 0),
        Tile(1, 1, 17),
        Tile(2, 0, 1),
    ]
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []


@given(st.integers(0, 200_000))
@example(65_535)
@example(65_536)
@example(65_537)
def test_tiles_hold_every_complete_subtree_once(size: int) -> None:
    tiles = list(tiles_of(size))
    assert len(set(tiles)) == len(tiles)
    for level in range(4):
        here = [tile for tile in tiles if tile.level == level]
        assert [tile.index for tile in here] == list(range(len(here)))
        assert sum(tile.width for tile in here) == size // 256**level
    assert all(width_at(tile.level, tile.index, size) == tile.width > 0 for tile in tiles)


@pytest.mark.parametrize("place", [(-1, 0), (0, -1), (0, 4), (1, 1), (2, 0), (63, 0), (0, 1 << 70)])
def test_no_such_tile(place: tuple[int, int]) -> None:
    assert width_at(*place, size=1_000) == 0


def test_tiles_of_the_largest_tree_come_one_by_one() -> None:
    assert list(islice(tiles_of(MAX_SIZE), 2)) == [Tile(0, 0), Tile(0, 1)]


@given(st.integers(0, BIG), st.integers(0, BIG))
def test_what_was_completed(one: int, other: int) -> None:
    before, after = sorted((one, other))

    def full(size: int) -> set[tuple[int, int]]:
        return {(tile.level, tile.index) for tile in tiles_of(size) if tile.width == 256}

    found = list(completed(before, after))
    assert found == sorted(full(after) - full(before))


@given(st.lists(st.sampled_from([0, 1, 2, 3, 100, 255, 256, 257, 600]), max_size=12))
def test_a_frontier_collects_the_tiles_that_it_completes(steps: list[int]) -> None:
    many, single, plain = Frontier(), Frontier(), Range()
    for step in steps:
        before = plain.size
        new = leaves(before, before + step)
        many.extend(new)
        for leaf in new:
            single.append(leaf)
            plain.append(leaf)
        taken = many.take_completed()
        assert [(level, index) for level, index, _ in taken] == list(completed(before, plain.size))
        assert all(root == mth(index * 256, (index + 1) * 256) for level, index, root in taken)
        assert single.take_completed() == taken
        assert many.take_completed() == []
        assert many.peaks == single.peaks == plain.peaks
        many = Frontier(many.size, many.peaks)
    assert many.root() == mth(0, plain.size)


@pytest.mark.parametrize("step", [256, 1_000, 70_000])
def test_a_frontier_collects_higher_levels(step: int) -> None:
    frontier = Frontier()
    source = iter(leaves(0, 65_537))
    while new := list(islice(source, step)):
        frontier.extend(new)
    taken = frontier.take_completed()
    assert [(level, index) for level, index, _ in taken] == [*((0, n) for n in range(256)), (1, 0)]
    assert [root for *_, root in taken] == [
        *(mth(n * 256, (n + 1) * 256) for n in range(256)),
        mth(0, 65_536),
    ]


def test_a_frontier_that_completes_three_levels_at_once() -> None:
    """With hashes made up: what counts is which of them is the root of which tile."""
    size = (1 << 24) - 1
    before = Range(size, [bytes([n]) * 32 for n in range(24)])
    frontier = Frontier(size, before.peaks)
    frontier.append(bytes(32))
    assert [(level, index) for level, index, _ in frontier.take_completed()] == [
        (0, 65_535),
        (1, 255),
        (2, 0),
    ]
    before.append(bytes(32))
    assert frontier.root() == before.root()


def test_a_copied_frontier_goes_on_by_itself() -> None:
    frontier = Frontier()
    frontier.extend(leaves(0, 256))
    copy = frontier.copy()
    copy.extend(leaves(256, 512))
    assert [index for _, index, _ in copy.take_completed()] == [0, 1]
    assert [index for _, index, _ in frontier.take_completed()] == [0]
    assert (frontier.size, frontier.root(), copy.root()) == (256, mth(0, 256), mth(0, 512))


def hashes_from_tiles(parts: Iterable[Parts], size: int) -> TileHashes:
    return TileHashes({tile: data_of(tile) for tile in tiles_for(parts, size)})


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 511, 512, 513, 600])
def test_every_proof_comes_out_of_its_tiles(size: int) -> None:
    whole = TileHashes({tile: data_of(tile) for tile in tiles_of(size)})
    root = mth(0, size)
    assert root_of(peaks(size), whole) == root
    for index in range(size):
        verify_inclusion(mth(index, index + 1), index, size, proof(inclusion_parts(index, size), whole), root)
    for old in range(size + 1):
        steps = proof(consistency_parts(old, size), whole)
        verify_consistency(old, size, root_of(peaks(old), whole), root, steps)


@given(st.integers(1, BIG), st.data())
def test_the_tiles_for_a_proof_suffice(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    root = mth(0, size)
    assert root_of(peaks(size), hashes_from_tiles([peaks(size)], size)) == root
    parts = inclusion_parts(index, size)
    made = proof(parts, hashes_from_tiles(parts, size))
    verify_inclusion(mth(index, index + 1), index, size, made, root)
    parts = consistency_parts(old, size)
    verify_consistency(old, size, mth(0, old), root, proof(parts, hashes_from_tiles(parts, size)))
    tiles = tiles_for(parts, size)
    assert set(tiles) <= set(tiles_of(size))
    assert len(set(tiles)) == len(tiles)


def test_a_full_tile_stands_in_for_a_partial_one() -> None:
    hashes = TileHashes({Tile(0, 0): data_of(Tile(0, 0)), Tile(0, 0, 3): b"too short"})
    assert root_of(peaks(200), hashes) == mth(0, 200)


@pytest.mark.parametrize(
    ("tiles", "wanted", "message"),
    [
        ({}, Node(0, 1_234_067 * 256), "tile, tile/0/x001/x234/067: missing"),
        ({Tile(0, 0, 3): bytes(64)}, Node(1, 0), "tile, tile/0/000.p/3: 64 bytes, not 96"),
        ({Tile(0, 0, 3): bytes(128)}, Node(0, 0), "tile, tile/0/000.p/3: 128 bytes, not 96"),
        ({Tile(0, 0, 3): bytes(96)}, Node(1, 1), "tile, tile/0/000.p/3: too narrow: hash 3 is needed"),
        ({Tile(0, 0): bytes(8192)}, Node(8, 0), "tile, tile/1/000: missing"),
    ],
)
def test_tiles_that_do_not_hold_it(tiles: dict[Tile, bytes], wanted: Node, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        TileHashes(tiles)(wanted)
    assert str(caught.value) == message


def test_nodes_outside_a_tree_have_no_tiles() -> None:
    with pytest.raises(Malformed, match="height 2, index 1: not within size 7"):
        tiles_for([(Node(2, 0), Node(2, 1))], 7)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_entries(entries: list[bytes]) -> None:
    data = encode_entries(entries)
    assert decode_entries(data, len(entries)) == entries
    for broken, width in (
        (data, len(entries) - 1),
        (data, len(entries) + 1),
        (data[:-1], len(entries)),
        (data + b"\0", len(entries)),
    ):
        with pytest.raises(Malformed, match=r"^entry bundle, byte "):
            decode_entries(broken, width)


@given(st.binary(max_size=200), st.integers(-1, 300))
def test_any_bytes_are_entries_or_malformed(data: bytes, width: int) -> None:
    try:
        entries = decode_entries(data, width)
    except Malformed:
        return
    assert encode_entries(entries) == data


def test_the_form_of_entries() -> None:
    assert encode_entries([b"abc", b"", b"x" * 258]) == b"\0\3abc\0\0\1\2" + b"x" * 258
    longest = [b"x" * 65_535]
    assert decode_entries(encode_entries(longest), 1) == longest
    with pytest.raises(Malformed, match="entry 1: 65536 bytes"):
        encode_entries([b"", b"x" * 65_536])
    with pytest.raises(Malformed, match="byte 5: ends within entry 1 of 2"):
        decode_entries(b"\0\3abc\0\2x", 2)
    with pytest.raises(Malformed, match="byte 5: 2 bytes after the last entry"):
        decode_entries(b"\0\3abc\0\0", 1)
