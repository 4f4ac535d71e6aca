"""Where subject references and data keys come from.

In production they are random. In tests of determinism they are HMACs of a seed, so that two runs over the
same records give the same rows, byte for byte.
"""

from __future__ import annotations

import hmac
import os
from typing import Protocol


class Generator(Protocol):
    """Makes the reference (16 bytes) and data key (32 bytes) of a subject when it is first seen."""

    def reference(self, tag: bytes, generation: int) -> bytes: ...

    def data_key(self, tag: bytes, generation: int) -> bytes: ...


class RandomGenerator:
    """References and keys that say nothing about the person."""

    def reference(self, tag: bytes, generation: int) -> bytes:
        """16 random bytes."""
        return os.urandom(16)

    def data_key(self, tag: bytes, generation: int) -> bytes:
        """32 random bytes."""
        return os.urandom(32)


class SeededGenerator:
    """References and keys as HMAC(seed, use || tag || generation): for tests only, never for people."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def reference(self, tag: bytes, generation: int) -> bytes:
        """16 bytes that depend on seed, tag and generation alone."""
        return self._derive(b"reference", tag, generation)[:16]

    def data_key(self, tag: bytes, generation: int) -> bytes:
        """32 bytes that depend on seed, tag and generation alone."""
        return self._derive(b"data key", tag, generation)

    def _derive(self, use: bytes, tag: bytes, generation: int) -> bytes:
        return hmac.digest(self._seed, use + b"\0" + tag + generation.to_bytes(4, "big"), "sha256")
