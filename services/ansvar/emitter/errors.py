"""What emitting may raise: one root, and no message that names a person.

An event that cannot be emitted as it stands raises `ansvar.events.errors.InvalidEvent`, before anything of
the call that held it is buffered.
"""

from __future__ import annotations


class EmitterError(Exception):
    """Root of everything that this room raises."""


class KitError(EmitterError):
    """The producer kit is missing, unreadable or not one; the message says which and what to do."""


class TopicMismatch(EmitterError):
    """The topic is missing, or has another number of partitions than the kit's deployment has chains."""


class KafkaUnreachable(EmitterError):
    """No broker answered when the emitter started."""


class EmitterClosed(EmitterError):
    """The emitter is not open: use it as `async with Emitter(...)`, and not after its block has ended."""


class DeliveryFailed(EmitterError):
    """The emitter was closed before the broker confirmed an event.

    The event may or may not have arrived. Emit it again with the same `event_id`: a second copy is recognised
    by its id and becomes a `duplicate` row.
    """


class PurposeViolation(EmitterError):
    """The company's policy denies the processing that was about to happen.

    `rule` is the id of the rule that denied it, `clause` the place in the policy that the rule comes from.
    """

    def __init__(self, rule: str, clause: str, message: str = "") -> None:
        super().__init__(message or f"denied by rule {rule} ({clause})")
        self.rule = rule
        self.clause = clause
