"""A subject's requests in time: what the steps of one request say about an instant (clause 9, Art. 12-21).

Invariants: steps are sorted by time, those of one instant in order of arrival. A request is one of a subject,
an id and a right; who keeps them apart is `state`. What happens later changes no answer about earlier.

Not handled here: the findings that follow (`rules/rights`, `clocks`), what an objection covers (`case`).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime

from msgspec import Struct

from ansvar.events.model import RightsPhase
from ansvar.policy.calendar import deadline
from ansvar.policy.pattern import MARKETING

MONTHS = 1  # Art. 12(3): to answer, and to say that it takes longer
MONTHS_EXTENDED = 3  # the first and two more


class RequestStep(Struct, frozen=True, array_like=True, gc=False):
    """One phase of a request (GDPR Art. 12 and 15 to 21)."""

    at: datetime
    phase: RightsPhase
    scope: str | None
    method: str | None
    has_reason: bool
    fee: int | None


class Objection(Struct, frozen=True):
    """An objection that holds at the instant asked about, and since when."""

    scope: str | None
    since: datetime

    def covers(self, purpose: str, declared: Container[str], *, broad: bool) -> bool:
        """Whether it is an objection to a purpose (clause 9.5, Art. 21).

        One without scope, or with one that is neither `direct_marketing` nor among the `declared` purposes,
        covers the purposes that are `broad`: marketing, and those that rest on legitimate interest.
        """
        scope = MARKETING if self.scope == "direct_marketing" else self.scope
        return scope == purpose or (broad and scope != MARKETING and scope not in declared)


def receipt(steps: Sequence[RequestStep], at: datetime) -> datetime | None:
    """When a request was received, as known of an instant; None before.

    The first receipt counts. One that comes after the request was withdrawn makes it anew.
    """
    received: datetime | None = None
    withdrawn = False
    for step in steps:
        if step.at > at:
            break
        if step.phase == "received":
            if received is None or withdrawn:
                received = step.at
            withdrawn = False
        elif step.phase == "withdrawn":
            withdrawn = True
    return received


def stands(steps: Sequence[RequestStep], at: datetime) -> bool:
    """Whether a request was received by an instant and not withdrawn since."""
    standing = False
    for step in steps:
        if step.at > at:
            break
        if step.phase == "received":
            standing = True
        elif step.phase == "withdrawn":
            standing = False
    return standing


def months_to_answer(steps: Sequence[RequestStep], received: datetime) -> int:
    """The months within which a request is to be answered: three where it was said in time, and why."""
    end = deadline(received, MONTHS)
    extended = any(
        step.phase == "extended" and step.has_reason and received <= step.at < end for step in steps
    )
    return MONTHS_EXTENDED if extended else MONTHS


def restricted(steps: Sequence[RequestStep], at: datetime) -> datetime | None:
    """Since when a restriction holds at an instant: from its `fulfilled` until its `withdrawn` (Art. 18)."""
    since: datetime | None = None
    for step in steps:
        if step.at > at:
            break
        if step.phase == "fulfilled" and since is None:
            since = step.at
        elif step.phase == "withdrawn":
            since = None
    return since


def objections(steps: Sequence[RequestStep], at: datetime, marketing: bool) -> list[Objection]:
    """The objections of one request that hold at an instant (clause 4.2, 9.5; Art. 21).

    One holds from its `received` until a `refused` or `withdrawn` of the same request; for marketing, where
    the right is absolute (Art. 21(3)), only until `withdrawn`.
    """
    held: dict[str | None, datetime] = {}
    for step in steps:
        if step.at > at:
            break
        if step.phase == "received":
            held.setdefault(step.scope, step.at)
        elif step.phase == "withdrawn" or (step.phase == "refused" and not marketing):
            held.clear()
    return [Objection(scope, since) for scope, since in held.items()]
