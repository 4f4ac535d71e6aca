"""The witness over HTTP/1.1: POST /add-checkpoint, GET /<origin hash>/checkpoint.

Of the standard library, not FastAPI: who runs a witness for others then needs nothing but `cryptography`.

Invariants: a request is read within `seconds` or its connection ends; a body is no longer than the protocol
allows; at most so many connections are served at once, and one more is closed. Nothing of a request is
logged. TLS and limits per client are left to a proxy in front.
"""

from __future__ import annotations

import io
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final

from ansvar.ledger.witness_protocol import MAX_REQUEST
from ansvar.verifier.witness import Answer, Witness
from ansvar.verifier.witness_store import WitnessError

REQUEST_SECONDS: Final = 10.0  # from the end of the answer before it to the end of its body
MAX_CONNECTIONS: Final = 128

_DISCARDED: Final = 4 * MAX_REQUEST  # bytes of a body too long that are read, so that its sender sees why
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_PUBLISHED: Final = re.compile(r"/([0-9a-f]{64})/checkpoint")

_log = logging.getLogger(__name__)


class WitnessServer(ThreadingHTTPServer):
    """Serves a witness on an address; port 0 takes any free one. Raises WitnessError if it cannot listen."""

    daemon_threads = True  # an idle connection must not keep the process from ending

    def __init__(self, witness: Witness, host: str, port: int, *, seconds: float = REQUEST_SECONDS) -> None:
        self.witness = witness
        self.seconds = seconds
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise WitnessError(f"cannot listen on {host}, port {port}: {error}; choose another") from error

    @property
    def url(self) -> str:
        """The submission and monitoring prefix."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve in threads of its own until the block ends."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    def server_bind(self) -> None:
        """Bind without asking DNS for our name, which HTTPServer does and nobody needs."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread if there is a place for one."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error; anything else is a fault of ours."""
        if not isinstance(sys.exception(), OSError):
            _log.exception("a request could not be answered")


class _Timed(io.RawIOBase):
    """What a socket sends until a deadline that the handler moves."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._source.settimeout(left)
        return self._source.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open, as tlog-witness asks
    server_version = "ansvar-witness"
    sys_version = ""
    error_message_format = "%(message)s\n"
    error_content_type = "text/plain; charset=utf-8"
    disable_nagle_algorithm = True
    server: WitnessServer

    def setup(self) -> None:
        super().setup()
        self._source = _Timed(self.connection)
        self.rfile = io.BufferedReader(self._source)

    def handle_one_request(self) -> None:
        self._source.deadline = time.monotonic() + self.server.seconds
        super().handle_one_request()

    def do_POST(self) -> None:
        body = self._body()
        if isinstance(body, Answer):
            self.close_connection = True  # the rest of the body may still come
            self._answer(body)
        elif self.path != "/add-checkpoint":
            self._answer(Answer(404, b"the one call here is POST /add-checkpoint\n"))
        else:
            self._answer(self._asked(lambda: self.server.witness.add_checkpoint(body, int(time.time()))))

    def do_GET(self) -> None:
        if "content-length" in self.headers or "transfer-encoding" in self.headers:
            self.close_connection = True  # its body would be taken for the next request
        if found := _PUBLISHED.fullmatch(self.path):
            self._answer(self._asked(lambda: self.server.witness.published(found[1])))
        else:
            self._answer(Answer(404, b"there is only /<SHA-256 of an origin, in hex>/checkpoint\n"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Requests are not logged: an address can be a person's."""

    def _body(self) -> bytes | Answer:
        """The request's body, or the answer to one that is not to be had."""
        lengths = self.headers.get_all("content-length", [])
        if "transfer-encoding" in self.headers or not lengths:
            return Answer(411, b"send the body with its Content-Length\n")
        if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
            return Answer(400, b"the Content-Length is not a number\n")
        length = int(lengths[0])
        try:
            body = self.rfile.read(min(length, _DISCARDED))
        except TimeoutError:
            return Answer(408, b"the body did not come in time\n")
        if length > MAX_REQUEST:
            return Answer(400, f"a body of more than {MAX_REQUEST} bytes\n".encode())
        if len(body) < length:
            return Answer(400, b"the body is shorter than its Content-Length\n")
        return body

    def _asked(self, question: Callable[[], Answer]) -> Answer:
        """What the witness answers, or 503 while its store fails."""
        try:
            return question()
        except WitnessError as error:
            _log.error("%s", error)
            return Answer(503, b"the witness cannot answer now\n")

    def _answer(self, answer: Answer) -> None:
        self.connection.settimeout(self.server.seconds)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)
