"""What the format requires of an event beyond the types of its fields.

Invariants: the same rules hold for an event that came as JSON, as an object or from Avro, so the ways in
cannot disagree; what comes out has `occurred_at` in UTC. A rule here looks at one event alone and at no
bundle.

Not handled here: types and closed words (`model`), validity of identifiers (`identifiers`), whether an
absent purpose or basis breaks the policy (a rule's finding, not a fault of form).
"""

from __future__ import annotations

from datetime import UTC

from msgspec.structs import replace

from ansvar.events.errors import InvalidEvent
from ansvar.events.model import Event, RightsEvent

MAX_EVENT_BYTES = 32 * 1024
MAX_BATCH_EVENTS = 1_000
# What the ledger's type of time can hold (ClickHouse DateTime64(6): years 1900 to 2299).
FIRST_YEAR, LAST_YEAR = 1900, 2299


def checked(event: Event) -> Event:
    """The event with `occurred_at` in UTC, if it keeps the rules; raises InvalidEvent if not."""
    at = event.occurred_at
    if at.tzinfo is not UTC:
        try:
            event = replace(event, occurred_at=at.astimezone(UTC))
        except OverflowError:
            raise _outside_the_calendar() from None
        at = event.occurred_at
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise _outside_the_calendar()
    if type(event) is RightsEvent and event.phase == "recipients_notified" and event.recipient is None:
        raise InvalidEvent("nothing", "the recipient that was notified (GDPR Art. 19)", field="recipient")
    if event.aliases and event.subject is None:
        raise InvalidEvent("aliases of nobody", "aliases beside a subject only", field="aliases")
    return event


def too_large(size: int) -> InvalidEvent:
    """The error for an event of `size` bytes."""
    return InvalidEvent(f"{size:,} bytes", f"at most {MAX_EVENT_BYTES:,} bytes an event")


def _outside_the_calendar() -> InvalidEvent:
    return InvalidEvent(
        "a time outside the ledger's calendar", f"years {FIRST_YEAR} to {LAST_YEAR}", field="occurred_at"
    )
