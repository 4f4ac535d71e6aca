"""A small reader of C2SP tlog-tiles, written from the specification and sharing no code with the log.

It believes nothing: every tile, every entry and the root are recomputed by RFC 6962's recursive definition.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import NamedTuple

Fetch = Callable[[str], bytes]


class Head(NamedTuple):
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes


def head(note: bytes) -> Head:
    """The three lines of a checkpoint; signatures are not looked at."""
    origin, size, root, empty = note.decode().split("\n")[:4]
    assert empty == ""
    return Head(origin, int(size), base64.b64decode(root))


def path(kind: str, index: int, width: int) -> str:
    """`kind` is a level or "entries"; a width of 256 is a full tile."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    return f"tile/{kind}/{'/'.join(groups)}" + ("" if width == 256 else f".p/{width}")


def places(size: int) -> dict[str, tuple[str, int, int]]:
    """Path -> (kind, index, width) of everything that a log of this size consists of."""
    found, level = {}, 0
    while count := size // 256**level:
        for index in range((count + 255) // 256):
            width = min(256, count - 256 * index)
            for kind in (str(level), "entries") if level == 0 else (str(level),):
                found[path(kind, index, width)] = (kind, index, width)
        level += 1
    return found


def bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle."""
    entries, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">H", data, at)
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    assert (at, len(entries)) == (len(data), width)
    return entries


def tree(entries: list[bytes]) -> Callable[[int, int], bytes]:
    """MTH(D[a:b]) of RFC 6962 section 2.1, by its own words."""

    @cache
    def mth(a: int, b: int) -> bytes:
        if b - a == 0:
            return sha256(b"").digest()
        if b - a == 1:
            return sha256(b"\0" + entries[a]).digest()
        k = 1
        while 2 * k < b - a:
            k *= 2
        return sha256(b"\1" + mth(a, a + k) + mth(a + k, b)).digest()

    return mth


def read(fetch: Fetch) -> tuple[Head, list[bytes]]:
    """The head and all entries of a log whose tiles and root are what its entries make them."""
    stated = head(fetch("checkpoint"))
    entries: list[bytes] = []
    for where, (kind, _, width) in places(stated.size).items():
        if kind == "entries":
            entries += bundle(fetch(where), width)
    assert len(entries) == stated.size
    mth = tree(entries)
    assert mth(0, stated.size) == stated.root
    for where, (kind, index, width) in places(stated.size).items():
        if kind != "entries":
            span = 256 ** int(kind)
            hashes = [mth((index * 256 + i) * span, (index * 256 + i + 1) * span) for i in range(width)]
            assert fetch(where) == b"".join(hashes), where
    return stated, entries
