"""What the files of a bundle look like, one struct a file.

Invariants: these are the only fields that a bundle may have; every date is a Stockholm calendar date and
every validity half-open (`valid_to` is the first day not covered); a fact that has dates names its source.
The files under `law/` hold what is the same for every company; the others are the company's own.

Not handled here: references from one file to another (`check`), the tables made of them (`compile`).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ansvar.events.minimisation import Treatment
from ansvar.events.model import RecipientType
from ansvar.policy.bundle import Profile, Tool

Id = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9]+(?:[_-][a-z0-9]+)*$",
        max_length=100,
        description="an id of a-z, 0-9, _ and - (such as mailing-house)",
    ),
]
Reference = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9./_-]*$",
        max_length=100,
        description="a reference without spaces (such as SCC-2023-04)",
    ),
]
RuleId = Annotated[
    str, Meta(pattern=r"^[a-z]+\.[a-z_0-9]+$", max_length=100, description="a rule (such as rights.fee)")
]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$", description="a country code of two capital letters")]
Term = Annotated[
    str,
    Meta(pattern=r"^[a-z-]+:[A-Za-z0-9-]+$|^https://\S+$", description="a term such as dpv:DirectMarketing"),
]
Prefix = Annotated[str, Meta(pattern=r"^[a-z-]+$", description="a prefix such as dpv")]
Text = Annotated[str, Meta(min_length=1, max_length=2000, description="a text of 1 to 2000 characters")]
Reason = Annotated[
    str,
    Meta(
        min_length=1, max_length=2000, pattern=r"[^\W_]", description="a reason in words, to 2000 characters"
    ),
]
Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", description="an e-mail address")]
Url = Annotated[str, Meta(pattern=r"^https://\S+$", description="an address that begins with https://")]
Count = Annotated[int, Meta(ge=0, le=100_000, description="a whole number from 0 to 100000")]


class Shape(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of a bundle's file."""


class Label(Shape, frozen=True, kw_only=True):
    """What a person reads, in the product's two languages."""

    en: Text
    sv: Text


class Validity(Shape, frozen=True, kw_only=True):
    """From the start of `valid_from` to the start of `valid_to`; an absent end is open."""

    valid_from: date | None = None
    valid_to: date | None = None


class Since(Validity, frozen=True, kw_only=True):
    """What protects people has a beginning: a line lost in editing must not make it hold since for ever."""

    valid_from: date


# bundle.yaml


class CompanyPart(Shape, frozen=True, kw_only=True):
    name: Text
    registration: Text
    website: Url


class AuthorityPart(Shape, frozen=True, kw_only=True):
    name: Text
    website: Url


class SettingsPart(Shape, frozen=True, kw_only=True):
    """The fields of `bundle.Settings` (a test holds them together); the profile has those not given."""

    require_collection_record: bool | None = None
    nix_days: Count | None = None
    existing_customer_months: Count | None = None
    free_access_requests: Count | None = None
    retention_months: Count | None = None
    future_minutes: Count | None = None
    late_days: Count | None = None
    personal_data_in_words: Treatment | None = None


class SwitchPart(Shape, frozen=True, kw_only=True):
    severity: Literal["off", "flag", "deny"]
    reason: Reason


class BundleFile(Shape, frozen=True, kw_only=True):
    format: Literal["1"]
    name: Id
    version: Reference
    company: CompanyPart
    data_protection_officer: Email
    authority: AuthorityPart
    corporate_contact: tuple[Id, ...]
    profile: Profile = "default"
    settings: SettingsPart = SettingsPart()
    switches: dict[RuleId, SwitchPart] = {}


# The company's vocabulary and registers


class PurposePart(Shape, frozen=True, kw_only=True):
    id: Id
    clause: Text
    iri: Term
    label: Label
    may_also_serve: tuple[Id, ...]


class PurposesFile(Shape, frozen=True, kw_only=True):
    purposes: tuple[PurposePart, ...]


class CategoryPart(Shape, frozen=True, kw_only=True):
    id: Id
    clause: Text
    iri: Term
    label: Label
    profiling_only: bool = False


class CategoriesFile(Shape, frozen=True, kw_only=True):
    categories: tuple[CategoryPart, ...]


class BasisPart(Shape, frozen=True, kw_only=True):
    id: Id
    clause: Text
    purposes: tuple[Id, ...]


class BasesFile(Shape, frozen=True, kw_only=True):
    bases: tuple[BasisPart, ...]


class BalancingTestPart(Since, frozen=True, kw_only=True):
    reference: Reference
    purpose: Id


class BalancingTestsFile(Shape, frozen=True, kw_only=True):
    balancing_tests: tuple[BalancingTestPart, ...]


class SystemPart(Validity, frozen=True, kw_only=True):
    id: Id
    label: Label
    country: Country
    automated: bool = False


class SystemsFile(Shape, frozen=True, kw_only=True):
    systems: tuple[SystemPart, ...]


class SubProcessorPart(Shape, frozen=True, kw_only=True):
    name: Text
    country: Country


class InstrumentPart(Since, frozen=True, kw_only=True):
    tool: Tool
    reference: Reference
    set: Reference | None = None
    assessment: Reference | None = None


class ScopePart(Since, frozen=True, kw_only=True):
    decision: Reference


class RecipientPart(Shape, frozen=True, kw_only=True):
    id: Id
    name: Text
    type: RecipientType
    role: Literal["processor", "controller"]
    established: Country
    storage: tuple[Country, ...]
    subprocessors: tuple[SubProcessorPart, ...] = ()
    agreements: tuple[Since, ...] = ()
    guarantees: tuple[Since, ...] = ()
    instruments: tuple[InstrumentPart, ...] = ()
    scope: tuple[ScopePart, ...] = ()


class RecipientsFile(Shape, frozen=True, kw_only=True):
    recipients: tuple[RecipientPart, ...]


class WordPart(Shape, frozen=True, kw_only=True):
    id: Id
    label: Label


class MethodPart(Validity, frozen=True, kw_only=True):
    id: Id
    label: Label


class MethodsFile(Shape, frozen=True, kw_only=True):
    secure_methods: tuple[MethodPart, ...]


class CookiesFile(Shape, frozen=True, kw_only=True):
    cookies: tuple[WordPart, ...]


# law/


class LawBasisPart(Shape, frozen=True, kw_only=True):
    id: Id
    article: Text
    iri: Term
    label: Label


class VocabularyFile(Shape, frozen=True, kw_only=True):
    prefixes: dict[Prefix, Url]
    legal_bases: tuple[LawBasisPart, ...]
    terms: dict[Id, dict[Id, Term]]


class CodesPart(Shape, frozen=True, kw_only=True):
    codes: tuple[Country, ...]
    source: Text


class MembershipPart(Validity, frozen=True, kw_only=True):
    country: Country
    source: Text


class PlacesFile(Shape, frozen=True, kw_only=True):
    iso_3166_1: CodesPart
    eu: CodesPart
    eea_efta: CodesPart
    territories_inside: CodesPart
    inside_for_a_time: tuple[MembershipPart, ...]
    territories_disputed: CodesPart
    territories_third: CodesPart
    suggestions: dict[Country, Country]


class DecisionPart(Since, frozen=True, kw_only=True):
    id: Reference
    country: Country | None = None
    organisation: Text | None = None
    citation: Text
    scope: Text
    claimed_as: Literal["adequacy", "privacy_shield", "safe_harbor"] = "adequacy"
    under_appeal: Text | None = None
    source: Text


class AdequacyFile(Shape, frozen=True, kw_only=True):
    decisions: tuple[DecisionPart, ...]


class SccSetPart(Validity, frozen=True, kw_only=True):
    id: Reference
    citation: Text
    repealed: date | None = None
    source: Text


class SccSetsFile(Shape, frozen=True, kw_only=True):
    scc_sets: tuple[SccSetPart, ...]


class Files(Struct, frozen=True):
    """A bundle's files, each read. `PATHS` says where each stands in the bundle."""

    bundle: BundleFile
    purposes: PurposesFile
    categories: CategoriesFile
    bases: BasesFile
    balancing_tests: BalancingTestsFile
    systems: SystemsFile
    recipients: RecipientsFile
    methods: MethodsFile
    cookies: CookiesFile
    vocabulary: VocabularyFile
    places: PlacesFile
    adequacy: AdequacyFile
    scc_sets: SccSetsFile


_LAW = frozenset({"vocabulary", "places", "adequacy", "scc_sets"})
PATHS = {name: f"law/{name}.yaml" if name in _LAW else f"{name}.yaml" for name in Files.__struct_fields__}
