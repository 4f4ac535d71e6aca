"""A policy bundle, compiled: the company's vocabulary, registers and dated law as look-up tables.

Invariants: a Bundle is immutable and complete; every date is already an aware UTC datetime (the start of a
Stockholm calendar day) and every validity is half-open; every cross-reference resolves. `sha256` is the
hash of the bundle's files (`loader.canonical`), so equal hashes mean equal tables.

Not handled here: reading and checking YAML (`loader`), which rule uses what (`rules/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from ansvar.events.minimisation import Treatment
from ansvar.events.model import RecipientType

FULL_SCOPE = "full"  # the scope of an adequacy decision that covers everyone in the country

Tool = Literal["scc", "bcr", "code_of_conduct", "certification"]


class Period(Struct, frozen=True):
    """A half-open stretch of time, `start <= t < end`; None is open."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether `at` lies inside."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


class Purpose(Struct, frozen=True):
    id: str
    clause: str
    iri: str
    label: Mapping[str, str]  # language -> text


class Category(Struct, frozen=True):
    id: str
    clause: str
    iri: str
    profiling_only: bool
    label: Mapping[str, str]


class Basis(Struct, frozen=True):
    """A legal basis of GDPR Art. 6(1); `clause` is None where this policy does not use it."""

    id: str
    article: str
    iri: str
    clause: str | None
    purposes: frozenset[str]  # the purposes that may rest on it
    label: Mapping[str, str] = {}


class BalancingTest(Struct, frozen=True):
    """A recorded balancing of interests (Art. 6(1)(f)) for one purpose."""

    reference: str
    purpose: str
    period: Period


class System(Struct, frozen=True):
    """A system of the company's own and where it runs in `period`; one that moved has an entry a place."""

    id: str
    country: str
    automated: bool  # takes decisions without a human (clause 4.1, Art. 22)
    label: Mapping[str, str] = {}
    period: Period = Period()


class Instrument(Struct, frozen=True):
    """A transfer tool of Art. 46 held with one recipient."""

    tool: Tool
    reference: str
    set: str | None  # SCC only: the id of an `SccSet`
    period: Period
    assessment: str | None  # reference of the transfer impact assessment; None = none recorded


class ScopeEvidence(Struct, frozen=True):
    """Evidence that a recipient is inside an adequacy decision of limited scope, with its dates."""

    decision: str  # id of an AdequacyDecision
    period: Period


class SubProcessor(Struct, frozen=True):
    name: str
    country: str


class Recipient(Struct, frozen=True):
    """An entry of the register of recipients (clauses 6.1 to 6.4)."""

    id: str
    name: str
    type: RecipientType
    role: Literal["processor", "controller"]
    established: str  # ISO 3166-1 alpha-2
    storage: tuple[str, ...]
    subprocessors: tuple[SubProcessor, ...]
    agreements: tuple[Period, ...]  # Art. 28(3)
    guarantees: tuple[Period, ...]  # Art. 28(1), reviewed for
    instruments: tuple[Instrument, ...]
    scope: tuple[ScopeEvidence, ...]

    @property
    def places(self) -> tuple[str, ...]:
        """Every country the data reaches through this recipient, in a fixed order, without repeats."""
        return tuple(
            dict.fromkeys((self.established, *self.storage, *(s.country for s in self.subprocessors)))
        )


class AdequacyDecision(Struct, frozen=True):
    """A Commission decision under Art. 45 (or 25(6) of the directive before it)."""

    id: str
    country: str  # ISO 3166-1 alpha-2, or the name of an international organisation (EPO)
    citation: str
    period: Period
    scope: str  # 'full', else the words of the limit
    word: Literal["adequacy", "privacy_shield", "safe_harbor"]  # the safeguard under which it may be claimed
    source: str = ""
    under_appeal: str | None = None  # the case, where the decision is challenged and still in force


class SccSet(Struct, frozen=True):
    """A set of standard contractual clauses and the time in which a contract on it is valid."""

    id: str
    citation: str
    period: Period
    source: str = ""
    repealed: datetime | None = None  # no new contract on this set from here on; `period` may last longer


class Company(Struct, frozen=True):
    """Whose policy it is, and whom a data subject turns to (clauses 1.1, 10.1 and 10.2)."""

    name: str
    registration: str
    website: str
    contact: str  # e-mail of the data protection officer
    authority: str
    authority_website: str


Standing = Literal["inside", "third", "disputed", "unknown"]
Profile = Literal["default", "strict"]


class Bundle(Struct, frozen=True):
    """Everything `decide` may look up. Immutable after compilation."""

    sha256: bytes
    name: str
    version: str
    purposes: Mapping[str, Purpose]
    categories: Mapping[str, Category]
    bases: Mapping[str, Basis]
    compatible: Mapping[str, frozenset[str]]  # collected for -> may also serve (itself included)
    balancing_tests: Mapping[str, tuple[BalancingTest, ...]]  # by purpose
    systems: Mapping[str, tuple[System, ...]]  # by id; outside every period it counts as not registered
    recipients: Mapping[str, Recipient]
    decisions: Mapping[str, tuple[AdequacyDecision, ...]]  # by country
    scc_sets: Mapping[str, SccSet]
    inside: Mapping[str, tuple[Period, ...]]  # country -> when it counts as inside the EU/EEA
    countries: frozenset[str]  # ISO 3166-1 alpha-2, officially assigned
    disputed: frozenset[str]
    suggestions: Mapping[str, str]  # wrong code -> the right one (UK -> GB, EL -> GR)
    secure_methods: Mapping[str, tuple[Period, ...]]  # identification methods (clause 9.1); see `secure`
    cookies: frozenset[str]
    settings: Settings
    severities: Mapping[str, str]  # switches per rule: rule id -> 'off' | 'flag' | 'deny'
    # What no rule looks up but reports and exports need; empty in a bundle that was built by hand.
    profile: Profile = "default"  # whose settings hold where the company chose none
    switch_reasons: Mapping[str, str] = {}  # rule id -> why the company switched it
    company: Company | None = None
    corporate_contact: frozenset[str] = (
        frozenset()
    )  # categories of clause 11.1, to administer a company customer
    organisations: Mapping[str, tuple[AdequacyDecision, ...]] = {}  # decisions on international organisations
    labels: Mapping[
        str, Mapping[str, Mapping[str, str]]
    ] = {}  # 'methods' | 'cookies' -> id -> language -> text
    terms: Mapping[str, Mapping[str, str]] = {}  # group -> word of the event format -> DPV IRI

    def standing(self, country: str, at: datetime) -> Standing:
        """Where a country code stands at a time, seen from the EU/EEA."""
        if country in self.disputed:
            return "disputed"
        if country not in self.countries:
            return "unknown"
        periods = self.inside.get(country, ())
        return "inside" if any(p.holds(at) for p in periods) else "third"

    def secure(self, method: str, at: datetime) -> bool:
        """Whether a method of identification counted as secure at a time (clause 9.1)."""
        return any(period.holds(at) for period in self.secure_methods.get(method, ()))


class Settings(Struct, frozen=True):
    """Numbers and switches that a company may choose."""

    require_collection_record: bool = False  # purpose.no_collection_record
    nix_days: int = 60
    existing_customer_months: int = 12
    free_access_requests: int = 2
    retention_months: int = 12
    future_minutes: int = 5
    late_days: int = 400
    personal_data_in_words: Treatment = "mask"  # what becomes of it; see `events.minimisation`


# What holds where a bundle is silent; what it says outranks its profile.
PROFILES: Mapping[Profile, Settings] = MappingProxyType(
    {"default": Settings(), "strict": Settings(require_collection_record=True, late_days=7)}
)
