"""Migrations are applied once, in order, and a database with another history is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansvar.ledger.columns import LEAF_SQL, names
from ansvar.store import migrate as migrate_module
from ansvar.store.client import Store
from ansvar.store.errors import SchemaMismatch
from ansvar.store.ledger import ddl_columns
from ansvar.store.migrate import Migration, migrate, migrations
from stores import new_database

NOW = 1_767_225_600_123


@pytest.fixture
def empty(connect: Callable[[str], Store]) -> Store:
    return connect(new_database())


def test_once(empty: Store) -> None:
    applied = migrate(empty, NOW)
    assert applied == migrations()
    assert migrate(empty, NOW + 1) == []
    remembered = empty.query(
        "SELECT number, name, sha256, toUnixTimestamp64Milli(applied_at) FROM {database}.migrations "
        "ORDER BY number"
    )
    assert remembered == [(m.number, m.name, m.sha256, NOW) for m in applied]


def test_the_files_are_numbered_without_holes() -> None:
    known = migrations()
    assert [m.number for m in known] == list(range(1, len(known) + 1))
    assert all("{database}." in m.sql for m in known)


def test_applied_migrations_are_frozen() -> None:
    """A released migration is never edited: databases remember its hash. Add a new one instead."""
    assert {m.number: m.sha256 for m in migrations()} == {
        1: "c7be5d447dd30d072321439e4fb03665f0ad542142aaf46610fb93dfd1c11e9c",
        2: "27e91797966cb663abd031af7b88a6ee28dc2aad547b20cd773920cbb8705b4e",
        3: "ec44f4fcc36e55d1826660f65c3604bc79a8be7d8c296267a3e8db25675dd063",
    }


def test_only_what_is_new_is_applied(empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(empty, NOW)
    sql = "-- a comment; with a semicolon\nCREATE TABLE {database}.later (a UInt8) ENGINE = Memory;\n"
    sql += "INSERT INTO {database}.later VALUES (7);\n"
    later = Migration(len(migrations()) + 1, "later", sql, "ab" * 32)
    known = [*migrations(), later]
    monkeypatch.setattr(migrate_module, "migrations", lambda: known)
    assert migrate(empty, NOW) == [later]
    assert migrate(empty, NOW) == []
    assert empty.query("SELECT a FROM {database}.later") == [(7,)]
    monkeypatch.undo()
    with pytest.raises(
        SchemaMismatch, match=rf"migration {later.number:04}, which .* does not know\. Upgrade"
    ):
        migrate(empty, NOW)


def test_another_text_is_refused(empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(empty, NOW)
    changed = [Migration(m.number, m.name, m.sql, "00" * 32) for m in migrations()]
    monkeypatch.setattr(migrate_module, "migrations", lambda: changed)
    with pytest.raises(SchemaMismatch, match="migration 0001 was applied with other text"):
        migrate(empty, NOW)


def test_a_migration_that_was_cut_off_is_done_again(empty: Store) -> None:
    migrate(empty, NOW)
    empty.command("DROP TABLE {database}.deployment")
    empty.command("TRUNCATE TABLE {database}.migrations")
    assert migrate(empty, NOW) == migrations()
    assert empty.query("SELECT count() FROM {database}.deployment") == [(0,)]


def test_the_ledger_table_has_the_columns_of_a_row(store: Store) -> None:
    found = store.query(
        "SELECT name, type, default_kind FROM system.columns "
        "WHERE database = {d:String} AND table = 'ledger' ORDER BY position",
        {"d": store.database},
    )
    # types as ClickHouse prints them, enum names and codes included; nothing is made up by a default
    assert found == [(name, sql, "") for name, sql in [*ddl_columns(), ("leaf", LEAF_SQL)]]
    assert [name for name, _ in ddl_columns()] == list(names())


def test_the_ledger_table_keeps_what_it_is_given(store: Store) -> None:
    engine, order, partition, create = store.query(
        "SELECT engine, sorting_key, partition_key, create_table_query FROM system.tables "
        "WHERE database = {d:String} AND name = 'ledger'",
        {"d": store.database},
    )[0]
    assert (engine, order, partition) == ("MergeTree", "chain, seq", "")
    assert "non_replicated_deduplication_window = 10000" in create
    assert "TTL" not in create


def test_migrations_come_with_the_package() -> None:
    import ansvar.store

    directory = Path(ansvar.store.__path__[0], "migrations")
    assert len(list(directory.glob("*.sql"))) == len(migrations())
