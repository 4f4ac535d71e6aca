"""What can go wrong with the parts that run on one machine. Every message says what, where and what to do."""

from __future__ import annotations

from pathlib import Path


class EmbeddedError(Exception):
    """Root of the errors of this package."""


class BrokerInUse(EmbeddedError):
    """Another process owns the broker of this directory."""

    def __init__(self, directory: Path, pid: int | None) -> None:
        self.pid = pid
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"the Kafka broker in {directory} is in use by {who}; "
            "stop that process, send the command to it, or choose another --data-dir"
        )


class BrokerStartFailed(EmbeddedError):
    """The broker did not become ready. Carries the last lines of its log."""

    def __init__(self, reason: str, log_file: Path, tail: str, advice: str) -> None:
        self.log_file = log_file
        end = f"; the last lines of {log_file}:\n{tail}" if tail else f"; {log_file} is empty"
        super().__init__(f"the Kafka broker did not start: {reason}; {advice}{end}")


class JarsUnavailable(EmbeddedError):
    """A jar of the broker could not be fetched, and the cache has no good copy."""


class JarRefused(EmbeddedError):
    """A jar was fetched, but it is not the one that the checked-in list names."""


class PartMissing(EmbeddedError):
    """A Python package that the embedded broker needs is not installed or does not fit this machine."""
