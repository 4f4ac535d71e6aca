"""The HTTP read paths of the logs (C2SP tlog-tiles): `/log/<chain>/checkpoint`, `/log/<chain>/tile/...`.

Checkpoints and hash tiles are for anyone; entry bundles, which hold the rows, for auditors.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Path, Response

from ansvar.accountability.published import NotPublished, PublishedLog
from ansvar.enforcement.errors import NotRunning
from ansvar.ledger.canonical import leaf, values
from ansvar.ledger.errors import LedgerError, Malformed
from ansvar.ledger.tiles import parse_path
from ansvar.store.errors import StoreError
from ansvar.verifier.manifest import readable

T = TypeVar("T")
Chain = Annotated[int, Path(ge=0, lt=1 << 32)]
Seq = Annotated[int, Path(ge=0, lt=1 << 63)]
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_FOR_AUDITORS: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
_NOT_LONG: Final = {"Cache-Control": "public, max-age=2"}


def log_paths(published: Callable[[int], PublishedLog], auditor: Callable[..., Any]) -> APIRouter:
    """The paths. `published` opens a chain's log and blocks; `auditor` is the dependency that lets one in."""
    paths = APIRouter(prefix="/log/{chain}", tags=["log"])

    @paths.get("/checkpoint")
    async def checkpoint(chain: Chain) -> Response:
        """The newest published checkpoint: a signed note."""
        note = await _shown(lambda: published(chain).note)
        return Response(note, media_type="text/plain; charset=utf-8", headers=_NOT_LONG)

    @paths.get("/tile/entries/{place:path}", dependencies=[Depends(auditor)])
    async def entries(chain: Chain, place: str) -> Response:
        """An entry bundle: canonical rows, each after its length."""
        bundle = _parsed(f"tile/entries/{place}")
        content = await _shown(lambda: published(chain).entries(bundle))
        return Response(content, media_type="application/octet-stream", headers=_FOR_AUDITORS)

    @paths.get("/tile/{place:path}")
    async def tile(chain: Chain, place: str) -> Response:
        """A tile: up to 256 hashes of 32 bytes."""
        wanted = _parsed(f"tile/{place}")
        content = await _shown(lambda: published(chain).tile(wanted))
        return Response(content, media_type="application/octet-stream", headers=_FOR_EVER)

    return paths


def row_paths(published: Callable[[int], PublishedLog], auditor: Callable[..., Any]) -> APIRouter:
    """One row with its proof, for auditors."""
    paths = APIRouter(prefix="/v1/ledger", tags=["ledger"], dependencies=[Depends(auditor)])

    @paths.get("/{chain}/{seq}")
    async def row(chain: Chain, seq: Seq) -> dict[str, Any]:
        """A row: for reading, as the bytes that are hashed (base64), and its C2SP tlog-proof."""

        def asked() -> tuple[bytes, bytes]:
            log = published(chain)
            return log.entry(seq), log.proof(seq).encode()

        entry, proof = await _shown(asked)
        found, _ = values(entry)
        return {
            "row": json.loads(readable(found, entry[-32:], leaf(entry))),
            "canonical": base64.b64encode(entry).decode(),
            "proof": proof.decode(),
        }

    return paths


def _parsed(path: str) -> Any:
    try:
        return parse_path(path)
    except Malformed as error:
        raise HTTPException(404, str(error)) from error


async def _shown(ask: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(ask)
    except NotPublished as error:
        raise HTTPException(404, str(error)) from error
    except (LedgerError, StoreError, NotRunning) as error:
        raise HTTPException(503, str(error)) from error
