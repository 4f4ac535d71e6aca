"""A store's connection: the same answers and the same errors over every transport."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ansvar.store.client import Store, chdb_dsn
from ansvar.store.errors import StoreError, StoreUnavailable
from ansvar.store.ledger import MAX_BLOCK_ROWS, LedgerStore
from ansvar.store.migrate import migrate
from clickhouse_http import PASSWORD, USER, ClickHouseFront
from rows import company_chain, sealed
from stores import new_database

AWKWARD = ["'", "\\", "'; DROP TABLE ledger; --", "{database}", "{a:UInt8}", "%s", "å\n\t\0", "\\'", ""]


@pytest.mark.parametrize("value", AWKWARD)
def test_values_are_bound_and_never_text(store: Store, value: str) -> None:
    assert store.query("SELECT {v:String}", {"v": value}) == [(value,)]
    raw = value.encode()
    assert store.raw("SELECT {v:String}", {"v": value}) == bytes((len(raw),)) + raw
    found = LedgerStore(store).rows_of_kind(0, [], 0, 10)
    assert found == []


def test_a_kind_that_is_sql(store: Store) -> None:
    LedgerStore(store).append(0, 0, b"".join(sealed(company_chain(0, 5))))
    try:
        found = LedgerStore(store).rows_of_kind(0, ["x') OR ('' = '"], 0, 10)
    except StoreError:
        found = []  # not a name of the enum: refused or simply not found, never run
    assert found == []


@pytest.mark.parametrize("name", ["", "a b", "a`b", "a.b", "1a", "a;", "å", "a" * 101, "x\n"])
def test_a_database_has_a_plain_name(name: str) -> None:
    with pytest.raises(StoreError, match="is no name of a database"):
        Store("http://localhost:1", database=name)


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.query("SELECT nothing_like_it"),
        lambda store: store.raw("SELECT nothing_like_it"),
        lambda store: store.command("DROP TABLE {database}.nothing_like_it"),
        lambda store: store.insert("nothing_like_it", ("a",), b"x", token="t"),
        lambda store: store.query("SELECT {a:UInt8}", {"a": -1}),
        lambda store: store.query("SELECT {a:UInt8}"),
    ],
)
def test_what_the_engine_refuses(store: Store, ask: Callable[[Store], object]) -> None:
    with pytest.raises(StoreError) as caught:
        ask(store)
    assert not isinstance(caught.value, StoreUnavailable)
    assert "\n" not in str(caught.value)
    assert store.query("SELECT 1") == [(1,)]


def test_threads_take_turns(store: Store) -> None:
    found: list[object] = []

    def ask(number: int) -> None:
        for _ in range(5):
            found.extend(store.query("SELECT {n:UInt32} FROM numbers(3)", {"n": number}))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted((number,) for number in range(6) for _ in range(15))  # type: ignore[type-var] # tuples of ints


def test_an_insert_is_one_block_of_its_own(store: Store) -> None:
    """As many rows as an append may have, more than ClickHouse joins unasked: one part, and so one token."""
    store.command("SYSTEM STOP MERGES {database}.ledger")
    LedgerStore(store).append(0, 0, b"".join(sealed(company_chain(0, 100))) * (MAX_BLOCK_ROWS // 100))
    parts = store.query(
        "SELECT sum(rows) FROM system.parts WHERE database = {d:String} AND table = 'ledger' GROUP BY name",
        {"d": store.database},
    )
    assert parts == [(MAX_BLOCK_ROWS,)]


def test_closed(connect: Callable[[str], Store]) -> None:
    store = connect(new_database())
    store.close()
    store.close()
    if store.dsn.startswith("chdb"):
        with pytest.raises(StoreError, match="closed"):
            store.query("SELECT 1")


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        ("", "write chdb:///PATH or https://USER@HOST:PORT"),
        ("garbage", "write chdb:///PATH"),
        ("ftp://u:geheim@x", "write chdb:///PATH"),
        ("localhost:8123", "write chdb:///PATH"),
        ("chdb://", "absolute path"),
        ("chdb://relative", "absolute path"),
        ("chdb:///a?b", "absolute path"),
        ("http://u:geheim@localhost:99999", "ort"),
        ("http://u:geheim@localhost:eight", "ort"),
        ("http://u:geheim@localhost:1?nothing=geheim", "nothing"),
        ("http://u:geheim@localhost:1?send_receive_timeout=soon", "send_receive_timeout"),
    ],
)
def test_what_is_no_data_source_name(dsn: str, message: str) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        Store(dsn)
    assert "geheim" not in str(caught.value)
    assert not isinstance(caught.value, StoreUnavailable)


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_nobody_answers() -> None:
    with pytest.raises(StoreUnavailable, match="refused") as caught:
        Store(f"http://u:geheim@127.0.0.1:{closed_port()}")
    assert "geheim" not in str(caught.value)


def test_https_is_https_on_any_port(front: ClickHouseFront) -> None:
    """The front speaks plain HTTP, so a handshake must fail; nothing may be sent in the clear."""
    before = len(front.asked)
    with pytest.raises(StoreUnavailable, match=r"(?i)ssl"):
        Store(f"https://{USER}@{front.address}", password=PASSWORD)
    assert len(front.asked) == before


def test_a_wrong_password(front: ClickHouseFront) -> None:
    for password in ("guess", None):
        with pytest.raises(StoreError, match="Authentication failed") as caught:
            Store(f"http://{USER}@{front.address}", password=password)
        assert not isinstance(caught.value, StoreUnavailable)
        assert "guess" not in str(caught.value)


def test_a_server_that_is_busy_and_then_gone(engine: str) -> None:
    front = ClickHouseFront(engine.removeprefix("chdb:///"))
    store = Store(f"http://{USER}@{front.address}", database=new_database(), password=PASSWORD)
    ledger = LedgerStore(store)
    migrate(store, 0)
    block = b"".join(sealed(company_chain(0, 5)))

    def everything_fails() -> None:
        for ask in (
            lambda: ledger.append(0, 0, block),
            lambda: ledger.head(0),
            lambda: ledger.chains(),
            lambda: store.command("SELECT 1"),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                ask()
            assert PASSWORD not in str(caught.value)
            assert "param_" not in str(caught.value)

    front.refuse = True
    everything_fails()
    front.refuse = False
    ledger.append(0, 0, block)
    assert ledger.last_seq(0) == 4
    front.close()
    everything_fails()
    store.close()


def test_a_directory_with_awkward_signs_is_that_directory(engine: str, tmp_path: Path) -> None:
    """In a process of its own, for this one has its engine."""
    path = tmp_path / "a #b%20c å"
    program = (
        "import sys; from pathlib import Path; from ansvar.store.client import Store, chdb_dsn\n"
        "store = Store(chdb_dsn(Path(sys.argv[1]))); store.command('CREATE DATABASE here'); store.close()"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    assert (path / "metadata").is_dir() or any(path.iterdir())


def test_a_path_that_another_process_holds(engine: str, tmp_path: Path) -> None:
    program = (
        "import sys; from ansvar.store.client import Store\n"
        "from ansvar.store.errors import StoreError, StoreUnavailable\n"
        "try:\n    Store(sys.argv[1])\n"
        "except StoreError as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, engine], capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr  # the engine itself may say a line
    assert done.stdout.startswith("StoreError ClickHouse at chdb:///")
    assert "another process may hold it (stop that one, or use its local API)" in done.stdout


def test_a_disk_that_takes_nothing(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """chDB gets a block through a temporary file; where that fails the same append may succeed later."""
    store = Store(engine, database=new_database())
    migrate(store, 0)
    block = b"".join(sealed(company_chain(0, 5)))
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", "/nothing/here")
        with pytest.raises(StoreUnavailable, match="could not be asked"):
            LedgerStore(store).append(0, 0, block)
    LedgerStore(store).append(0, 0, block)
    assert LedgerStore(store).last_seq(0) == 4
    store.close()


def test_a_path_that_cannot_be_made(engine: str) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(chdb_dsn(Path("/proc/nothing/here")))
