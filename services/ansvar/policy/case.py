"""A case: one event before the rules, with the facts that several rules need derived once.

Invariants: a case reads the event, the state and the bundle and changes none of them; what is reported goes
into `findings`, in the order in which rules report. A word of the bundle that is missing, undeclared or not
this policy's is None in `purpose` and `basis`, so that a rule which needs it is skipped.

Not handled here: which rules there are (`rules/`), their order and the conclusion (`decide`).
"""

from __future__ import annotations

import re
from datetime import datetime

from msgspec import Struct

from ansvar.events.model import DisclosureEvent, Event, Operation, RecipientType, TransferEvent
from ansvar.policy.bundle import Basis, Bundle, Period, Recipient, Standing
from ansvar.policy.calendar import STOCKHOLM, stockholm_date
from ansvar.policy.rule import Rule
from ansvar.policy.state import Contracts, SubjectState
from ansvar.policy.verdict import Finding

# Words of a bundle that rules name. A bundle without one of them never meets the rules that need it.
MARKETING = "marketing"
EVALUATION = "evaluation"
CONTRACT = "contract"  # purpose and legal basis share the word
LEGITIMATE_INTEREST = "legitimate_interest"

# Operations that serve the subject's own rights: POLICY exempts them from objections and from profiling_only.
RIGHTS_OPERATIONS: frozenset[Operation | None] = frozenset({"erase", "rectify", "restrict"})

_ALWAYS = Period()


class Tables(Struct, frozen=True):
    """What follows from a bundle alone, worked out once: look-ups in the direction in which rules ask."""

    bundle: Bundle
    bases: dict[str, Basis]  # those that this policy uses
    serves: dict[str, frozenset[str]]  # purpose -> the collected-for purposes that it is compatible with
    profiling_only: frozenset[str]
    interests: frozenset[str]  # purposes that rest on legitimate interest
    always_inside: frozenset[str]
    perhaps_outside: dict[str, tuple[str, ...]]  # recipient id -> its places that are not always inside


def tabulate(bundle: Bundle) -> Tables:
    """Compile a bundle's look-ups."""
    always_inside = frozenset(
        country
        for country, periods in bundle.inside.items()
        if _ALWAYS in periods and country in bundle.countries and country not in bundle.disputed
    )
    interest = bundle.bases.get(LEGITIMATE_INTEREST)
    return Tables(
        bundle=bundle,
        bases={word: basis for word, basis in bundle.bases.items() if basis.clause is not None},
        serves={
            purpose: frozenset(origin for origin, may in bundle.compatible.items() if purpose in may)
            | {purpose}
            for purpose in bundle.purposes
        },
        profiling_only=frozenset(c.id for c in bundle.categories.values() if c.profiling_only),
        interests=interest.purposes if interest is not None else frozenset(),
        always_inside=always_inside,
        perhaps_outside={
            recipient.id: tuple(place for place in recipient.places if place not in always_inside)
            for recipient in bundle.recipients.values()
        },
    )


class Destination(Struct, frozen=True):
    """A country outside the EU/EEA (or none that can be placed) that data reaches, and who brings it there.

    `safeguard` is what counts as stated: the stated word, or what the bundle shows in its place, or `none`.
    """

    country: str
    standing: Standing
    holder: Recipient | None  # whose instruments and place in an adequacy decision count
    safeguard: str = "none"
    instrument: str | None = None  # reference of the instrument in force that answers to `safeguard`
    assessed: bool = False  # that instrument has a transfer impact assessment
    repealed: str | None = None  # citation of the repealed clauses on which the only instrument rests
    adequacy: str = "absent"  # 'covers' | 'lapsed' | 'unshown' | 'absent'


class Case(Struct):
    """One event being judged."""

    event: Event
    state: SubjectState
    tables: Tables
    at: datetime
    recorded_at: datetime
    own_request: bool
    operation: Operation | None  # None for a transfer or disclosure
    purpose: str | None
    basis: Basis | None
    controller: bool
    handover: TransferEvent | DisclosureEvent | None
    recipient: Recipient | None  # as registered
    via: Recipient | None
    findings: list[Finding]
    destinations: tuple[Destination, ...] = ()

    def find(self, rule: Rule, message: str, severity: str | None = None) -> None:
        """Report that a rule fired. The bundle's switch outranks `severity`, which outranks the rule's."""
        chosen = self.tables.bundle.severities.get(rule.id) or severity or rule.severity
        self.findings.append(Finding(rule.id, rule.clause, "deny" if chosen == "deny" else "flag", message))

    def found(self, rule: Rule) -> bool:
        """Whether a rule has already fired on this case."""
        return any(finding.rule == rule.id for finding in self.findings)

    def contracts(self) -> Contracts:
        """How the subject's contracts stand at the time of the event."""
        return self.state.contracts_at(self.at)

    def recipient_type(self) -> RecipientType | None:
        """What the recipient is: by the bundle, else as stated."""
        if self.recipient is not None:
            return self.recipient.type
        return self.handover.recipient_type if isinstance(self.handover, DisclosureEvent) else None

    def objected_since(self, purpose: str) -> datetime | None:
        """Since when the subject objects to a purpose, or None (clause 9.5, Art. 21).

        An objection without scope, or with one that is neither `direct_marketing` nor a declared purpose,
        covers marketing and every purpose that rests on legitimate interest.
        """
        broad = purpose == MARKETING or purpose in self.tables.interests
        since: datetime | None = None
        for objection in self.state.objections_at(self.at, marketing=purpose == MARKETING):
            scope = MARKETING if objection.scope == "direct_marketing" else objection.scope
            covers = scope == purpose or (
                broad and scope != MARKETING and scope not in self.tables.bundle.purposes
            )
            if covers and (since is None or objection.since < since):
                since = objection.since
        return since

    @property
    def act(self) -> str:
        """What is done, as a word for messages."""
        return self.operation or self.event.kind


# Short, word-like and without long runs of digits: not an e-mail address, a number or a sentence.
_HARMLESS = re.compile(r"(?=.{1,64}\Z)[A-Za-z](?:[A-Za-z_.-]|\d{1,4}(?!\d))*")


def quoted(word: str) -> str:
    """A producer's word for a message; one that might hold an identifier of a person is not repeated."""
    return f"'{word}'" if _HARMLESS.fullmatch(word) else "a word that is not repeated here"


def moment(at: datetime) -> str:
    """An instant for messages, to the minute, in Stockholm."""
    try:
        return at.astimezone(STOCKHOLM).strftime("%Y-%m-%d %H:%M")
    except OverflowError:  # the first and last hours of the calendar
        return at.strftime("%Y-%m-%d %H:%M UTC")


def day(at: datetime) -> str:
    """The Stockholm day of an instant, for messages."""
    return stockholm_date(at).isoformat()
