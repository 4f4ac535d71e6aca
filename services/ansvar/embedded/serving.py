"""The API's server inside the stack's process: its port is taken first, its signals stay ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from ansvar.embedded.errors import EmbeddedError
from ansvar.embedded.ports import LOOPBACK

_GRACE_SECONDS = 3  # for requests in hand when the server stops


class PortInUse(EmbeddedError):
    """The port that the API was to have belongs to somebody else."""


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """A listening socket on 127.0.0.1; port 0 takes any free one. Raises PortInUse."""
    try:
        listener = socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise PortInUse(
            f"port {port} on {LOOPBACK} cannot be used ({os.strerror(error.errno or 0)}); "
            "choose another with --port"
        ) from error
    with listener:
        yield listener


@asynccontextmanager
async def serving(api: FastAPI, listener: socket.socket) -> AsyncIterator[None]:
    """Serve the API on a listening socket."""
    config = uvicorn.Config(
        api,
        log_config=None,
        access_log=False,  # a probe every second would be most of the log
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ws="none",
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await running


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leave signals alone: the command that runs the stack stops it."""
        yield
