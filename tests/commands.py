"""The command `ansvar` for tests, in processes of its own.

Everything here is waited for by condition and ended by id, whatever a test does.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ansvar import Event
from ansvar.embedded.java import find_orphan
from ansvar.events import to_json
from workers import DEADLINE, POLL

COMMAND = Path(sys.executable).parent / "ansvar"


def wait_until(
    condition: Callable[[], Any], what: str, seconds: float = DEADLINE, *, poll: float = POLL
) -> Any:
    """`until` for tests without a loop."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(poll)
    return found


def environment(**changes: str) -> dict[str, str]:
    """The environment without settings of ours, with those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSVAR_")}
    return kept | {"COLUMNS": "200"} | changes


def own_settings(bootstrap: str, chains: int = 2) -> dict[str, str]:
    """Settings with which a command shares a broker and nothing else."""
    name = f"c{uuid.uuid4().hex[:10]}"
    return {
        "ANSVAR_KAFKA": bootstrap,
        "ANSVAR_TOPIC": f"{name}.events",
        "ANSVAR_GROUP": name,
        "ANSVAR_CHAINS": str(chains),
    }


def run(
    *arguments: str | Path,
    text: str | None = None,
    timeout: float = DEADLINE,
    **settings: str,
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(**settings),
        check=False,
    )


class Running:
    """The command in the background."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        """Standard output and error so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def says(self, text: str) -> None:
        """Wait until the command prints a text."""

        def said() -> bool:
            assert self.process.poll() is None or text in self.output, self.output
            return text in self.output

        wait_until(said, f"{text!r}")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self, seconds: float = DEADLINE) -> int:
        """Wait for the end; returns the exit code."""
        return self.process.wait(seconds)

    @property
    def port(self) -> int:
        """The API's port, once the command says it."""
        self.says("Running: ")
        found = re.search(r"Running: http://127\.0\.0\.1:(\d+)", self.output)
        assert found is not None, self.output
        return int(found[1])

    def stop(self) -> int:
        """Ctrl-C, and wait."""
        self.signal(signal.SIGINT)
        return self.ended()

    def kill(self) -> None:
        """kill -9, and wait."""
        self.process.kill()
        self.process.wait()


@contextmanager
def started(*arguments: str | Path, output: Path, **settings: str) -> Iterator[Running]:
    """Start the command in the background; it is killed at the end if it still runs."""
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment(**settings),
            start_new_session=True,
        )
    try:
        yield Running(process, output)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextmanager
def data_directory(path: Path) -> Iterator[Path]:
    """A data directory whose embedded broker, if a killed process left one, is ended at the end."""
    try:
        yield path
    finally:
        while (orphan := find_orphan((path / "kafka").resolve(), None, None)) is not None:
            orphan.end()


def json_lines(events: Iterable[Event]) -> str:
    """What `emit` and `ingest` read."""
    return "\n".join(to_json(event).decode() for event in events)


def event_ids(events: Iterable[Event]) -> Counter[str]:
    """Event id -> 1, to be compared with `kept_events`."""
    return Counter(str(event.event_id) for event in events)


_DUMP = """
import json, sys
from pathlib import Path
from ansvar.store.client import Store, chdb_dsn
store = Store(chdb_dsn(Path(sys.argv[1])))
rows = store.query(
    "SELECT chain, seq, kind, toString(event_id), verdict, offset, findings, extra "
    "FROM {database}.ledger ORDER BY chain, seq"
)
store.close()
print(json.dumps(rows))
"""


class Kept(Struct, frozen=True, array_like=True):
    """What a test wants to know of a row that a process left."""

    chain: int
    seq: int
    kind: str
    event_id: str
    verdict: str
    offset: int
    findings: list[str]
    extra: str


def kept(data: Path) -> list[Kept]:
    """Every row in a data directory that no process has open, by chain and seq."""
    done = subprocess.run(
        [sys.executable, "-c", _DUMP, data / "clickhouse"], capture_output=True, text=True, check=True
    )
    return msgspec.json.decode(done.stdout, type=list[Kept])


def kept_events(data: Path) -> Counter[str]:
    """Event id -> number of rows that judge it."""
    return Counter(row.event_id for row in kept(data) if row.verdict and row.kind != "finding")


def ask(port: int, path: str) -> tuple[int, str]:
    """(status, body) of a GET on the stack's API; (0, "") while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def judged(port: int) -> int:
    """How many events a running stack has judged since its start, by its metrics."""
    _, text = ask(port, "/metrics")
    found = re.findall(r'^ansvar_rows_total\{kind="\w+",verdict="\w+"\} ([\d.]+)', text, re.MULTILINE)
    return sum(int(float(value)) for value in found)
