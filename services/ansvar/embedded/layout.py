"""The directory of an embedded broker: what lies where, and the settings that Kafka is given.

Invariants: directories 0700, files 0600. Kafka runs in this directory and its settings name only relative
paths, so nothing in the user's path needs quoting. Settings are written anew before each start; the
fingerprint of what decides a broker's behaviour (not its ports) tells whether a running one is up to date.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansvar.embedded.errors import EmbeddedError
from ansvar.embedded.state import write_private
from ansvar.emitter.kafka import MAX_RECORD_BYTES

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class BrokerLayout:
    """Paths and settings of one broker. `directory` and `logs` are absolute; `heap` is like `512m`."""

    directory: Path
    logs: Path
    heap: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[1-9][0-9]*[mg]", self.heap):
            raise EmbeddedError(
                f"the broker's heap {self.heap!r} is not a size; write for example 512m or 2g"
            )

    @property
    def lock_file(self) -> Path:
        return self.directory / "owner.lock"

    @property
    def state_file(self) -> Path:
        return self.directory / "broker.json"

    @property
    def log_file(self) -> Path:
        """Kafka's own log."""
        return self.logs / "kafka.log"

    @property
    def output_file(self) -> Path:
        """What Java prints: nothing, unless it fails before there is a log."""
        return self.logs / "kafka.out"

    def make_directories(self) -> None:
        """Make what is missing. Raises `EmbeddedError` where that is not possible."""
        for path in (self.directory, self.logs, self.directory / "tmp"):
            try:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.chmod(0o700)
            except OSError as error:
                raise EmbeddedError(
                    f"the directory {path} cannot be made or kept private ({error.strerror}); "
                    "choose another --data-dir or correct its owner"
                ) from error

    def cluster_id(self) -> str | None:
        """The id that the data directory was formatted with; None before that."""
        try:
            text = (self.directory / "data" / "meta.properties").read_text(encoding="latin-1")
        except FileNotFoundError:
            return None
        found = re.search(r"^cluster\.id=(\S+)$", text, re.MULTILINE)
        return None if found is None else found.group(1)

    def write_settings(self, port: int, controller_port: int) -> None:
        """Write `server.properties` and `log4j2.properties` for a start on these ports."""
        settings = string.Template(_template("server.properties")).substitute(
            port=port, controller_port=controller_port, max_record_bytes=MAX_RECORD_BYTES
        )
        write_private(self.directory / "server.properties", settings.encode("ascii"))
        write_private(self.directory / "log4j2.properties", _template("log4j2.properties").encode("ascii"))

    def java_options(self) -> list[str]:
        """Options of the broker's Java, but for those that every process of ours gets."""
        logs = os.path.relpath(self.logs, self.directory)
        return [
            f"-Xmx{self.heap}",
            "-Xms64m",  # else Java starts with a 64th of the machine's memory
            # One collector thread for half a gigabyte, and no regions that a 34 MiB record does not fit in.
            "-XX:+UseSerialGC",
            # The quick compiler alone: measured half the processor time to start, no more to carry records.
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            f"-XX:ErrorFile={logs}/kafka-crash-%p.log",
            f"-Dansvar.logs={logs}",
        ]

    def fingerprint(self, jars: Sequence[Path]) -> str:
        """SHA-256, in hex, over everything but the ports that a broker is started with."""
        parts = [
            *(jar.name for jar in jars),
            *self.java_options(),
            str(MAX_RECORD_BYTES),
            _template("server.properties"),
            _template("log4j2.properties"),
        ]
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def new_cluster_id() -> str:
    """A random cluster id in Kafka's form: 16 bytes in base64url without padding, not starting with `-`."""
    while True:
        drawn = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode("ascii")
        if not drawn.startswith("-"):  # Kafka's tool would take it for an option
            return drawn


def _template(name: str) -> str:
    return (_HERE / name).read_text(encoding="ascii")
