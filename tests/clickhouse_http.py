"""A small ClickHouse HTTP interface in front of chDB, for the transport of `ansvar.store.client`.

It speaks what clickhouse-connect sends: a statement in the body, parameters and settings in the query string
or a form, `INSERT ... FORMAT RowBinary` followed by its bytes. The engine behind it is the real one. Not a
server: one request at a time, no authentication beyond a fixed user, no compression, no sessions.
"""

from __future__ import annotations

import base64
import re
import sys
import tempfile
import threading
from email import policy
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import chdb

USER: Final = "ansvar"
PASSWORD: Final = "geheim"
_INSERT: Final = re.compile(rb"(INSERT INTO [^\n]*?) FORMAT (\w+)\n", re.DOTALL)
_FORMAT: Final = re.compile(r"\bFORMAT\s+(\w+)\s*$", re.IGNORECASE)
# What a server's HTTP layer takes for itself; the rest of the query string is settings.
_TRANSPORT: Final = frozenset(
    (
        "client_protocol_version",
        "database",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "query",
        "query_id",
        "send_progress_in_http_headers",
        "session_id",
        "wait_end_of_query",
    )
)


class ClickHouseFront:
    """The server, from construction to `close`. `refuse` makes it answer 503 without asking the engine."""

    def __init__(self, path: str) -> None:
        self.refuse = False
        self.asked: list[str] = []
        self._connection = chdb.connect(path)  # type: ignore[no-untyped-call] # publishes no types
        self._applied: dict[str, str] = {}
        self._lock = threading.Lock()
        front = self

        class Handler(_Handler):
            server_front = front

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop answering and release the engine; connections that are kept alive get 503."""
        self.refuse = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._lock:
            self._connection.close()

    def answer(self, statement: bytes, options: dict[str, str]) -> tuple[bytes, str | None]:
        """Run one statement; returns the result and the format it has, None where there is no result."""
        parameters = {name[6:]: value for name, value in options.items() if name.startswith("param_")}
        settings = {k: v for k, v in options.items() if k not in _TRANSPORT and not k.startswith("param_")}
        with self._lock:
            self.asked.append(statement[:200].decode(errors="replace"))
            self._apply(settings)
            return self._run(statement, parameters)

    def _apply(self, settings: dict[str, str]) -> None:
        """Set what this request sets and the one before did not, and undo the rest of that one."""
        for name in self._applied.keys() - settings.keys():
            self._connection.query(f"SET {name} = DEFAULT", "TabSeparated")
        for name, value in settings.items() - self._applied.items():
            self._connection.query(f"SET {name} = '{value}'", "TabSeparated")
        self._applied = settings

    def _run(self, statement: bytes, parameters: dict[str, Any]) -> tuple[bytes, str | None]:
        insert = _INSERT.match(statement)
        if insert:
            with tempfile.TemporaryDirectory() as directory:
                block = Path(directory, "block")
                block.write_bytes(statement[insert.end() :])
                self._connection.query(
                    f"{insert[1].decode()} FROM INFILE '{block}' FORMAT {insert[2].decode()}", "TabSeparated"
                )
            return b"", None
        sql = statement.decode()
        given = _FORMAT.search(sql)
        if given:
            return self._connection.query(sql, given[1], params=parameters).bytes() or b"", given[1]
        named = self._connection.query(sql, "TabSeparatedWithNames", params=parameters).bytes() or b""
        return named.partition(b"\n")[2], "TabSeparated" if named else None


def _fields(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a form (RFC 7578), by name."""
    form = BytesParser(policy=policy.HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    return {
        str(part.get_param("name", header="Content-Disposition")): part.get_content().rstrip("\r\n")
        for part in form.iter_parts()
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # typeshed names more types


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_front: ClickHouseFront

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        options = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        content_type = self.headers.get("Content-Type", "")
        if content_type.startswith("multipart/form-data"):  # so come parameters too long for a URL
            options |= _fields(content_type, body)
            body = b""
        statement = options.get("query", "").encode() + body
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.server_front.refuse:
            self._reply(503, b"busy")
        elif self.headers.get("Authorization") != expected:
            self._reply(403, b"Code: 516. DB::Exception: Authentication failed", code="516")
        else:
            try:
                data, form = self.server_front.answer(statement, options)
            except RuntimeError as error:  # what chDB raises for an error of the engine
                code = re.search(r"Code: (\d+)", str(error))
                self._reply(500, str(error).encode(), code=code[1] if code else "1")
            else:
                self._reply(200, data, form=form)

    do_GET = do_POST  # noqa: N815 - the name that http.server looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the method it replaces
        """Say nothing."""

    def _reply(self, status: int, data: bytes, *, form: str | None = None, code: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if form is not None:
            self.send_header("X-ClickHouse-Format", form)
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.end_headers()
        self.wfile.write(data)
