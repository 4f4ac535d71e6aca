"""Asking the running stack: it alone has the embedded store open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansvar.embedded.owning import StackNote

_SECONDS = 3600  # verifying a large ledger takes long


def ask(note: StackNote, path: str) -> Any:
    """What the stack answers to GET `path`, as JSON data. Raises EmbeddedError."""
    import http.client

    from ansvar.embedded.errors import EmbeddedError

    if note.port is None:
        raise EmbeddedError(
            f"a worker without API (process {note.pid}) has this data directory; stop it first, or run "
            "ansvar up instead of ansvar worker"
        )
    connection = http.client.HTTPConnection("127.0.0.1", note.port, timeout=_SECONDS)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {note.token}"})
        answer = connection.getresponse()
        body = json.loads(answer.read())
    except (OSError, ValueError) as error:
        raise EmbeddedError(f"the running stack on port {note.port} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        detail = body.get("detail", body) if isinstance(body, dict) else body
        raise EmbeddedError(f"the running stack answered {answer.status}: {detail}")
    return body
