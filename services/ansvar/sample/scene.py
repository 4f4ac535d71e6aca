"""The scene on which stories play: it writes events down, each with the rules that must fire on it.

Invariants: every event is written together with its truth (the rules, in no order; none = permitted). The
event id is not set here, because it depends on the place in the finished year.

Not handled here: which events make sense (`customers`, `organisation`, `plants`), ids and order (`company`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec import Struct

from ansvar.events.model import (
    ContractEvent,
    ContractPhase,
    CustomerType,
    DisclosureEvent,
    Event,
    Identifier,
    NoticeEvent,
    Operation,
    ProcessingEvent,
    Right,
    RightsEvent,
    RightsPhase,
    Topic,
    TransferEvent,
)
from ansvar.sample.calendar import Calendar
from ansvar.sample.dice import Dice
from ansvar.sample.people import People

Rules = tuple[str, ...]
Categories = tuple[str, ...]

CONTACT: Categories = ("name", "address", "email", "phone_number")
CUSTOMER: Categories = (*CONTACT, "personnummer", "customer_number", "bank_account", "ip_address")
PROFILE: Categories = ("purchase_history", "age", "residence", "gender")

# The two flags that ordinary, lawful business raises: a destination outside the EEA, and an authority.
ABROAD: Rules = ("transfer.third_country",)
AUTHORITY: Rules = ("disclosure.authority",)


class Why(NamedTuple):
    """The purpose and the legal basis of an event, either of which may be missing."""

    purpose: str | None
    basis: str | None


CONTRACT = Why("contract", "contract")
SERVICE = Why("customer_service", "contract")
CARE = Why("customer_service", "legitimate_interest")
DUTY = Why("legal_obligation", "legal_obligation")
MARKETING = Why("marketing", "legitimate_interest")
HIRING = Why("recruitment", "legitimate_interest")
EVALUATION = Why("evaluation", "legitimate_interest")
SECURITY = Why("security", "legitimate_interest")


class Draft(Struct, frozen=True):
    """An event without its id, the time at which it reaches the log, and the rules that must fire on it."""

    event: Event
    arrives: datetime
    rules: Rules


class Scene:
    """Writes one story's events; `rules=` are those that must fire on the event."""

    def __init__(self, calendar: Calendar, people: People, dice: Dice) -> None:
        self.calendar = calendar
        self.people = people
        self.dice = dice
        self.drafts: list[Draft] = []

    def add(self, event: Event, rules: Rules = (), late: timedelta = timedelta()) -> None:
        """Write an event down; `late` after it happened it reaches the log."""
        self.drafts.append(Draft(event, event.occurred_at + late, rules))

    def office(self, day: int) -> datetime:
        """Some time in office hours."""
        return self.calendar.office(day, self.dice)

    def any_hour(self, day: int) -> datetime:
        """Some time of that day or evening."""
        return self.calendar.any_hour(day, self.dice)

    def reference(self, letters: str) -> str:
        """A case, request or contract number such as `A-2025-0483911`."""
        return f"{letters}-{self.calendar.year}-{self.dice.below(10_000_000):07d}"

    def processing(
        self,
        at: datetime,
        who: Identifier,
        operation: Operation,
        system: str,
        why: Why,
        categories: Categories,
        *,
        rules: Rules = (),
        late: timedelta = timedelta(),
        **more: Any,
    ) -> None:
        """An operation in one of the company's own systems."""
        event = ProcessingEvent(
            occurred_at=at,
            subject=who,
            operation=operation,
            system=system,
            purpose=why.purpose,
            legal_basis=why.basis,
            data_categories=categories,
            **more,
        )
        self.add(event, rules, late)

    def collect(
        self, at: datetime, who: Identifier, system: str, why: Why, categories: Categories, **more: Any
    ) -> None:
        """Data given by the person, who was told why; `source=` and `rules=` override."""
        told = {"source": "data_subject", "subject_informed": True, **more}
        self.processing(at, who, "collect", system, why, categories, **told)

    def transfer(
        self,
        at: datetime,
        who: Identifier,
        recipient: str,
        why: Why,
        categories: Categories,
        *,
        system: str = "crm",
        rules: Rules = (),
        **more: Any,
    ) -> None:
        """Data handed to a supplier or partner."""
        event = TransferEvent(
            occurred_at=at,
            subject=who,
            recipient=recipient,
            system=system,
            purpose=why.purpose,
            legal_basis=why.basis,
            data_categories=categories,
            **more,
        )
        self.add(event, rules)

    def disclosure(
        self,
        at: datetime,
        who: Identifier,
        recipient: str,
        why: Why,
        categories: Categories,
        *,
        system: str = "crm",
        rules: Rules = (),
        **more: Any,
    ) -> None:
        """Data given out to a third party or an authority."""
        event = DisclosureEvent(
            occurred_at=at,
            subject=who,
            recipient=recipient,
            system=system,
            purpose=why.purpose,
            legal_basis=why.basis,
            data_categories=categories,
            **more,
        )
        self.add(event, rules)

    def contract(
        self,
        at: datetime,
        who: Identifier,
        contract_id: str,
        phase: ContractPhase,
        customer_type: CustomerType = "consumer",
    ) -> None:
        """A contract starts or ends."""
        self.add(
            ContractEvent(
                occurred_at=at,
                subject=who,
                system="crm",
                contract_id=contract_id,
                phase=phase,
                customer_type=customer_type,
            )
        )

    def right(
        self,
        at: datetime,
        who: Identifier,
        request_id: str,
        right: Right,
        phase: RightsPhase,
        **more: Any,
    ) -> None:
        """A step of a person's request."""
        event = RightsEvent(
            occurred_at=at,
            subject=who,
            system="support",
            request_id=request_id,
            right=right,
            phase=phase,
            **more,
        )
        self.add(event)

    def notice(self, at: datetime, who: Identifier | None, topic: Topic, version: str | None = None) -> None:
        """Something was told to one person, or (nobody named) to all."""
        self.add(NoticeEvent(occurred_at=at, subject=who, system="newsletter", topic=topic, version=version))
