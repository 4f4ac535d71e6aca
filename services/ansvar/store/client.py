"""One connection to ClickHouse, in process (chDB) or over HTTP, behind one data source name.

Invariants: one statement at a time per Store (chDB allows no more; the HTTP transport is given the same rule,
so both behave alike); values reach SQL only as bound parameters; every error of the driver leaves as a
StoreError. Calls block: callers on an event loop run them in a thread.

Not handled here: what is asked (`ledger`, `catalogue`, `verify`) and how the tables came to be (`migrate`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from ansvar.store.errors import StoreError, StoreUnavailable

Parameters = Mapping[str, Any]
# An insert is atomic, and its token good for all of it, only while it stays one block.
_ONE_BLOCK: Final = {
    "async_insert": "0",  # 26.9 defaults to 1, which joins blocks and loses their tokens
    "max_insert_threads": "1",
    "input_format_parallel_parsing": "0",
    "max_insert_block_size": "1048449",
    "min_insert_block_size_rows": "1048449",  # what is read in pieces is joined up to so many rows,
    "min_insert_block_size_bytes": "0",  # however many bytes (by default it is cut at 256 MiB)
}
_DATABASE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


class Store:
    """A ClickHouse database of Ansvar's. `dsn` is `chdb:///path` or `http(s)://user@host:port`."""

    def __init__(self, dsn: str, *, database: str = "ansvar", password: str | None = None) -> None:
        if not _DATABASE.fullmatch(database):  # it is the one name that is put into SQL as text
            raise StoreError(f"{database!r} is no name of a database: letters, digits and _ only")
        self.dsn = dsn
        self.database = database
        self._lock = threading.Lock()
        self._client = _connect(dsn, password)

    def close(self) -> None:
        """Release the connection; chDB's files are then free for another process."""
        with self._lock:
            self._client.close()

    def command(self, sql: str, parameters: Parameters | None = None) -> None:
        """Run a statement that returns nothing."""
        with self._asking(sql):
            self._client.command(self._named(sql), parameters=dict(parameters or {}))

    def query(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Run a query and return its rows as tuples."""
        with self._asking(sql):
            answer = self._client.query(self._named(sql), parameters=dict(parameters or {}))
            return [tuple(row) for row in answer.result_rows]

    def raw(self, sql: str, parameters: Parameters | None = None) -> bytes:
        """Run a query and return its result as RowBinary bytes."""
        with self._asking(sql):
            answer = self._client.raw_query(
                self._named(sql), parameters=dict(parameters or {}), fmt="RowBinary"
            )
            return bytes(answer)

    def insert(self, table: str, columns: Sequence[str], block: bytes, *, token: str) -> None:
        """Insert one RowBinary block. A block whose token the table has seen is dropped by ClickHouse."""
        with self._asking(f"INSERT INTO {table}"):
            self._client.raw_insert(
                f"{self.database}.{table}",
                column_names=list(columns),
                insert_block=block,
                fmt="RowBinary",
                settings={"insert_deduplication_token": token, **_ONE_BLOCK},
            )

    def _named(self, sql: str) -> str:
        return sql.replace("{database}", self.database)

    @contextmanager
    def _asking(self, sql: str) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except OperationalError as error:
                raise StoreUnavailable(f"ClickHouse did not answer: {_first_line(error)}") from error
            except OSError as error:
                raise StoreUnavailable(f"ClickHouse could not be asked: {_first_line(error)}") from error
            except ClickHouseError as error:
                raise StoreError(f"{' '.join(sql.split())[:60]}…: {_first_line(error)}") from error


def _connect(dsn: str, password: str | None) -> Any:
    scheme = dsn.partition("://")[0]
    try:
        if scheme == "chdb":
            return clickhouse_connect.get_client(interface="chdb", path=str(_chdb_path(dsn)))
        if scheme in ("http", "https"):
            # the driver takes TLS from the port, not from the scheme, unless it is told
            return clickhouse_connect.get_client(
                dsn=dsn, interface=scheme, password=password or "", autogenerate_session_id=False
            )
    except OperationalError as error:
        raise StoreUnavailable(f"ClickHouse at {_place(dsn)}: {_first_line(error)}") from error
    except ClickHouseError as error:
        cause = "another process may hold it (stop that one, or use its local API)"
        reason = f"{cause}: {_first_line(error)}" if scheme == "chdb" else _first_line(error)
        raise StoreError(f"ClickHouse at {_place(dsn)} cannot be opened; {reason}") from error
    except (TypeError, ValueError) as error:  # a port or option that the driver cannot read
        raise StoreError(f"ClickHouse at {_place(dsn)}: {_first_line(error)}") from error
    raise StoreError(f"ClickHouse at {_place(dsn)}: write chdb:///PATH or https://USER@HOST:PORT")


def _chdb_path(dsn: str) -> Path:
    path = Path(dsn.removeprefix("chdb://"))
    if not path.is_absolute() or "?" in dsn:
        raise StoreError(f"{dsn} does not name a directory: write chdb:/// and an absolute path without '?'")
    return Path("/", *path.parts[1:])  # POSIX keeps two leading slashes apart from one


def _place(dsn: str) -> str:
    """The data source name without user, password and options."""
    scheme, _, rest = dsn.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _first_line(error: BaseException) -> str:
    # urllib3 puts the URL with all bound values into its text; what went wrong is in its reason
    error = getattr(error.__cause__, "reason", None) or error
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__


def chdb_dsn(path: Path) -> str:
    """The data source name of an embedded store kept in a directory."""
    return f"chdb:///{path.resolve()}"
