"""Seeded chance that gives the same numbers on every platform and every Python version.

Invariants: only `random.Random.random()` is called, the one method whose sequence the standard library
promises to keep ("Notes on Reproducibility"), and the seed is an integer taken from a hash, so that streams
with different labels do not move one another.

Not handled here: anything secret. These numbers are for stories, not for keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """One stream of chance, named by its labels (a seed among them)."""

    def __init__(self, *labels: int | str) -> None:
        name = "/".join(str(label) for label in labels).encode()
        self._random = Random(int.from_bytes(sha256(name).digest()[:8], "big"))  # noqa: S311 (no secret)

    def below(self, limit: int) -> int:
        """An integer, `0 <= n < limit`."""
        return int(self._random.random() * limit)

    def between(self, low: int, high: int) -> int:
        """An integer, `low <= n <= high`."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """True in `percent` cases of a hundred."""
        return self.below(100) < percent

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, each as likely as another."""
        return items[self.below(len(items))]
