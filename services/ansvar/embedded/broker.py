"""Apache Kafka on this machine: one KRaft node that lives as long as its data directory needs it.

Invariants
- One owner. A lock that the kernel gives back when its holder dies decides who owns the broker of a
  directory; a second start raises `BrokerInUse`.
- One broker. An owner first looks for a broker that an earlier one left (it was killed, say). If that one
  was started with the same settings and answers with this directory's cluster id, it is taken over as it
  is; anything else of ours is ended before a new one starts.
- `start` returns only when our own process lives and a Kafka with our cluster id answers on the port. An
  open port alone proves nothing.
- Everything binds to 127.0.0.1.

Left to others: topics (`ansvar.enforcement.topics`), and who starts and stops this (the command line).
The calls block for seconds: an async caller runs them in a thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from ansvar.embedded.diagnosis import LogMark
from ansvar.embedded.errors import BrokerInUse, EmbeddedError
from ansvar.embedded.filelock import FileLock
from ansvar.embedded.jars import Progress, cache_directory, class_path
from ansvar.embedded.java import BROKER_CLASS, FORMAT_CLASS, JavaProcess, find_orphan, java_command, spawn
from ansvar.embedded.layout import BrokerLayout, new_cluster_id
from ansvar.embedded.ports import LOOPBACK, free_ports
from ansvar.embedded.probe import answering_cluster
from ansvar.embedded.state import BrokerState, read_state, write_state

_log = logging.getLogger(__name__)

_START_SECONDS = 120.0  # a broker with gigabytes to check after a crash needs its time
_FORMAT_SECONDS = 60.0
_TAKE_OVER_SECONDS = 30.0  # its last owner may have died while it was starting
_POLL_SECONDS = 0.1
_ATTEMPTS = 3


def _silent(_: str) -> None:
    """Progress that nobody asked for."""


class EmbeddedBroker:
    """The broker of one directory: `with EmbeddedBroker(path) as broker: ... broker.bootstrap`.

    `directory` holds Kafka's data and settings, `logs` (`directory`/logs if not given) `kafka.log` and
    `kafka.out`. `heap` is Java's maximum heap. One object may be started and stopped repeatedly.
    """

    def __init__(self, directory: Path, *, logs: Path | None = None, heap: str = "512m") -> None:
        home = directory.resolve()
        self._layout = BrokerLayout(home, (home / "logs" if logs is None else logs).resolve(), heap)
        self._lock = FileLock(self._layout.lock_file)
        self._process: JavaProcess | None = None
        self._state: BrokerState | None = None
        self._taken_over = False

    @property
    def bootstrap(self) -> str:
        """Where clients connect, `127.0.0.1:PORT`; only after `start`."""
        return f"{LOOPBACK}:{self._running()[1].port}"

    @property
    def cluster_id(self) -> str:
        """Kafka's id of this cluster, drawn when the directory was first used; only after `start`."""
        return self._running()[1].cluster_id

    @property
    def pid(self) -> int:
        """The broker's process; only after `start`."""
        return self._running()[0].pid

    @property
    def alive(self) -> bool:
        """Whether the broker was started and its process still lives."""
        return self._process is not None and self._process.alive

    @property
    def taken_over(self) -> bool:
        """Whether the running broker is one that an earlier run left."""
        return self._taken_over

    @property
    def log_file(self) -> Path:
        """Kafka's own log."""
        return self._layout.log_file

    def start(self, on_progress: Progress = _silent) -> None:
        """Start the broker, or take over the one that an earlier run left, and wait until it serves.

        `on_progress` gets sentences for a person; the very first start of a user downloads 44 MB. Raises
        `BrokerInUse`, `BrokerStartFailed`, `JarsUnavailable`, `JarRefused`, `PartMissing` or their root,
        `EmbeddedError`; then nothing of this broker is left running.
        """
        self._layout.make_directories()
        if not self._lock.try_acquire():
            raise BrokerInUse(self._layout.directory, self._lock.owner())
        try:
            jars = class_path(cache_directory(), on_progress)
            self._taken_over = self._take_over(jars, on_progress)
            if not self._taken_over:
                self._launch(jars, on_progress)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the broker (after 30 s by force, with a warning) and release the directory. May be repeated."""
        process, self._process = self._process, None
        try:
            if process is not None:
                self._end(process)
                if self._state is not None:
                    # The ports stay known, so that clients find the next broker where this one was.
                    self._remember(self._state, None)
        finally:
            self._state = None
            self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> tuple[JavaProcess, BrokerState]:
        if self._process is None or self._state is None:
            raise EmbeddedError(
                f"the Kafka broker in {self._layout.directory} is not started; call start() first"
            )
        return self._process, self._state

    def _take_over(self, jars: Sequence[Path], on_progress: Progress) -> bool:
        """Use the broker that an earlier run left if it is as good as a new one; else end it."""
        state = read_state(self._layout.state_file)
        known = (None, None) if state is None else (state.pid, state.started)
        while (orphan := find_orphan(self._layout.directory, *known)) is not None:
            self._process = orphan
            if state is not None and orphan.is_broker and state.launch == self._layout.fingerprint(jars):
                on_progress(f"Taking over the Kafka broker that an earlier run left (process {orphan.pid})")
                if self._serves(orphan, state, _TAKE_OVER_SECONDS):
                    self._remember(state, orphan)
                    return True
            on_progress(f"Ending a Kafka process that an earlier run left (process {orphan.pid})")
            self._end(orphan)
            self._process = None
        return False

    def _launch(self, jars: Sequence[Path], on_progress: Progress) -> None:
        """Start a new broker, on the ports of the last one if they are free."""
        last = read_state(self._layout.state_file)
        ports = free_ports((0, 0) if last is None else (last.port, last.controller_port))
        for attempt in range(1, _ATTEMPTS + 1):
            self._layout.write_settings(*ports)
            state = BrokerState(
                cluster_id=self._formatted(jars, on_progress),
                port=ports[0],
                controller_port=ports[1],
                launch=self._layout.fingerprint(jars),
            )
            on_progress(f"Starting Apache Kafka on {LOOPBACK}:{state.port}")
            mark = LogMark.at_end(self._layout.log_file, self._layout.output_file)
            # Before the process exists: should we die now, the next owner knows where to ask.
            write_state(self._layout.state_file, state)
            process = self._process = self._spawn(jars, BROKER_CLASS, "server.properties")
            self._remember(state, process)
            if self._serves(process, state, _START_SECONDS):
                return
            reason = f"no answer within {_START_SECONDS:.0f} s" if process.alive else "its process ended"
            self._end(process)
            self._process = None
            if not mark.port_was_taken() or attempt == _ATTEMPTS:
                raise mark.failure(reason)
            ports = free_ports((0, 0))

    def _formatted(self, jars: Sequence[Path], on_progress: Progress) -> str:
        """The cluster id of the data directory, which is formatted first if it is new."""
        if (known := self._layout.cluster_id()) is not None:
            return known
        on_progress("Preparing the Kafka data directory")
        mark = LogMark.at_end(self._layout.log_file, self._layout.output_file)
        drawn = new_cluster_id()
        self._process = self._spawn(jars, FORMAT_CLASS, "format", "-t", drawn, "-c", "server.properties")
        ended = self._process.wait(_FORMAT_SECONDS)
        self._end(self._process)
        self._process = None
        if not ended or self._layout.cluster_id() != drawn:
            raise mark.failure("its data directory could not be prepared")
        return drawn

    def _spawn(self, jars: Sequence[Path], main: str, *arguments: str) -> JavaProcess:
        command = java_command(self._layout.directory, jars, self._layout.java_options(), main)
        return spawn([*command, *arguments], self._layout.directory, self._layout.output_file)

    def _serves(self, process: JavaProcess, state: BrokerState, seconds: float) -> bool:
        """Wait until `process` lives and our cluster answers on its port; False if that does not happen."""
        deadline = time.monotonic() + seconds
        while process.alive and time.monotonic() < deadline:
            if answering_cluster(state.port) == state.cluster_id and process.alive:
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _remember(self, state: BrokerState, process: JavaProcess | None) -> None:
        pid, started = (None, None) if process is None else (process.pid, process.started)
        self._state = msgspec.structs.replace(state, pid=pid, started=started)
        write_state(self._layout.state_file, self._state)

    def _end(self, process: JavaProcess) -> None:
        if process.end():
            return
        if process.alive:
            raise EmbeddedError(
                f"the Kafka process {process.pid} of {self._layout.directory} cannot be ended, not even by "
                "SIGKILL; look at that process and at the disk"
            )
        _log.warning(
            "the Kafka process %d did not end when asked and was killed; the next start checks its data",
            process.pid,
        )
