"""The HTTP interface of a running stack, on loopback: health, metrics, and verification on request.

Invariants: what needs authority takes the stack's bearer token, compared in constant time; what is written
goes through the worker. Questions to the store run in a thread; the store takes one statement at a time, so a
long one delays an append, and never the worker's loop.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import AwareDatetime, BaseModel

from ansvar.accountability.published import PublishedLog
from ansvar.api.log import log_paths, row_paths
from ansvar.emitter.errors import EmitterError
from ansvar.enforcement.errors import EnforcementError
from ansvar.enforcement.health import HealthSource
from ansvar.enforcement.sweep.running import Swept
from ansvar.keyfiles import KeyFileError
from ansvar.policy.verdict import Severity
from ansvar.store.errors import StoreError
from ansvar.vault.errors import VaultError

T = TypeVar("T")
# what the stack cannot answer
_NOT_NOW: Final = (EmitterError, EnforcementError, KeyFileError, StoreError, VaultError)


class SweepRequest(BaseModel):
    """What to sweep as of."""

    as_of: AwareDatetime | None = None
    dry_run: bool = False


def make_api(
    *,
    health: HealthSource,
    registry: CollectorRegistry,
    verify: Callable[[bool, list[str]], dict[str, Any]],
    read: Callable[[bytes], bytes],
    sweep: Callable[[datetime, bool], Awaitable[list[Swept]]],
    violations: Callable[[Severity, int], list[dict[str, Any]]],
    published: Callable[[int], PublishedLog],
    intake_key: Callable[[], bytes],
    token: str,
) -> FastAPI:
    """The application.

    `verify` returns the report that `ansvar verify --json` prints, `read` what the store says to an encoded
    question (`store.remote`), `violations` the rows that wait for an answer, `published` a chain as outsiders
    see it, `intake_key` the signed statement of the current intake key; they block. `sweep` finds what is due
    as of a time and returns when it is recorded.
    """
    api = FastAPI(title="Ansvar", docs_url=None, redoc_url=None)

    def operator(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "this needs the token of the running stack")

    @api.get("/healthz")
    def healthz() -> JSONResponse:
        """200 while events are being processed, else 503 and the reason."""
        now = health.health()
        body = {"processing": now.processing, "reason": now.reason, "partitions": now.partitions}
        return JSONResponse(body, 200 if now.processing else 503)

    @api.get("/metrics")
    def metrics() -> Response:
        """Counters in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @api.get("/v1/verify", dependencies=[Depends(operator)])
    async def verification(
        full: bool = False, anchor: Annotated[list[str] | None, Query()] = None
    ) -> dict[str, Any]:
        """Verify every chain now, also against kept checkpoints in files; 503 when the stack cannot."""
        return await _answered(lambda: verify(full, anchor or []))

    @api.post("/v1/sweeps", dependencies=[Depends(operator)])
    async def sweeps(wanted: SweepRequest) -> list[dict[str, Any]]:
        """Find what is due as of a time, by default now, and record it; the new findings."""
        at = datetime.now(UTC) if wanted.as_of is None else wanted.as_of
        try:
            return [msgspec.to_builtins(one) for one in await sweep(at, wanted.dry_run)]
        except _NOT_NOW as error:
            raise HTTPException(503, str(error)) from error

    @api.post("/v1/store", dependencies=[Depends(operator)], include_in_schema=False)
    async def store(request: Request) -> Response:
        """Reading the store, for the commands of this machine."""
        question = await request.body()
        return Response(await _answered(lambda: read(question)), media_type="application/octet-stream")

    @api.get("/v1/violations", dependencies=[Depends(operator)])
    async def unanswered(
        severity: Severity = "deny", limit: Annotated[int, Query(ge=1, le=10_000)] = 100
    ) -> list[dict[str, Any]]:
        """The newest rows whose findings nobody has answered."""
        return await _answered(lambda: violations(severity, limit))

    @api.get("/v1/intake-key")
    async def current_intake_key() -> Response:
        """The intake key that producers are to seal to, signed by the log: for anyone."""
        return Response(await _answered(intake_key), media_type="application/json")

    api.include_router(log_paths(published, operator))
    api.include_router(row_paths(published, operator))
    return api


async def _answered(question: Callable[[], T]) -> T:
    """Ask in a thread; 503 when the stack cannot answer."""
    try:
        return await asyncio.to_thread(question)
    except _NOT_NOW as error:
        raise HTTPException(503, str(error)) from error
