"""The embedded stack: broker, store, vault, worker and API of one data directory, in one process.

Invariants: one process a data directory (chDB allows no second); the lock dies with the process, so after a
kill the next start goes on. Parts start in order and stop in reverse: the worker finishes its micro-batch
before the store closes, and the broker stops last. With ANSVAR_KAFKA set no broker is started.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import faust
import msgspec
import uvicorn
from msgspec import Struct

from ansvar.api.app import make_api
from ansvar.deployment import Deployment
from ansvar.directory import DataDirectory
from ansvar.embedded.broker import EmbeddedBroker
from ansvar.embedded.errors import EmbeddedError
from ansvar.embedded.filelock import FileLock
from ansvar.emitter.kafka import KafkaSettings, settings_from_environment
from ansvar.enforcement import metrics
from ansvar.enforcement.app import Failure, make_app
from ansvar.enforcement.enforcer import Enforcer
from ansvar.enforcement.health import Health
from ansvar.enforcement.topics import ensure_topics
from ansvar.enforcement.wiring import open_enforcer, open_store, open_vault
from ansvar.initiation import initiate
from ansvar.keyfiles import KeyFileError, read_secret_file, write_secret_file
from ansvar.settings import Settings, external_kafka
from ansvar.store.client import Store
from ansvar.vault.generator import Generator
from ansvar.verifier.report import to_json
from ansvar.verifier.whole import verify_everything

Progress = Callable[[str], None]


class StackRunning(EmbeddedError):
    """Another process of Ansvar's has this data directory."""


class StackNote(Struct, frozen=True):
    """How other commands reach the running stack. A secret file: the token gives the stack's authority."""

    pid: int
    kafka: str
    port: int | None
    token: str


def running_stack(directory: DataDirectory) -> StackNote | None:
    """The note of the stack that runs on a data directory, or None when none does."""
    lock = FileLock(directory.lock)
    if not directory.path.exists() or lock.try_acquire():
        lock.release()
        return None
    with contextlib.suppress(msgspec.MsgspecError, KeyFileError):
        return msgspec.json.decode(read_secret_file(directory.stack), type=StackNote)
    raise StackRunning(f"another process is starting or stopping in {directory.path}; try again")


class Stack(Struct, frozen=True):
    """The running parts, for those who use the stack from inside its process."""

    directory: DataDirectory
    settings: Settings
    kafka: KafkaSettings
    deployment: Deployment
    store: Store
    failure: Failure
    enforcer: Enforcer

    def health(self) -> Health:
        """Whether events are being processed."""
        if self.failure.error is not None:
            return Health(False, str(self.failure.error), 0)
        return self.enforcer.health()


@asynccontextmanager
async def owned(directory: DataDirectory) -> AsyncIterator[None]:
    """Hold the data directory; raises StackRunning when another process has it."""
    directory.make()
    lock = FileLock(directory.lock)
    if not lock.try_acquire():
        raise StackRunning(
            f"{directory.path} is in use by process {lock.owner()}. Stop it, or choose another --data-dir"
        )
    try:
        yield
    finally:
        directory.stack.unlink(missing_ok=True)
        lock.release()


@asynccontextmanager
async def broker(directory: DataDirectory, progress: Progress) -> AsyncIterator[KafkaSettings]:
    """The Kafka to use: the one ANSVAR_KAFKA names, else the embedded broker for as long as this lasts."""
    if external_kafka():
        yield settings_from_environment()
        return
    embedded = EmbeddedBroker(directory.kafka, logs=directory.logs)
    await asyncio.to_thread(embedded.start, progress)
    try:
        yield KafkaSettings(bootstrap=embedded.bootstrap)
    finally:
        await asyncio.to_thread(embedded.stop)


@asynccontextmanager
async def founded(
    directory: DataDirectory, settings: Settings, bundle: Path
) -> AsyncIterator[tuple[Store, Deployment]]:
    """The store, opened, with a deployment in it."""
    store = await asyncio.to_thread(open_store, directory, settings)
    try:
        now = time.time_ns() // 1_000_000
        deployment = await asyncio.to_thread(initiate, directory.keys, store, settings, bundle, now)
        yield store, deployment
    finally:
        await asyncio.to_thread(store.close)


@asynccontextmanager
async def running(
    directory: DataDirectory,
    settings: Settings,
    *,
    bundle: Path,
    port: int | None,
    progress: Progress,
    generator: Generator | None = None,
) -> AsyncIterator[Stack]:
    """Start everything, and stop it on leaving. `port` None: no API. `bundle` counts at the founding only."""
    async with (
        owned(directory),
        broker(directory, progress) as kafka,
        founded(directory, settings, bundle) as (store, deployment),
    ):
        progress("Starting the worker")
        await ensure_topics(
            kafka,
            partitions=deployment.chains,
            events=deployment.topic,
            alerts=settings.alerts_topic,
            deadletter=settings.deadletter_topic,
            verdicts=settings.verdicts_topic,
        )
        failure = Failure()
        async with open_enforcer(
            directory=directory,
            settings=settings,
            kafka=kafka,
            deployment=deployment,
            store=store,
            generator=generator,
        ) as enforcer:
            stack = Stack(directory, settings, kafka, deployment, store, failure, enforcer)
            app = make_app(
                kafka=kafka,
                group=settings.group,
                topic=deployment.topic,
                enforcer=enforcer,
                failure=failure,
            )
            async with _worker(app), _api(stack, port):
                yield stack


@asynccontextmanager
async def _worker(app: faust.App) -> AsyncIterator[None]:
    await app.start()
    try:
        yield
    finally:
        await app.stop()


@asynccontextmanager
async def _api(stack: Stack, port: int | None) -> AsyncIterator[None]:
    token = secrets.token_urlsafe(32)
    note = StackNote(os.getpid(), stack.kafka.bootstrap, port, token)
    if port is None:
        _write_note(stack.directory, note)
        yield
        return

    def verify() -> dict[str, Any]:
        vault = open_vault(stack.directory, stack.settings)
        try:
            return to_json(verify_everything(stack.store, vault))
        finally:
            vault.close()

    api = make_api(health=stack, registry=metrics.REGISTRY, verify=verify, token=token)
    server = _Server(uvicorn.Config(api, host="127.0.0.1", port=port, log_config=None, lifespan="off"))
    server.bind()
    _write_note(stack.directory, note)
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _write_note(directory: DataDirectory, note: StackNote) -> None:
    write_secret_file(directory.stack, msgspec.json.encode(note), replace=True)


class _Server(uvicorn.Server):
    """Uvicorn inside our process: signals stay ours, and a taken port is our error."""

    def bind(self) -> None:
        """Find out whether the port is free before anything else waits for it."""
        try:
            self._socket = self.config.bind_socket()
        except SystemExit:
            raise EmbeddedError(
                f"port {self.config.port} on 127.0.0.1 is in use; choose another with --port"
            ) from None

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leave signals alone: the command that runs the stack stops it."""
        yield

    async def serve(self, sockets: Any = None) -> None:
        """Serve on the socket that was bound."""
        await super().serve([self._socket])
