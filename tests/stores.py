"""A real ClickHouse for tests: chDB in process, a database for every test, the same through HTTP.

chDB keeps one engine and one path in a process. So a module of tests has one, closed at its end, and tests
differ by database. Another module, or another author's test, may then open a path of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from ansvar.ledger.row import Row
from ansvar.store.client import Store, chdb_dsn
from ansvar.store.ledger import LedgerStore
from ansvar.store.migrate import migrate
from rows import sealed

_numbers = itertools.count(1)


def new_database() -> str:
    """A name that no test had before."""
    return f"test_{next(_numbers)}"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DSN of an engine that stays open for a module of tests."""
    dsn = chdb_dsn(tmp_path_factory.mktemp("clickhouse"))
    anchor = Store(dsn)
    yield dsn
    anchor.close()


@pytest.fixture
def new_store(engine: str) -> Iterator[Callable[[], Store]]:
    """Makes migrated databases of their own; all are closed after the test."""
    opened: list[Store] = []

    def make() -> Store:
        store = Store(engine, database=new_database())
        opened.append(store)
        migrate(store, 0)
        return store

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Store:
    """A migrated database of its own."""
    return new_store()


def fill(store: Store, *chains: list[Row]) -> list[list[bytes]]:
    """Append whole chains; returns the stored bytes of each row."""
    ledger = LedgerStore(store)
    stored = [sealed(rows) for rows in chains]
    for rows, blocks in zip(chains, stored, strict=True):
        ledger.append(rows[0].chain, 0, b"".join(blocks))
    return stored
