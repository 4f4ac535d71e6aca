"""`ansvar up` and `ansvar worker`: run until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from ansvar.cli.options import DEFAULT_BUNDLE, DEFAULT_DATA_DIR, Bundle, DataDir, console, log_to
from ansvar.directory import DataDirectory

_PATIENCE_SECONDS = 5.0


def up(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the API on 127.0.0.1; 0 takes any free one.")
    ] = 8080,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    bundle: Bundle = DEFAULT_BUNDLE,
) -> None:
    """Run the embedded stack (broker, worker, store, API) until Ctrl-C.

    GET /healthz answers 200 when events are being processed. After a kill the next start goes on where the
    ledger ends, and takes over a broker that was left.

    Example: ansvar up --port 8080
    """
    _run(DataDirectory(data_dir), bundle, port)


def worker(data_dir: DataDir = DEFAULT_DATA_DIR, bundle: Bundle = DEFAULT_BUNDLE) -> None:
    """Run the worker alone until Ctrl-C: consume, judge, record, alert.

    With ANSVAR_KAFKA, ANSVAR_CLICKHOUSE and ANSVAR_VAULT set it uses those servers; what is not set runs
    embedded.

    Example: ANSVAR_KAFKA=kafka-1:9092,kafka-2:9092 ansvar worker
    """
    _run(DataDirectory(data_dir), bundle, None)


def _run(directory: DataDirectory, bundle: Path, port: int | None) -> None:
    try:
        log_to(directory)
        asyncio.run(_until_stopped(directory, bundle, port))
    except KeyboardInterrupt:
        pass  # before our own handling of signals began: nothing runs yet
    console(stderr=True).print("Stopped.")


async def _until_stopped(directory: DataDirectory, bundle: Path, port: int | None) -> None:
    """Run the stack; the first signal ends it, also while it starts. Raises what stopped the worker."""
    stop, up_now = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    running = asyncio.create_task(_stack(directory, bundle, port, stop, up_now))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not running.done():
        console(stderr=True).print("Stopping: the micro-batch in hand is finished first.")
        if not up_now.is_set():
            running.cancel()  # a library may swallow it; then the start is finished, and `stop` is seen
    await asyncio.wait((running,))
    error = None if running.cancelled() else running.exception()
    await _nothing_left(error)
    if error is not None:
        raise error


async def _nothing_left(error: BaseException | None) -> None:
    """End the process here if a task refuses to end: asyncio would wait for it without limit.

    Everything of ours is closed by now; only Faust can still be at it, when its broker is gone.
    """
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if not left:
        return
    for task in left:
        task.cancel()
    _, left = await asyncio.wait(left, timeout=_PATIENCE_SECONDS)
    if left:
        sys.stderr.write(f"ansvar: {error}\n" if error is not None else "Stopped.\n")
        sys.stderr.flush()
        os._exit(0 if error is None else 2)


async def _stack(
    directory: DataDirectory, bundle: Path, port: int | None, stop: asyncio.Event, up_now: asyncio.Event
) -> None:
    from ansvar.embedded.stack import running
    from ansvar.settings import settings

    out = console(stderr=True)
    async with running(directory, settings(), bundle=bundle, port=port, progress=out.print) as stack:
        up_now.set()
        if not stop.is_set():
            where = f"http://127.0.0.1:{stack.port}, " if stack.port is not None else ""
            out.print(
                f"Running: {where}Kafka {stack.kafka.bootstrap}, data in {directory.path}. Ctrl-C stops."
            )
        ends = [asyncio.create_task(event.wait()) for event in (stop, stack.failure.happened)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
    if not stop.is_set() and stack.failure.error is not None:
        raise stack.failure.error


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("up")(up)
    app.command("worker")(worker)
