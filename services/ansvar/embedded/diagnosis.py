"""Why a broker did not start, from what it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansvar.embedded.errors import BrokerStartFailed

_TAIL_LINES = 15
_READ_BYTES = 256 * 1024

_PORT_TAKEN = "Address already in use"
_ADVICE = {
    "No space left on device": "free disk space and start again",
    "Permission denied": "check who owns the directory",
    "AccessDeniedException": "check who owns the directory",
    "Could not reserve enough space": "give it a smaller heap, or free memory",
    "OutOfMemoryError": "give it a larger heap",
    "heap size": "correct the heap size",
}


@dataclass(frozen=True, slots=True)
class LogMark:
    """A place in the broker's log: its end before a start, so that old trouble is not taken for new."""

    log_file: Path
    output_file: Path
    offset: int

    @classmethod
    def at_end(cls, log_file: Path, output_file: Path) -> LogMark:
        return cls(log_file, output_file, log_file.stat().st_size if log_file.exists() else 0)

    def written_since(self) -> str:
        """The last part of what was logged since; what Java printed if it did not come to logging."""
        return _read(self.log_file, self.offset) or _read(self.output_file, 0)

    def port_was_taken(self) -> bool:
        """Whether somebody else had one of the ports."""
        return _PORT_TAKEN in self.written_since()

    def failure(self, reason: str) -> BrokerStartFailed:
        """The error to raise, with the last lines and what to do."""
        said = self.written_since()
        advice = next((what for sign, what in _ADVICE.items() if sign in said), "the log says why")
        # Stack frames say nothing to whoever reads this; the exceptions between them do.
        lines = [line for line in said.splitlines() if not line.startswith(("\tat ", "\t... "))]
        tail = "\n".join(lines[-_TAIL_LINES:])
        return BrokerStartFailed(reason, self.log_file, tail, advice)


def _read(path: Path, offset: int) -> str:
    if not path.exists():
        return ""
    size = path.stat().st_size
    if size < offset:  # the log has been rolled over meanwhile
        offset = 0
    with path.open("rb") as stream:
        stream.seek(max(offset, size - _READ_BYTES))
        return stream.read().decode("utf-8", "replace")
