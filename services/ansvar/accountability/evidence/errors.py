"""Why no evidence bundle could be made."""

from __future__ import annotations


class EvidenceError(Exception):
    """Root of this package. The message says what is wrong and what to do; it never names a person."""


class NothingSelected(EvidenceError):
    """No row meets the criteria."""


class TooManyRows(EvidenceError):
    """More rows than were allowed."""


class NotYetCovered(EvidenceError):
    """Rows that no published checkpoint covers: the newest ones, for some seconds."""
