"""The embedded stack: broker, store, vault, worker and API of one data directory, in one process.

Invariants: one process a data directory; after a kill the next start goes on. Parts start in order and stop
in reverse: the worker finishes its micro-batch before the store closes, the broker stops after that. The API
is there from the first moment to the last, and says what the rest is doing. With ANSVAR_KAFKA set no broker
is started. A start may be cancelled at any moment and then leaves nothing running.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from ansvar.accountability.findings import open_findings
from ansvar.accountability.findings import to_json as findings_to_json
from ansvar.accountability.published import PublishedLog
from ansvar.accountability.report import to_json
from ansvar.api.app import make_api
from ansvar.deployment import Deployment
from ansvar.directory import DataDirectory
from ansvar.embedded.blocking import Abortable, to_the_end
from ansvar.embedded.broker import EmbeddedBroker
from ansvar.embedded.checked import self_check, verified
from ansvar.embedded.errors import EmbeddedError
from ansvar.embedded.owning import StackNote, write_note
from ansvar.embedded.owning import StackRunning as StackRunning
from ansvar.embedded.owning import owned as owned
from ansvar.embedded.owning import running_stack as running_stack
from ansvar.embedded.serving import listening, serving
from ansvar.emitter.kafka import KafkaSettings, settings_from_environment
from ansvar.emitter.kit import ProducerKit
from ansvar.enforcement import metrics
from ansvar.enforcement.app import Failure, make_app, running_app
from ansvar.enforcement.enforcer import Enforcer
from ansvar.enforcement.errors import NotRunning
from ansvar.enforcement.health import Health
from ansvar.enforcement.key_keeping import KeyKeeper
from ansvar.enforcement.progressing import Pulse, lag
from ansvar.enforcement.publishing import meanwhile
from ansvar.enforcement.sweep.running import Swept, sweep_and_record
from ansvar.enforcement.wiring import make_topics, open_enforcer, open_reader, open_store
from ansvar.epochs import stated
from ansvar.initiation import CONTROL_PRODUCER, LocalProducer, initiate
from ansvar.policy.verdict import Severity
from ansvar.settings import Settings, external_kafka
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.remote import answer
from ansvar.vault.generator import Generator
from ansvar.vault.keyring import kit_path

Progress = Callable[[str], None]

_BROKER_LOOK_SECONDS = 0.5
_CATCH_UP_SECONDS = 0.1
_ONLY_WORKER = "embedded"


class Stack(Struct, frozen=True):
    """The running parts, for those who use the stack from inside its process."""

    directory: DataDirectory
    settings: Settings
    kafka: KafkaSettings
    deployment: Deployment
    store: Store
    failure: Failure
    enforcer: Enforcer
    pulse: Pulse
    port: int | None  # of the API
    sweeping: asyncio.Lock

    def health(self) -> Health:
        """Whether events are being processed."""
        now = self.enforcer.health()
        wrong = self.pulse.reason if self.failure.error is None else str(self.failure.error)
        return Health(False, wrong, now.partitions) if wrong else now

    def verify(self, full: bool = False, anchors: Sequence[str] = ()) -> dict[str, Any]:
        """Verify every chain; what `ansvar verify --json` prints. `anchors` are paths. Blocks."""
        named = map(Path, anchors)
        return to_json(verified(self.directory, self.settings, self.store, full=full, anchors=named))

    async def caught_up(self, progress: Callable[[str, int, int], None]) -> None:
        """Wait until every record is in the ledger with its effects; raises what stopped the worker."""
        async with open_reader(self.kafka, self.deployment.topic) as reader:
            while True:
                now = await lag(self.enforcer, reader, range(self.deployment.chains))
                progress("judged, sealed and stored", now.done, now.known)
                if now.caught_up:
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.failure.happened.wait(), _CATCH_UP_SECONDS)
                if self.failure.error is not None:
                    raise self.failure.error

    async def sweep(
        self, now: datetime, progress: Callable[[str, int, int], None], *, dry_run: bool = False
    ) -> list[Swept]:
        """Find what is due as of `now` and have the worker record it; see `enforcement.sweep.running`.

        One at a time: who comes second finds what the first has recorded.
        """
        kit = ProducerKit.read(kit_path(self.directory.keys, CONTROL_PRODUCER))
        async with self.sweeping:
            return await sweep_and_record(self.store, kit, self.kafka, now, progress, dry_run=dry_run)

    def violations(self, least: Severity, limit: int) -> list[dict[str, Any]]:
        """The newest rows whose findings nobody has answered."""
        return findings_to_json(open_findings(self.store, least, limit))

    def read(self, question: bytes) -> bytes:
        """What the store says to another process of this machine, see `store.remote`."""
        return answer(self.store, question)


class _Front:
    """What the API shows: the stack while it runs, and what is going on before and after."""

    def __init__(self) -> None:
        self.stack: Stack | None = None
        self.doing = "starting"

    def health(self) -> Health:
        return Health(False, self.doing, 0) if self.stack is None else self.stack.health()

    async def sweep(self, now: datetime, dry_run: bool) -> list[Swept]:
        return await self.running().sweep(now, lambda *_: None, dry_run=dry_run)

    def running(self) -> Stack:
        if self.stack is None:
            raise NotRunning(f"the stack cannot answer now, it is {self.doing}; try again in a moment")
        return self.stack


def named_kafka() -> KafkaSettings | None:
    """The Kafka that ANSVAR_KAFKA names, None for the embedded one; raises KafkaSettingsError."""
    return settings_from_environment() if external_kafka() else None


@asynccontextmanager
async def broker(
    directory: DataDirectory, progress: Progress, failure: Failure | None = None
) -> AsyncIterator[KafkaSettings]:
    """The Kafka to use: the one ANSVAR_KAFKA names, else the embedded broker for as long as this lasts.

    With `failure` given, the embedded broker's unasked end is reported there.
    """
    external = named_kafka()
    if external is not None:
        yield external
        return
    embedded = EmbeddedBroker(directory.kafka, logs=directory.logs)
    told = Abortable(progress)
    try:
        await to_the_end(lambda: embedded.start(told), told.abort)
        async with _watched(embedded, failure):
            yield KafkaSettings(bootstrap=embedded.bootstrap)
    finally:
        await to_the_end(embedded.stop)


@asynccontextmanager
async def _watched(embedded: EmbeddedBroker, failure: Failure | None) -> AsyncIterator[None]:
    async def watch() -> None:
        while embedded.alive:  # noqa: ASYNC110 - a process that another one started sends no event
            await asyncio.sleep(_BROKER_LOOK_SECONDS)
        if failure is not None:
            failure.report(EmbeddedError(f"the Kafka broker ended; see {embedded.log_file} and start again"))

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


@asynccontextmanager
async def founded(
    directory: DataDirectory, settings: Settings, bundle: Path, further: tuple[LocalProducer, ...] = ()
) -> AsyncIterator[tuple[Store, Deployment]]:
    """The store, opened, with a deployment in it."""
    stores: list[Store] = []
    try:
        await to_the_end(lambda: stores.append(open_store(directory, settings)))
        now = time.time_ns() // 1_000_000
        (store,) = stores
        deployment = await to_the_end(lambda: initiate(directory.keys, store, settings, bundle, now, further))
        yield store, deployment
    finally:
        for store in stores:
            await to_the_end(store.close)


@asynccontextmanager
async def running(
    directory: DataDirectory,
    settings: Settings,
    *,
    bundle: Path,
    port: int | None,
    progress: Progress,
    generator: Generator | None = None,
    further: tuple[LocalProducer, ...] = (),
) -> AsyncIterator[Stack]:
    """Start everything, and stop it on leaving.

    `port` None: no API; 0: any free port. `bundle` and `further` producers count at the founding only.
    """
    front = _Front()
    failure = Failure()
    token = secrets.token_urlsafe(32)
    named_kafka()  # what is wrong there is said before anything is made

    def tell(text: str) -> None:
        front.doing = f"starting: {text}"
        progress(text)

    async with contextlib.AsyncExitStack() as parts:
        await parts.enter_async_context(owned(directory))
        if port is not None:
            listener = parts.enter_context(listening(port))
            port = listener.getsockname()[1]
            api = make_api(
                health=front,
                registry=metrics.REGISTRY,
                verify=lambda full, anchors: front.running().verify(full, anchors),
                read=lambda question: front.running().read(question),
                sweep=front.sweep,
                intake_key=lambda: stated(directory.keys),
                published=lambda chain: PublishedLog(front.running().store, chain),
                violations=lambda least, limit: front.running().violations(least, limit),
                token=token,
            )
            await parts.enter_async_context(serving(api, listener))
        store, deployment = await parts.enter_async_context(founded(directory, settings, bundle, further))
        kafka = await parts.enter_async_context(broker(directory, tell, failure))
        tell("Starting the worker")
        await make_topics(kafka, deployment, settings)
        enforcer = await parts.enter_async_context(
            open_enforcer(
                directory=directory,
                settings=settings,
                kafka=kafka,
                deployment=deployment,
                store=store,
                failed=failure.report,
                check=self_check(directory, settings, store),
                generator=generator,
            )
        )
        keeper = KeyKeeper(directory.keys, LedgerStore(store), deployment, kafka)
        await parts.enter_async_context(meanwhile(keeper.run, failure.report))
        reader = await parts.enter_async_context(open_reader(kafka, deployment.topic))
        pulse = Pulse(enforcer, reader)
        beating = asyncio.create_task(pulse.beat())
        parts.callback(beating.cancel)
        app = make_app(
            kafka=kafka,
            group=settings.group,
            topic=deployment.topic,
            enforcer=enforcer,
            failure=failure,
            # on its own broker this is the only worker there can be
            member=None if external_kafka() else _ONLY_WORKER,
        )
        await parts.enter_async_context(running_app(app, enforcer, failure))
        write_note(directory, StackNote(os.getpid(), kafka.bootstrap, port, token))
        stack = front.stack = Stack(
            directory, settings, kafka, deployment, store, failure, enforcer, pulse, port, asyncio.Lock()
        )
        try:
            yield stack
        finally:
            front.stack, front.doing = None, "stopping"
            directory.stack.unlink(missing_ok=True)
