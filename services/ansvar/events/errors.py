"""What can be wrong with an event or with the bytes that should hold one.

Invariants: every error that this room raises is an `EventError`; its text is one line that says where the
fault is, what was found and what is allowed. No text holds the value of an identifier or free text: of those
it tells the type and the fault only.

Not handled here: what becomes of a bad record (dead letter, refused row).
"""

from __future__ import annotations

from typing import ClassVar, Literal

Reason = Literal["invalid_event", "unknown_schema", "malformed", "over_limit", "personal_data"]


class EventError(Exception):
    """Root of this room's errors; `reason` is its code, for counters and dead letters."""

    reason: ClassVar[Reason]


class InvalidEvent(EventError):
    """An event that the format does not allow.

    `found` and `allowed` are phrases, safe to print. `field` is a path (`aliases[2].type`), None where the
    whole event is meant; `line` is the 1-based line of a file, `index` the 0-based place in a batch.
    """

    reason: ClassVar[Reason] = "invalid_event"

    def __init__(
        self,
        found: str,
        allowed: str,
        *,
        field: str | None = None,
        line: int | None = None,
        index: int | None = None,
    ) -> None:
        super().__init__(found, allowed)
        self.found = found
        self.allowed = allowed
        self.field = field
        self.line = line
        self.index = index

    def __str__(self) -> str:
        where = [
            None if self.line is None else f"line {self.line}",
            None if self.index is None else f"event {self.index} of the batch",
            None if self.field is None else f"field '{self.field}'",
        ]
        place = ", ".join(part for part in where if part) or "event"
        return f"{place}: found {self.found}; allowed: {self.allowed}"

    def placed(
        self, *, field: str | None = None, line: int | None = None, index: int | None = None
    ) -> InvalidEvent:
        """The same fault with its place filled in; None keeps what is known."""
        return type(self)(
            self.found,
            self.allowed,
            field=self.field if field is None else field,
            line=self.line if line is None else line,
            index=self.index if index is None else index,
        )


class UndecodableRecord(EventError):
    """Bytes that are no record of ours; the text says what was wrong and at which byte."""

    reason: ClassVar[Reason] = "malformed"


class UnknownSchema(UndecodableRecord):
    """A schema fingerprint that this version does not ship."""

    reason: ClassVar[Reason] = "unknown_schema"

    def __init__(self, fingerprint: bytes) -> None:
        super().__init__(
            f"schema fingerprint {fingerprint[:32].hex() or '(empty)'} is not one that this version knows; "
            "upgrade the reader, or send with a released schema"
        )
        self.fingerprint = fingerprint


class OverLimit(EventError):
    """More events in a batch, or more bytes in an event, than the format allows."""

    reason: ClassVar[Reason] = "over_limit"
