"""Reading a store that another process has open gives what its own connection gives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
import pytest

from ansvar.store.client import Store
from ansvar.store.errors import StoreError
from ansvar.store.ledger import LedgerStore
from ansvar.store.remote import Question, RemoteStore, answer
from rows import company_chain
from stores import fill

AWKWARD = ["'", "\\", "'; DROP TABLE ledger; --", "{database}", "{a:UInt8}", "å\n\t\0", ""]


@pytest.fixture
def remote(store: Store) -> RemoteStore:
    return RemoteStore(lambda question: answer(store, question))


def test_every_reading_of_the_ledger(store: Store, remote: RemoteStore) -> None:
    rows = company_chain(0, 40)
    fill(store, rows)
    near, far = LedgerStore(store), LedgerStore(remote)
    assert list(far.rows(0, 0, 40)) == list(near.rows(0, 0, 40)) != []
    assert far.leaves(0, 3) == near.leaves(0, 3)
    assert list(far.recent_events(0, 0, 40)) == list(near.recent_events(0, 0, 40))
    assert far.batch_ranges(0, 0, 40) == near.batch_ranges(0, 0, 40)
    assert far.chains() == [0]


def test_types_survive(store: Store, remote: RemoteStore) -> None:
    sql = (
        "SELECT toUUID('019c0000-0000-7000-8000-000000000004'),"
        " toDateTime64('2026-03-02 12:00:00.25', 3, 'UTC'),"
        " unhex('00ff'), toFixedString('ab', 2), ['a', 'b'], toNullable(1), NULL, toInt64(-5), 1.5"
    )
    assert remote.query(sql) == store.query(sql)
    assert isinstance(remote.query(sql)[0][1], datetime)


@pytest.mark.parametrize("value", AWKWARD)
def test_values_are_bound(remote: RemoteStore, value: str) -> None:
    assert remote.query("SELECT {v:String}", {"v": value}) == [(value,)]


NOT_READING = [
    *("INSERT INTO x SELECT 1", "DROP TABLE {database}.ledger", "", "; SELECT 1", "SELECTED", "SET a = 1"),
    "WITH x AS (SELECT 1 AS a) INSERT INTO {database}.ledger SELECT * FROM x",
    "SELECT 1; TRUNCATE TABLE {database}.ledger",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "SELECT 1 /* */ into outfile '/tmp/x'",
    "SELECT * FROM file('/etc/hostname')",
    "SELECT * FROM  file ('/etc/hostname')",
    "SELECT * FROM url('http://127.0.0.1/')",
    "SELECT * FROM {database}.ledger JOIN file('/etc/hostname') USING chain",
    "SELECT * FROM {database}.ledger, file('/etc/hostname')",
    "SELECT * FROM numbers(1000000000000)",
    "SELECT * FROM system.tables",
    "SELECT * FROM other.ledger",
    "SELECT * FROM `system`.tables",
    "SELECT 1 SETTINGS readonly = 0",
]


@pytest.mark.parametrize("sql", NOT_READING)
def test_only_reading_is_answered(store: Store, sql: str) -> None:
    for form in ("rows", "raw"):
        with pytest.raises(StoreError, match="only reading"):
            answer(store, msgspec.msgpack.encode({"form": form, "sql": sql, "parameters": {}}))


@pytest.mark.parametrize("question", [b"", b"\xc1", b"{}", msgspec.msgpack.encode(["rows"])])
def test_bad_bytes_are_no_question(store: Store, question: bytes) -> None:
    with pytest.raises(StoreError, match="no question"):
        answer(store, question)


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.command("DROP TABLE {database}.ledger"),
        lambda store: store.insert("ledger", ("a",), b"x", token="t"),
    ],
)
def test_nothing_is_changed_from_afar(remote: RemoteStore, change: Callable[[Store], None]) -> None:
    with pytest.raises(StoreError, match="it alone can"):
        change(remote)


def test_a_question_is_frozen() -> None:
    assert msgspec.msgpack.decode(
        msgspec.msgpack.encode(Question("raw", "SELECT 1", {"a": 1})), type=Question
    ) == Question("raw", "SELECT 1", {"a": 1})
