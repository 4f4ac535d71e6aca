"""The clocks: what the passing of time, or looking back, can show and no event does. Found by the sweep.

Invariants: pure; the time of asking is a value. Each finding has a key that is the same on every run, so
running twice adds nothing.

Not handled here: reading the ledger, recording findings, and telling people.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ansvar.policy.clocks.clock import About, Clock, ClockFinding
from ansvar.policy.clocks.happened import NOTHING, Breach, Handover, Happened, Notification
from ansvar.policy.clocks.hindsight import (
    ADEQUACY_ANNULLED,
    HISTORY_RETROACTIVE,
    OBJECTION_RETROACTIVE,
    annulled,
    ends_any,
    overtaken,
    rests_on,
    retroactive,
)
from ansvar.policy.clocks.register import (
    BREACH_NOTIFY_AUTHORITY,
    GUARANTEES_EXPIRING,
    NO_FALLBACK,
    AboutDecision,
    due_of_breaches,
    due_of_bundle,
)
from ansvar.policy.clocks.subject import (
    RECIPIENTS_NOT_NOTIFIED,
    RETENTION_OVERDUE,
    RIGHTS_DUE_SOON,
    RIGHTS_OVERDUE,
    asks_recipients,
    due,
)

# The order of the policy's own list; all other late history stands beside late objections.
CLOCKS: tuple[Clock, ...] = (
    RETENTION_OVERDUE,
    RIGHTS_OVERDUE,
    RIGHTS_DUE_SOON,
    RECIPIENTS_NOT_NOTIFIED,
    BREACH_NOTIFY_AUTHORITY,
    GUARANTEES_EXPIRING,
    NO_FALLBACK,
    OBJECTION_RETROACTIVE,
    HISTORY_RETROACTIVE,
    ADEQUACY_ANNULLED,
)
CLOCK: Mapping[str, Clock] = MappingProxyType({clock.id: clock for clock in CLOCKS})

__all__ = [
    "CLOCK",
    "CLOCKS",
    "NOTHING",
    "About",
    "AboutDecision",
    "Breach",
    "Clock",
    "ClockFinding",
    "Handover",
    "Happened",
    "Notification",
    "annulled",
    "asks_recipients",
    "due",
    "due_of_breaches",
    "due_of_bundle",
    "ends_any",
    "overtaken",
    "rests_on",
    "retroactive",
]
