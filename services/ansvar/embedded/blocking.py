"""Blocking calls from the loop that are seen through to their end, also when the caller is cancelled.

A thread cannot be cancelled: whoever leaves it running leaves a broker or a store half open.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from ansvar.embedded.errors import EmbeddedError

T = TypeVar("T")


class Abortable:
    """Progress that can end what reports it: a thread cannot be cancelled, but it tells where it is."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._aborted = threading.Event()

    def abort(self) -> None:
        """Let the next report raise EmbeddedError."""
        self._aborted.set()

    def __call__(self, text: str) -> None:
        if self._aborted.is_set():
            raise EmbeddedError("stopped while starting")
        self._progress(text)


async def to_the_end(call: Callable[[], T], abort: Callable[[], None] = lambda: None) -> T:
    """Run a blocking call in a thread; cancellation is passed on when the thread has ended, not before."""
    running = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        abort()
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # nobody is there any more to take it
        raise
