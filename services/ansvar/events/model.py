"""The six kinds of event, as typed values.

Invariants: a value of these types carries only words that the event *format* defines (closed literals
below); words that a policy *bundle* defines (purposes, bases, categories, systems, recipients, countries)
are plain strings here and are judged by rules, not by types. Times are aware datetimes. Identifiers are as
the caller wrote them until `identifiers.normalise_event` has run.

Not handled here: reading JSON (`boundary`), Avro (`codec`), validity of identifiers (`identifiers`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from msgspec import Meta, Struct

Kind = Literal["processing", "transfer", "disclosure", "rights", "contract", "notice"]
Stage = Literal["done", "intent", "not_run", "fail_open"]
Role = Literal["controller", "processor"]
IdentifierType = Literal[
    "personnummer",
    "samordningsnummer",
    "customer_number",
    "email",
    "phone_number",
    "employee_number",
    "applicant_number",
    "device_id",
]
Operation = Literal[
    "collect",
    "store",
    "organise",
    "use",
    "analyse",
    "profile",
    "decide",
    "call",
    "sms",
    "email",
    "letter",
    "set_cookie",
    "rectify",
    "restrict",
    "erase",
]
Source = Literal["data_subject", "partner", "public_register", "activity"]
NixExemption = Literal["consent", "existing_customer", "own_disclosure", "survey"]
Safeguard = Literal[
    "adequacy",
    "scc",
    "bcr",
    "code_of_conduct",
    "certification",
    "derogation",
    "privacy_shield",
    "safe_harbor",
    "none",
]
RecipientType = Literal["partner", "mailing", "invoicing", "it_supplier", "authority", "other"]
Ground = Literal[
    "service_delivery", "legal_obligation", "suspected_crime", "legal_request", "fraud_prevention"
]
Right = Literal["access", "rectification", "restriction", "erasure", "portability", "objection", "complaint"]
RightsPhase = Literal[
    "received", "identified", "extended", "fulfilled", "refused", "withdrawn", "recipients_notified"
]
ContractPhase = Literal["started", "ended"]
CustomerType = Literal["consumer", "company"]
Topic = Literal["policy_version", "source", "breach", "recipient"]

# A word is short and names a thing of the bundle or of a producer; a text is free and may hold anything.
Word = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(min_length=1, max_length=20_000)]
Aware = Annotated[datetime, Meta(tz=True)]


class Identifier(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One name of one person: the register it belongs to and the value as written there."""

    type: IdentifierType
    value: Annotated[str, Meta(min_length=1, max_length=320)]


class _Common(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
    gc=False,  # events are trees of plain values: no cycle for the collector to look for
):
    """Fields that every kind of event has."""

    kind: ClassVar[Kind]

    occurred_at: Aware
    system: Word
    event_id: UUID | None = None
    stage: Stage = "done"
    aliases: tuple[Identifier, ...] = ()
    actor: Word | Identifier | None = None
    purpose: Word | None = None
    legal_basis: Word | None = None
    data_categories: tuple[Word, ...] = ()
    role: Role = "controller"
    controller: Word | None = None
    compelling_grounds: Text | None = None
    details: Text | None = None
    correlation_id: Word | None = None


class ProcessingEvent(_Common, tag="processing", frozen=True, kw_only=True):
    """An operation on a person's data (GDPR Art. 4(2)) inside the company's own systems."""

    kind: ClassVar[Kind] = "processing"

    subject: Identifier
    operation: Operation
    source: Source | None = None
    source_name: Word | None = None
    subject_informed: bool | None = None
    nix_checked_at: Word | None = None
    nix_listed: bool | None = None
    nix_exemption: NixExemption | None = None
    aggregated: bool | None = None
    deidentified: bool | None = None
    automated_decision: bool | None = None
    cookie: Word | None = None


class TransferEvent(_Common, tag="transfer", frozen=True, kw_only=True):
    """Personal data handed to a recipient for the controller's own purposes (GDPR chapter V when abroad)."""

    kind: ClassVar[Kind] = "transfer"

    subject: Identifier
    recipient: Word
    country: Word | None = None
    safeguard: Safeguard | None = None
    safeguard_reference: Word | None = None
    remote_access: bool | None = None
    via: Word | None = None


class DisclosureEvent(_Common, tag="disclosure", frozen=True, kw_only=True):
    """Personal data given out to a third party or an authority."""

    kind: ClassVar[Kind] = "disclosure"

    subject: Identifier
    recipient: Word
    recipient_type: RecipientType | None = None
    ground: Ground | None = None
    reference: Word | None = None
    country: Word | None = None
    safeguard: Safeguard | None = None
    safeguard_reference: Word | None = None
    via: Word | None = None


class RightsEvent(_Common, tag="rights", frozen=True, kw_only=True):
    """A step of a person's request (GDPR Art. 15-21, complaint Art. 77)."""

    kind: ClassVar[Kind] = "rights"

    subject: Identifier
    request_id: Word
    right: Right
    phase: RightsPhase
    scope: Word | None = None
    method: Word | None = None
    reason: Text | None = None
    fee: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    recipient: Word | None = None


class ContractEvent(_Common, tag="contract", frozen=True, kw_only=True):
    """The start or the end of a contract with the subject."""

    kind: ClassVar[Kind] = "contract"

    subject: Identifier
    contract_id: Word
    phase: ContractPhase
    customer_type: CustomerType | None = None


class NoticeEvent(_Common, tag="notice", frozen=True, kw_only=True):
    """Something that was told: a policy version, a source, a breach, a recipient."""

    kind: ClassVar[Kind] = "notice"

    subject: Identifier | None = None
    topic: Topic | None = None
    version: Word | None = None


Event = ProcessingEvent | TransferEvent | DisclosureEvent | RightsEvent | ContractEvent | NoticeEvent
EVENT_TYPES: tuple[type[Event], ...] = (
    ProcessingEvent,
    TransferEvent,
    DisclosureEvent,
    RightsEvent,
    ContractEvent,
    NoticeEvent,
)
