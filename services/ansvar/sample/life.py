"""What the company may still do with one customer's data at a time: the promises that the calm year keeps.

Invariants: `allows` is stricter than the policy, never laxer: it has no exceptions beyond those written here,
and keeps a day's distance from every change. It is not a second judge; it decides only which routine events
a calm story leaves out.

Not handled here: writing events (`customers`), what a breach looks like (`plants`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ansvar.sample.scene import Why

MARGIN = timedelta(days=1)


@dataclass
class Life:
    """One customer's contract, objections and restrictions, filled in while the story is planned."""

    started: datetime
    ended: datetime | None = None
    gone: datetime | None = None  # erased, or about to be: nothing at all after this
    no_marketing: datetime | None = None
    objections: list[tuple[str, datetime, datetime | None]] = field(default_factory=list)  # purpose, from, to
    restrictions: list[tuple[datetime, datetime]] = field(default_factory=list)

    def allows(self, at: datetime, why: Why) -> bool:
        """Whether routine processing for this purpose and basis stays within every promise."""
        if at < self.started or (self.gone is not None and at > self.gone - MARGIN):
            return False
        if why.purpose == "legal_obligation":
            return True
        if any(start - MARGIN < at < end + MARGIN for start, end in self.restrictions):
            return False
        return not self._objected(at, why) and self._within_contract(at, why)

    def _objected(self, at: datetime, why: Why) -> bool:
        if why.basis != "legitimate_interest":
            return False
        if why.purpose == "marketing" and self.no_marketing is not None:
            return at > self.no_marketing - MARGIN
        return any(
            why.purpose == purpose and start - MARGIN < at and (end is None or at < end + MARGIN)
            for purpose, start, end in self.objections
        )

    def _within_contract(self, at: datetime, why: Why) -> bool:
        if self.ended is None or at < self.ended - MARGIN:
            return True
        # Clause 8.2: after the end only marketing goes on, and care for those who may still be addressed.
        return why in AFTER_THE_END and at > self.ended + MARGIN and self.no_marketing is None


AFTER_THE_END = (Why("marketing", "legitimate_interest"), Why("customer_service", "legitimate_interest"))
