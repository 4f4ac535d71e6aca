"""Why enforcement stops, waits or starts over."""

from __future__ import annotations


class EnforcementError(Exception):
    """Root of this room."""


class HeadMoved(EnforcementError):
    """The chain's head is not where we left it: another worker appended. Our memory of it is worthless."""


class Forked(EnforcementError):
    """The ledger holds another row at a position that we can recompute. A human must look."""


class RolledBack(EnforcementError):
    """The ledger ends before rows that were confirmed once. A human must look."""


class StreamMismatch(EnforcementError):
    """The topic is not the one the chain was fed from: it was made anew, or cut behind the chain's head."""


class Revoked(EnforcementError):
    """The partition was taken from us while we waited; nothing of it was acknowledged."""


class KafkaUnavailable(EnforcementError):
    """Kafka did not answer at the start; while a worker runs, it waits instead."""


class MissingIntakeKey(EnforcementError):
    """A record was sealed in an epoch that is open, and its private key is not among ours.

    Refusing the record would be another history than that of a worker that has the key.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__(
            f"the intake key of epoch {epoch} is not in this worker's key directory, and the epoch is open. "
            "Bring its file there, from the machine that rotated the keys or a backup, and start again"
        )


class NotRunning(EnforcementError):
    """The worker was asked something while it starts or stops."""
