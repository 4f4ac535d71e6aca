"""The demo's witness: a process with keys and a memory of its own, and the policy that asks for it.

Invariants: the witness knows the log's public keys and nothing else of it; it ends when this does. A real one
runs where the log's operator has no say (`ansvar witness`); this one shows how.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ansvar.directory import DataDirectory
from ansvar.embedded.errors import EmbeddedError
from ansvar.embedded.owning import owned
from ansvar.embedded.stack import founded
from ansvar.initiation import LocalProducer, log_signer
from ansvar.ledger.trust import LogEntry, TrustPolicy
from ansvar.settings import Settings

_NAME: Final = "witness.invalid/demo"
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0


@asynccontextmanager
async def witnessed(
    directory: DataDirectory,
    settings: Settings,
    bundle: Path,
    further: tuple[LocalProducer, ...],
    say: Callable[[str], None],
) -> AsyncIterator[Settings]:
    """Run a witness of this data directory's log; yields settings under which it must cosign.

    A witness policy that the settings name already is left as it is. `bundle` and `further` count at the
    founding only. Raises EmbeddedError where the witness does not start.
    """
    if settings.witness_policy is not None:
        yield settings
        return
    async with owned(directory), founded(directory, settings, bundle, further) as (store, deployment):
        signer = log_signer(directory.keys, store, settings, deployment)
        keys = [signer.public(chain)[0] for chain in range(deployment.chains)]
    home = directory.path / "witness"
    home.mkdir(mode=0o700, exist_ok=True)
    logs = home / "logs.policy"
    logs.write_bytes(TrustPolicy(tuple(map(LogEntry, keys)), (), (), "none").encode())
    say("Starting a witness, in a process of its own")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ansvar", "witness", "--logs", str(logs), "--data-dir", str(home)),
        *("--port", "0", "--name", _NAME),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        policy = home / "witness.policy"
        policy.write_bytes(await _policy(process))
        yield settings.model_copy(update={"witness_policy": policy})
    finally:
        await _stop(process)


async def _policy(process: asyncio.subprocess.Process) -> bytes:
    """A policy that asks for both of the witness's cosignatures, from the lines that it prints."""
    if process.stdout is None:
        raise EmbeddedError("the witness was started without a pipe to read its keys from")
    try:
        lines = [await asyncio.wait_for(process.stdout.readline(), _START_SECONDS) for _ in range(2)]
    except TimeoutError:
        lines = []
    if not all(lines) or not lines:
        raise EmbeddedError("the witness did not start; try it by hand: ansvar witness --help")
    names = b" ".join(line.split()[1] for line in lines)
    return b"".join(lines) + b"group both all " + names + b"\nquorum both\n"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
