"""The scene on which stories play: it writes events down, each with the rules that must fire on it.

Invariants: every event is written together with its truth: the rules, in no order (none = permitted), and
those that fire only where it is recorded, because they look at when and by whom it is. What the clocks must
find at the year's end is written down beside them. The event id is not set here, because it depends on the
place in the finished year.

Not handled here: which events make sense (`customers`, `organisation`, `plants`), ids and order (`company`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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

LATE: Rules = ("event.late",)  # where events are recorded that happened more than 400 days before


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
    live: Rules = ()  # rules that fire only where the event is recorded
    producer: str | None = None  # who sends it there; None: the one that may send everything


class Scene:
    """Writes one story's events.

    `rules=` are those that must fire on an event, `live=` those that fire besides where it is recorded,
    `late=` is how long after it happened it reaches the log. `clocks` counts what the clocks must find.
    """

    def __init__(self, calendar: Calendar, people: People, dice: Dice) -> None:
        self.calendar = calendar
        self.people = people
        self.dice = dice
        self.drafts: list[Draft] = []
        self.clocks: Counter[str] = Counter()
        self._reported: datetime | None = None
        self._producer: str | None = None

    def add(self, event: Event, rules: Rules = (), late: timedelta = timedelta(), live: Rules = ()) -> None:
        """Write an event down."""
        arrives = event.occurred_at + late
        if self._reported is not None:
            arrives, live = self._reported, (*live, *LATE)
            self._reported += timedelta(seconds=1)
        self.drafts.append(Draft(event, arrives, rules, live, self._producer))

    @contextmanager
    def reported(self, at: datetime) -> Iterator[None]:
        """What is written within happened long ago, and reaches the log at `at`, one a second."""
        self._reported = at
        yield
        self._reported = None

    @contextmanager
    def sent_by(self, producer: str) -> Iterator[None]:
        """What is written within is sent by a producer with a registration of its own."""
        self._producer = producer
        yield
        self._producer = None

    def due(self, clock: str) -> None:
        """What a clock must find at the end of the year, once more."""
        self.clocks[clock] += 1

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
        live: Rules = (),
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
        self.add(event, rules, late, live)

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
        live: Rules = (),
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
        self.add(event, rules, live=live)

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
        *,
        rules: Rules = (),
        late: timedelta = timedelta(),
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
        self.add(event, rules, late)

    def notice(
        self,
        at: datetime,
        who: Identifier | None,
        topic: Topic,
        version: str | None = None,
        *,
        correlation_id: str | None = None,
    ) -> None:
        """Something was told to one person, or (nobody named) to all."""
        self.add(
            NoticeEvent(
                occurred_at=at,
                subject=who,
                system="newsletter",
                topic=topic,
                version=version,
                correlation_id=correlation_id,
            )
        )
