"""The recursive definitions of RFC 6962 section 2.1, word for word and slow: what the tests measure against.

Entry n of the log is n as eight bytes, big-endian. `python tests/vectors/rfc6962.py` writes `rfc6962.json`,
the vectors that Ansvar publishes for other implementations; a released vector is never changed.
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

PUBLISHED = Path(__file__).with_suffix(".json")


def entry(n: int) -> bytes:
    """The data of leaf n."""
    return n.to_bytes(8, "big")


@cache
def mth(start: int, end: int) -> bytes:
    """MTH(D[start:end])."""
    if start == end:
        return sha256(b"").digest()
    if end - start == 1:
        return sha256(b"\0" + entry(start)).digest()
    k = split(end - start)
    return sha256(b"\1" + mth(start, start + k) + mth(start + k, end)).digest()


def path(m: int, start: int, end: int) -> list[bytes]:
    """PATH(m, D[start:end])."""
    if end - start == 1:
        return []
    k = split(end - start)
    if m < k:
        return [*path(m, start, start + k), mth(start + k, end)]
    return [*path(m - k, start + k, end), mth(start, start + k)]


def consistency(m: int, n: int) -> list[bytes]:
    """PROOF(m, D[n]); empty from size 0, for which the RFC defines none."""
    return subproof(0, m, 0, n, whole=True) if m else []


def subproof(first: int, last: int, start: int, end: int, whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) for the subtree first..last-1 from `start`; the RFC has first = 0 only."""
    if (first, last) == (0, end - start):
        return [] if whole else [mth(start, end)]
    k = split(end - start)
    if last <= k:
        return [*subproof(first, last, start, start + k, whole), mth(start + k, end)]
    if first >= k:
        return [*subproof(first - k, last - k, start + k, end, whole), mth(start, start + k)]
    return [*subproof(0, last - k, start + k, end, whole=False), mth(start, start + k)]


def split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def vectors() -> dict[str, Any]:
    """What is published: roots, inclusion proofs and consistency proofs, hashes in hex."""
    small, edge = range(13), (255, 256, 257, 258)
    places = [(m, n) for n in small for m in range(n)]
    places += [(m, n) for n in edge for m in (0, 1, 127, 128, 200, n - 2, n - 1)]
    steps = [(m, n) for n in small for m in range(n + 1)]
    steps += [(m, n) for n in edge for m in (0, 1, 64, 100, 128, 254, n - 1, n) if m <= n]
    return {
        "about": "RFC 6962 with SHA-256; the data of leaf n is n as eight bytes, big-endian",
        "roots": [{"size": n, "root": mth(0, n).hex()} for n in (*range(21), *edge, 65535, 65536, 65537)],
        "inclusion": [
            {
                "index": m,
                "size": n,
                "leaf": mth(m, m + 1).hex(),
                "root": mth(0, n).hex(),
                "proof": [one.hex() for one in path(m, 0, n)],
            }
            for m, n in places
        ],
        "consistency": [
            {
                "old_size": m,
                "new_size": n,
                "old_root": mth(0, m).hex(),
                "new_root": mth(0, n).hex(),
                "proof": [one.hex() for one in consistency(m, n)],
            }
            for m, n in steps
        ],
    }


def written() -> str:
    """The text of the published file: one vector a line."""
    parts = []
    for key, value in vectors().items():
        lines = [json.dumps(one) for one in value] if isinstance(value, list) else []
        parts.append(f'"{key}": ' + ("[\n" + ",\n".join(lines) + "\n]" if lines else json.dumps(value)))
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    PUBLISHED.write_text(written())
