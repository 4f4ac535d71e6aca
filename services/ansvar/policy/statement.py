"""What the published policy says of itself, and the law it is held against: one struct a file.

Invariants: `statement.yaml` repeats what the text that people read says, right or wrong, each part with its
clause, so that `lint` can hold it against the law and against the bundle's registers; nothing in it decides a
verdict. The files under `law/` are the same for every company. A bundle has all four files or none.

Not handled here: what is wrong with the policy (`lint`), references between the files (`check_statement`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ansvar.events.model import RecipientType, Safeguard
from ansvar.policy.shapes import Count, Country, Id, Label, Reference, Shape, Since, Term, Text, Validity

ActNumber = Annotated[
    str,
    Meta(pattern=r"^[0-9]{4}:[0-9]{1,4}$", description="the number of an act (such as 2022:482)"),
]


# statement.yaml


class PublishedPart(Shape, frozen=True, kw_only=True):
    """The version and the day that the text itself bears; null where it bears none."""

    clause: Text
    version: Reference | None = None
    day: date | None = None


class ListedPart(Shape, frozen=True, kw_only=True):
    """The ids that a list in the policy names."""

    clause: Text
    listed: tuple[Id, ...]


class InterestPart(Shape, frozen=True, kw_only=True):
    """A legitimate interest that the policy names, and the purpose it serves; null: none of the bundle's."""

    clause: Text
    label: Label
    purpose: Id | None = None


class RecipientTypePart(Shape, frozen=True, kw_only=True):
    clause: Text
    type: RecipientType


class SafeguardPart(Shape, frozen=True, kw_only=True):
    clause: Text
    id: Safeguard


class ClaimPart(Shape, frozen=True, kw_only=True):
    """Something that the policy promises without a limit."""

    clause: Text
    id: Literal["systems_inside_eea", "no_automated_decisions"]


class RetentionPart(Shape, frozen=True, kw_only=True):
    """How long data for these purposes are kept: months after the last contract's end (0: until it ends)."""

    clause: Text
    purposes: tuple[Id, ...]
    months_after_contract: Count | None = None
    period: Label


class EraseAllPart(Shape, frozen=True, kw_only=True):
    """A promise to erase everything, with the acts that it makes an exception for."""

    clause: Text
    exceptions: tuple[ActNumber, ...] = ()


class RetentionsPart(Shape, frozen=True, kw_only=True):
    """`website`: how long what the website gathers is kept; null where the policy does not say."""

    clause: Text
    stated: tuple[RetentionPart, ...]
    website: Label | None = None
    erase_all: EraseAllPart | None = None


class StatedRightPart(Shape, frozen=True, kw_only=True):
    clause: Text
    id: Id


class StatedRightsPart(Shape, frozen=True, kw_only=True):
    clause: Text
    stated: tuple[StatedRightPart, ...]


class NamedAuthorityPart(Shape, frozen=True, kw_only=True):
    clause: Text
    name: Text


class CitedActPart(Shape, frozen=True, kw_only=True):
    clause: Text
    number: ActNumber


class CookieConsentPart(Shape, frozen=True, kw_only=True):
    """How the visitor is said to agree to cookies: by going on, by not objecting, by an act, or not asked."""

    clause: Text
    consent: Literal["surfing_on", "opt_out", "opt_in", "only_necessary"]


class StatementFile(Shape, frozen=True, kw_only=True):
    published: PublishedPart
    purposes: ListedPart
    categories: ListedPart
    interests: tuple[InterestPart, ...]
    recipients: tuple[RecipientTypePart, ...]
    safeguards: tuple[SafeguardPart, ...]
    claims: tuple[ClaimPart, ...] = ()
    retention: RetentionsPart
    rights: StatedRightsPart
    authority: NamedAuthorityPart
    acts: tuple[CitedActPart, ...] = ()
    cookies: CookieConsentPart | None = None


# law/


class AuthorityNamePart(Validity, frozen=True, kw_only=True):
    """What a country's supervisory authority is called in a time."""

    country: Country
    name: Text
    abbreviation: Text | None = None
    source: Text


class AuthoritiesFile(Shape, frozen=True, kw_only=True):
    authorities: tuple[AuthorityNamePart, ...]


class DutyPart(Shape, frozen=True, kw_only=True):
    """A duty to keep data: for how many years, counted from when, and what data, as DPV terms."""

    provision: Text
    years: Count
    counted_from: Label
    data: tuple[Term, ...]


class ActPart(Since, frozen=True, kw_only=True):
    number: ActNumber
    label: Label
    replaced_by: ActNumber | None = None
    duty: DutyPart | None = None
    source: Text


class ActsFile(Shape, frozen=True, kw_only=True):
    acts: tuple[ActPart, ...]


class RightPart(Shape, frozen=True, kw_only=True):
    """A right that a privacy notice must state. `basis`: only where the policy rests on that legal basis."""

    id: Id
    article: Text
    notice: Text
    label: Label
    basis: Id | None = None


class RightsFile(Shape, frozen=True, kw_only=True):
    rights: tuple[RightPart, ...]


class Published(Struct, frozen=True):
    """The four files, each read. `STATEMENT_PATHS` says where each stands in the bundle."""

    statement: StatementFile
    authorities: AuthoritiesFile
    acts: ActsFile
    rights: RightsFile


STATEMENT_PATHS: Mapping[str, str] = MappingProxyType(
    {
        name: "statement.yaml" if name == "statement" else f"law/{name}.yaml"
        for name in Published.__struct_fields__
    }
)
