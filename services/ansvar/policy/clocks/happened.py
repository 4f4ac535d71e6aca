"""What happened to a subject that the folded state does not hold, as plain values for the clocks.

Invariants: values only, frozen, without an identifier of a person. Stages `intent` and `not_run` are left out
by whoever fills them, as they are by the fold; the verdict of an event does not matter.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from ansvar.events.model import Right


class Handover(Struct, frozen=True):
    """A recipient got data of the subject."""

    recipient: str
    at: datetime


class Notification(Struct, frozen=True):
    """A recipient was told of a rectification, erasure or restriction (Art. 19)."""

    right: Right
    request: bytes  # the key under which the state holds the request
    recipient: str
    at: datetime


class Happened(Struct, frozen=True):
    """Facts about one subject that come from the ledger's rows of that subject's reference.

    `erased`: `occurred_at` of the rows of kind processing with operation `erase`.
    `handovers`: the rows of kind transfer and disclosure, `recipient` and each `via`; the first row of each
    recipient is enough.
    `notifications`: the rows of kind rights in phase `recipients_notified`, with `request_id` as key.
    """

    erased: tuple[datetime, ...] = ()
    handovers: tuple[Handover, ...] = ()
    notifications: tuple[Notification, ...] = ()


class Breach(Struct, frozen=True):
    """A personal data breach (Art. 33): from the deployment's register of breaches, not from one subject.

    `reference` tells it from other breaches, `known_at` is when the company became aware of it, `told_at`
    when the authority was notified.
    """

    reference: str
    known_at: datetime
    told_at: datetime | None = None


NOTHING = Happened()
