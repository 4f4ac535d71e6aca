"""Asking the running stack: it alone has the embedded store open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansvar.embedded.owning import StackNote

_SECONDS = 3600  # verifying a large ledger takes long


def ask(note: StackNote, path: str) -> Any:
    """What the stack answers to GET `path`, as JSON data. Raises EmbeddedError."""
    return _json(note, _exchange(note, "GET", path, None))


def tell(note: StackNote, path: str, body: Any) -> Any:
    """What the stack answers to POST `path` with a JSON body, as JSON data. Raises EmbeddedError."""
    return _json(note, _exchange(note, "POST", path, json.dumps(body).encode()))


def carry(note: StackNote, question: bytes) -> bytes:
    """Take a question to the stack's store (`store.remote`). Raises EmbeddedError."""
    return _exchange(note, "POST", "/v1/store", question, "application/octet-stream")


def _exchange(
    note: StackNote, method: str, path: str, body: bytes | None, content_type: str = "application/json"
) -> bytes:
    import http.client

    from ansvar.embedded.errors import EmbeddedError

    if note.port is None:
        raise EmbeddedError(
            f"a worker without API (process {note.pid}) has this data directory; stop it first, or run "
            "ansvar up instead of ansvar worker"
        )
    connection = http.client.HTTPConnection("127.0.0.1", note.port, timeout=_SECONDS)
    try:
        headers = {"Authorization": f"Bearer {note.token}", "Content-Type": content_type}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise EmbeddedError(f"the running stack on port {note.port} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise EmbeddedError(f"the running stack answered {answer.status}: {_detail(data)}")
    return data


def _json(note: StackNote, data: bytes) -> Any:
    from ansvar.embedded.errors import EmbeddedError

    try:
        return json.loads(data)
    except ValueError as error:
        raise EmbeddedError(f"the running stack on port {note.port} does not answer: {error}") from error


def _detail(data: bytes) -> object:
    try:
        body = json.loads(data)
    except ValueError:
        return data[:200].decode(errors="replace")
    return body.get("detail", body) if isinstance(body, dict) else body
