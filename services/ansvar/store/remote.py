"""A store read through the process that has it open: chDB lets one process in, and others have questions.

Invariants: nothing is written past the process that has the store: one statement, that begins with SELECT
or WITH, holds none of the words by which a statement writes, and reads tables of our database only; any other
is refused where it would run. Values travel as MessagePack, RowBinary as it is. Who may ask is the carrier's
matter (the running stack's API takes its bearer token, which has its owner's authority).

Not handled here: carrying (`cli.asking`, `api.app`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from ansvar.store.client import Parameters, Store
from ansvar.store.errors import StoreError

_READS: Final = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)
# Words and marks that no question of ours has; values are bound, so none can bring them in.
_MORE: Final = re.compile(
    r";|--|/\*|#|\b(INSERT|INTO|OUTFILE|SETTINGS|ALTER|SET|file|url|numbers|remote|executable)\b",
    re.IGNORECASE,
)
# What is read: a table of ours, a subquery, or a name that WITH has given.
_SOURCE: Final = re.compile(r"\b(?:FROM|JOIN)\s++(?!\(|\{database\}\.\w+|\w+\b(?!\s*[.(]))", re.IGNORECASE)
_UUID, _TIME = 1, 2  # MessagePack extension types of ours


class Question(Struct, frozen=True):
    """One statement; `form` is how the answer comes: typed rows, or RowBinary bytes."""

    form: Literal["rows", "raw"]
    sql: str
    parameters: dict[str, Any]


def answer(store: Store, question: bytes) -> bytes:
    """What a store says to an encoded Question. Raises StoreError, also for what only looks like one."""
    try:
        asked = msgspec.msgpack.decode(question, type=Question)
    except msgspec.MsgspecError as error:
        raise StoreError(f"no question to the store: {error}") from error
    if not _READS.match(asked.sql) or _MORE.search(asked.sql) or _SOURCE.search(asked.sql):
        raise StoreError("only reading Ansvar's own tables is possible through a running stack")
    if asked.form == "raw":
        return store.raw(asked.sql, asked.parameters)
    rows = store.query(asked.sql, asked.parameters)
    return msgspec.msgpack.encode([[_packed(value) for value in row] for row in rows])


class RemoteStore(Store):
    """The store of another process. `carry` takes an encoded Question there and brings the answer back."""

    def __init__(self, carry: Callable[[bytes], bytes]) -> None:
        self._carry = carry

    def close(self) -> None:
        """Nothing is held open."""

    def command(self, sql: str, parameters: Parameters | None = None) -> None:
        """Raises StoreError: another process's store is only read."""
        raise StoreError("the running stack has the store; it alone can change it")

    def query(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """As `Store.query`."""
        rows = msgspec.msgpack.decode(self._ask("rows", sql, parameters), ext_hook=_unpacked)
        return [tuple(row) for row in rows]

    def raw(self, sql: str, parameters: Parameters | None = None) -> bytes:
        """As `Store.raw`."""
        return self._ask("raw", sql, parameters)

    def insert(self, table: str, *_: object, **__: object) -> None:
        """Raises StoreError: another process's store is only read."""
        raise StoreError(f"the running stack has the store; it alone can add to {table}")

    def _ask(self, form: Literal["rows", "raw"], sql: str, parameters: Parameters | None) -> bytes:
        return self._carry(msgspec.msgpack.encode(Question(form, sql, dict(parameters or {}))))


def _packed(value: Any) -> Any:
    """A value of a row, with what MessagePack does not tell from text or bytes under a type of its own."""
    if isinstance(value, UUID):
        return msgspec.msgpack.Ext(_UUID, value.bytes)
    if isinstance(value, datetime):
        return msgspec.msgpack.Ext(_TIME, value.isoformat().encode())
    return value


def _unpacked(code: int, data: memoryview) -> Any:
    return UUID(bytes=bytes(data)) if code == _UUID else datetime.fromisoformat(bytes(data).decode())
