"""The witness's HTTP server: what is no proper request gets a status or an end, never a thread."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ansvar.ledger.witness_protocol import MAX_REQUEST, SIZE_TYPE, origin_hash
from ansvar.verifier import witness_http
from ansvar.verifier.witness import Witness
from ansvar.verifier.witness_http import WitnessServer
from ansvar.verifier.witness_store import WitnessError, WitnessStore
from small_logs import ORIGIN, SmallLog, witness_keys

LOG = SmallLog()
GOOD = LOG.request(0, 5)
LONG = 600.0  # seconds: longer than any test


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WitnessStore]:
    with closing(WitnessStore(tmp_path / "witness.db")) as store:
        yield store


@pytest.fixture
def server(store: WitnessStore, request: pytest.FixtureRequest) -> Iterator[WitnessServer]:
    seconds = getattr(request, "param", LONG)
    server = WitnessServer(Witness(store, witness_keys(), LOG.keys), "127.0.0.1", 0, seconds=seconds)
    with server.serving():
        yield server


def connected(server: WitnessServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)


def asked(server: WitnessServer, method: str, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
    with closing(connected(server)) as connection:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()


def raw(server: WitnessServer, sent: bytes, *, more: bool = False) -> bytes:
    """All that comes back until the server closes; `more` says that the client does not end its half."""
    address = ("127.0.0.1", server.server_address[1])
    received = bytearray()
    with socket.create_connection(address, timeout=60) as connection, suppress(ConnectionResetError):
        connection.sendall(sent)
        if not more:
            connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65536):
            received += data
    return bytes(received)


def test_a_connection_stays_open_for_the_next_request(server: WitnessServer) -> None:
    with closing(connected(server)) as connection:
        for body, status in ((GOOD, 200), (GOOD, 409), (LOG.request(5, 6), 200), (b"nonsense", 400)):
            connection.request("POST", "/add-checkpoint", body)
            opened = connection.sock
            answer = connection.getresponse()
            assert answer.status == status
            assert answer.read().endswith(b"\n")
            assert connection.sock is opened


def test_the_newest_checkpoint_is_published(server: WitnessServer) -> None:
    path = f"/{origin_hash(ORIGIN)}/checkpoint"
    assert asked(server, "GET", path)[0] == 404
    assert asked(server, "POST", "/add-checkpoint", GOOD)[0] == 200
    status, kind, body = asked(server, "GET", path)
    assert (status, kind) == (200, "text/plain; charset=utf-8")
    assert body.startswith(LOG.checkpoint(5).text().encode())
    assert asked(server, "GET", path.upper())[0] == 404


def test_a_conflict_has_its_own_type(server: WitnessServer) -> None:
    asked(server, "POST", "/add-checkpoint", GOOD)
    assert asked(server, "POST", "/add-checkpoint", LOG.request(4, 6)) == (409, SIZE_TYPE, b"5\n")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/../witness.db", 404),
        ("GET", "/add-checkpoint", 404),
        ("POST", "/", 404),
        ("POST", "/add-checkpoint/", 404),
        ("PUT", "/add-checkpoint", 501),
        ("DELETE", "/add-checkpoint", 501),
    ],
)
def test_there_is_nothing_else(server: WitnessServer, method: str, path: str, status: int) -> None:
    got, kind, body = asked(server, method, path, GOOD if method == "POST" else None)
    assert (got, kind) == (status, "text/plain; charset=utf-8")
    assert body.endswith(b"\n")


@pytest.mark.parametrize("size", [MAX_REQUEST + 1, 3 * MAX_REQUEST])
def test_a_body_too_long_is_400(server: WitnessServer, size: int) -> None:
    status, _, body = asked(server, "POST", "/add-checkpoint", b"x" * size)
    assert (status, body) == (400, f"a body of more than {MAX_REQUEST} bytes\n".encode())


HEAD = b"POST /add-checkpoint HTTP/1.1\r\nHost: witness\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD + b"\r\n", b"411"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nold 0\r\n0\r\n\r\n", b"411"),
        (HEAD + b"Content-Length: -1\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: 5x\r\n\r\nold 0", b"400"),
        (HEAD + b"Content-Length: \xb2\r\n\r\nold 0", b"400"),
        (HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nold 0", b"400"),
        (HEAD + b"Content-Length: 999999999999999999\r\n\r\nold 0", b"400"),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nold 0", b"400"),
        (HEAD + b"Content-Length: 500\r\n\r\nold 0", b"400"),
        (b"\x16\x03\x01 hello\r\n\r\n", b"Bad HTTP/0.9 request"),  # whose answers have no status
        (b"GET / HTTP/9.9\r\n\r\n", b"Invalid HTTP version"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (HEAD + b"X: y\r\n" * 12_000 + b"\r\n", b"431"),  # a library raises Python's limit of 100
    ],
)
def test_a_broken_request_is_told_so(server: WitnessServer, sent: bytes, status: bytes) -> None:
    answer = raw(server, sent)
    assert status in answer.split(b"\n")[0]
    assert b"Traceback" not in answer
    assert asked(server, "POST", "/add-checkpoint", GOOD)[0] == 200


@pytest.mark.parametrize("server", [0.2], indirect=True)
@pytest.mark.parametrize("sent", [b"", b"POST /add", HEAD, HEAD + b"X-Slow: "])
def test_a_client_that_stops_before_the_body_is_left(server: WitnessServer, sent: bytes) -> None:
    assert raw(server, sent, more=True) == b""


@pytest.mark.parametrize("server", [0.2], indirect=True)
def test_a_client_that_stops_within_the_body_is_told_so(server: WitnessServer) -> None:
    answer = raw(server, HEAD + b"Content-Length: 500\r\n\r\nold 0", more=True)
    assert b" 408 " in answer.split(b"\n")[0]


@pytest.mark.parametrize("server", [0.3], indirect=True)
def test_a_client_that_sends_a_byte_now_and_then_is_cut_off_too(server: WitnessServer) -> None:
    """Each byte comes in time; it is the whole that does not."""
    stopped = threading.Event()
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=60) as connection:
        connection.sendall(HEAD)

        def drip() -> None:
            with suppress(OSError):  # when it is cut off
                while not stopped.wait(0.05):
                    connection.sendall(b"X")

        dripping = threading.Thread(target=drip)
        dripping.start()
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""
        stopped.set()
        dripping.join()


def test_one_connection_too_many_is_closed(store: WitnessStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_http, "MAX_CONNECTIONS", 1)
    server = WitnessServer(Witness(store, witness_keys(), LOG.keys), "127.0.0.1", 0, seconds=LONG)
    with server.serving():
        with closing(connected(server)) as first:
            first.request("POST", "/add-checkpoint", GOOD)
            assert first.getresponse().status == 200
            assert raw(server, b"", more=True) == b""
        while asked_or_closed(server) is None:
            pass  # the first one's place is free as soon as its thread has ended


def asked_or_closed(server: WitnessServer) -> int | None:
    try:
        return asked(server, "POST", "/add-checkpoint", GOOD)[0]
    except (http.client.HTTPException, OSError):
        return None


def test_a_failing_store_is_503(
    server: WitnessServer, store: WitnessStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.close()
    assert asked(server, "POST", "/add-checkpoint", GOOD)[0] == 503
    assert "store" in caplog.text
    assert ORIGIN not in caplog.text


def test_nothing_of_a_request_is_logged(server: WitnessServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    asked(server, "GET", "/anna.svensson")
    raw(server, b"anna.svensson\r\n\r\n")
    assert caplog.text == ""


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("192.0.2.1", 0), ("no.invalid", 0)])
def test_an_address_that_cannot_be_had_is_one_error(store: WitnessStore, host: str, port: int) -> None:
    with pytest.raises(WitnessError, match="cannot listen"):
        WitnessServer(Witness(store, witness_keys(), LOG.keys), host, port)


def test_a_port_in_use_is_one_error(server: WitnessServer) -> None:
    with pytest.raises(WitnessError, match="cannot listen"):
        WitnessServer(server.witness, "127.0.0.1", server.server_address[1])


def test_the_url_of_an_ipv6_address_has_brackets(store: WitnessStore) -> None:
    if not socket.has_ipv6:
        pytest.skip("Python was built without IPv6")
    server = WitnessServer(Witness(store, witness_keys(), LOG.keys), "::1", 0)
    with server.serving():
        assert server.url.startswith("http://[::1]:")
