"""A case: one event before the rules, with what is known of its subject.

Invariants: a case reads the event, the state and the bundle and changes none of them; what is reported goes
into `findings`, in the order in which rules report. Answers that several rules ask for are kept.

Not handled here: which rules there are (`rules/`), their order and the conclusion (`decide`).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from msgspec import Struct

from ansvar.events.model import Event, RightsEvent
from ansvar.policy.bundle import Recipient, System
from ansvar.policy.calendar import STOCKHOLM, stockholm_date
from ansvar.policy.contracts import Contracts
from ansvar.policy.pattern import MARKETING, Pattern
from ansvar.policy.requests import RequestStep
from ansvar.policy.rule import Rule
from ansvar.policy.state import SubjectState
from ansvar.policy.verdict import Finding

# How an adequacy decision stands: `covers` (in force, and full or the place in its scope is shown for that
# time), `lapsed` (the place is recorded with dates that do not hold), `unshown` (nothing is recorded of it),
# `absent` (none in force, or none that counts as claimed).
Adequacy = Literal["covers", "lapsed", "unshown", "absent"]


class Destination(Struct, frozen=True):
    """A third country that data reach, and what protects them there with whoever brings it.

    `safeguard` is what counts as stated: the stated word, or what the bundle shows in its place, or `none`.
    """

    country: str
    holder: Recipient | None  # whose instruments and place in an adequacy decision count
    safeguard: str
    instrument: str | None = None  # reference of the instrument in force that answers to `safeguard`
    assessed: bool = False  # that instrument has a transfer impact assessment
    repealed: str | None = None  # citation of the repealed clauses on which the stated instrument rests
    adequacy: Adequacy = "absent"


class ProducerScope(Struct, frozen=True):
    """The systems and kinds of event that a producer is registered for; `*` among them stands for any."""

    systems: frozenset[str]
    kinds: frozenset[str]

    def covers_system(self, system: str) -> bool:
        """Whether the producer may report for a system."""
        return system in self.systems or "*" in self.systems

    def covers_kind(self, kind: str) -> bool:
        """Whether the producer may report events of a kind."""
        return kind in self.kinds or "*" in self.kinds


class Case(Struct):
    """One event being judged. `recorded_at`, `own_request` and `scope` are as in `decide.decide`."""

    event: Event
    state: SubjectState
    pattern: Pattern
    at: datetime
    recorded_at: datetime
    own_request: bool
    scope: ProducerScope | None
    findings: list[Finding]
    contracts_known: Contracts | None = None
    destinations: tuple[Destination, ...] | None = None
    request: bytes | None = None  # see `request_key`
    request_steps_known: list[RequestStep] | None = None

    def find(self, rule: Rule, message: str, severity: str | None = None) -> None:
        """Report that a rule fired. The bundle's switch outranks `severity`, which outranks the rule's."""
        chosen = self.pattern.bundle.severities.get(rule.id) or severity or rule.severity
        self.findings.append(Finding(rule.id, rule.clause, "deny" if chosen == "deny" else "flag", message))

    def found(self, rule: Rule) -> bool:
        """Whether a rule has already fired on this case."""
        return any(finding.rule == rule.id for finding in self.findings)

    def contracts(self) -> Contracts:
        """How the subject's contracts stand at the time of the event."""
        known = self.contracts_known
        if known is None:
            known = self.contracts_known = self.state.contracts_at(self.at)
        return known

    def request_key(self) -> bytes | None:
        """Under which key the state holds the request that a rights event is about; None for other kinds."""
        if self.request is None and isinstance(self.event, RightsEvent):
            self.request = self.event.request_id.encode()
        return self.request

    def request_steps(self) -> list[RequestStep]:
        """The earlier steps of the request that a rights event is about; none for another kind of event."""
        known = self.request_steps_known
        if known is None:
            key = self.request_key()
            known = []
            if key is not None and isinstance(self.event, RightsEvent):
                known = self.state.steps(self.event.right, key, self.at)
            self.request_steps_known = known
        return known

    def system(self) -> System | None:
        """The event's system as the register has it then; None where it counts as unregistered."""
        for system in self.pattern.systems:
            if system.period.holds(self.at):
                return system
        return None

    def objected_since(self, purpose: str, at: datetime | None = None) -> datetime | None:
        """Since when the subject objects to a purpose at a time, or None (clause 9.5, Art. 21).

        Without `at` the time is the event's. What an objection covers is `Objection.covers`'s to say.
        """
        broad = purpose == MARKETING or purpose in self.pattern.interests
        declared = self.pattern.bundle.purposes
        since: datetime | None = None
        for objection in self.state.objections_at(at or self.at, marketing=purpose == MARKETING):
            covers = objection.covers(purpose, declared, broad=broad)
            if covers and (since is None or objection.since < since):
                since = objection.since
        return since


# Short, word-like and without long runs of digits: not an e-mail address, a number or a sentence.
_HARMLESS = re.compile(r"(?=.{1,64}\Z)(?!.*\d{5})[^\W\d_][\w.-]*")


def quoted(word: str) -> str:
    """A producer's word for a message; one that might hold an identifier of a person is not repeated."""
    return f"'{word}'" if _HARMLESS.fullmatch(word) else "a word that is not repeated here"


def moment(at: datetime) -> str:
    """An instant for messages, to the minute, in Stockholm."""
    try:
        return at.astimezone(STOCKHOLM).isoformat(" ")[:16]
    except OverflowError:  # the first and last hours of the calendar
        return at.isoformat(" ")[:16] + " UTC"


def day(at: datetime) -> str:
    """The Stockholm day of an instant, for messages."""
    return stockholm_date(at).isoformat()
