"""Every store and vault that Ansvar may be given: chDB and ClickHouse over HTTP; SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import vaults
from ansvar.store.client import Store
from ansvar.store.migrate import migrate
from clickhouse_http import PASSWORD, USER, ClickHouseFront
from postgres import PostgreSQL, server
from stores import engine as engine
from stores import new_database


@pytest.fixture(scope="module")
def front(engine: str) -> Iterator[ClickHouseFront]:
    """ClickHouse's HTTP interface over the module's engine."""
    front = ClickHouseFront(engine.removeprefix("chdb:///"))
    yield front
    front.close()


@pytest.fixture(params=["chdb", "http"])
def connect(request: pytest.FixtureRequest, engine: str) -> Iterator[Callable[[str], Store]]:
    """Opens a database by name over each transport; all are closed after the test."""
    opened: list[Store] = []

    def open_one(database: str) -> Store:
        if request.param == "chdb":
            store = Store(engine, database=database)
        else:
            front: ClickHouseFront = request.getfixturevalue("front")
            store = Store(f"http://{USER}@{front.address}", database=database, password=PASSWORD)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(connect: Callable[[str], Store]) -> Store:
    """A migrated database of its own."""
    store = connect(new_database())
    migrate(store, 0)
    return store


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server for the run; a test without one is skipped."""
    with server() as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[vaults.Place]:
    """Where one vault lies: opened as often as a test asks, closed after it."""
    if request.param == "sqlite":
        place = vaults.Place(tmp_path / "vault.db", tmp_path / "keys")
    else:
        postgresql: PostgreSQL = request.getfixturevalue("postgresql")
        place = vaults.Place(postgresql.url(postgresql.new_database()), tmp_path / "keys")
    yield place
    place.close()
