"""The months of a private customer: alarms, invoices, offers, support, and what comes once a year.

Invariants: every event is one that `Life.allows` at its time, or it is left out; nothing is planned so late
that what follows it (a payment, a weekend) falls outside the year.

Not handled here: joining, leaving and requests (`customers`, `requests`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ansvar.events.model import Identifier, Operation
from ansvar.sample.leads import marketing_call
from ansvar.sample.life import Life
from ansvar.sample.scene import (
    ABROAD,
    AUTHORITY,
    CARE,
    CONTACT,
    CONTRACT,
    DUTY,
    EVALUATION,
    MARKETING,
    PROFILE,
    SECURITY,
    SERVICE,
    Categories,
    Scene,
    Why,
)

POLICY_CHANGED = 59  # a new version of the privacy policy: 1 March where the year is the calendar's

LAWFUL_US: tuple[dict[str, Any], ...] = (
    {},
    {"safeguard": "adequacy", "country": "US"},
    {"safeguard": "scc", "safeguard_reference": "SCC-2023-04"},
)
LAWFUL_CH: tuple[dict[str, Any], ...] = (
    {},
    {"safeguard": "bcr", "safeguard_reference": "BCR-CH-1"},
    {"safeguard": "adequacy", "country": "CH"},
)


def version(scene: Scene, years: int = 0) -> str:
    """The version of the privacy policy that came in this year; `years=-1`: the one before."""
    return f"{scene.calendar.date_of(POLICY_CHANGED).year + years}-1"


class Routine:
    """The months of a customer: whatever `Life.allows`, and nothing after the year's last evening."""

    def __init__(self, scene: Scene, who: Identifier, joined: int, life: Life) -> None:
        self.scene, self.who, self.joined, self.life = scene, who, joined, life
        self.dice = scene.dice
        self.last = scene.calendar.days - 9  # room for a weekend and for what follows within some days

    def play(self) -> None:
        self._welcome()
        day = self.joined + 5
        while day <= self.last:
            self._month(day)
            day += 30
        self._once_a_year()

    def _days(self) -> int | None:
        """A day in the customer's year, at least three after joining; None when there is none left."""
        first = self.joined + 3
        return self.dice.between(first, self.last) if first <= self.last else None

    def _do(
        self,
        day: int,
        operation: Operation,
        system: str,
        why: Why,
        categories: Categories,
        *,
        at_any_hour: bool = False,
        late: timedelta = timedelta(),
        **more: Any,
    ) -> None:
        at = self.scene.any_hour(day) if at_any_hour else self.scene.office(day)
        if self.life.allows(at, why):
            self.scene.processing(at, self.who, operation, system, why, categories, late=late, **more)

    def _hand_over(
        self, day: int, recipient: str, why: Why, categories: Categories, system: str = "crm", **more: Any
    ) -> None:
        at = self.scene.office(day)
        if self.life.allows(at, why):
            self.scene.transfer(at, self.who, recipient, why, categories, system=system, **more)

    def _welcome(self) -> None:
        day = self.joined + 3
        if day > self.last:
            return
        dice = self.dice
        informed: dict[str, Any] = {"source": "data_subject", "subject_informed": True}
        self._profiled = dice.chance(60)
        if self._profiled:
            self._do(day, "collect", "webshop", MARKETING, PROFILE, **informed)
        if dice.chance(20):
            kit: Categories = ("customer_number", "email", "ip_address")
            self._hand_over(day, "app-hosting-us", CONTRACT, kit, rules=ABROAD, **dice.pick(LAWFUL_US))
        if dice.chance(10):
            guarded: Categories = ("name", "address", "phone_number")
            self._hand_over(
                day, "monitoring-group-ch", CONTRACT, guarded, "alarm_centre", rules=ABROAD,
                **dice.pick(LAWFUL_CH),
            )  # fmt: skip

    def _month(self, day: int) -> None:
        dice = self.dice
        for _ in range(dice.below(3)):
            # One report in fifty comes in after a broken line: it happened earlier than it arrives.
            late = timedelta(hours=dice.between(20, 70)) if dice.chance(2) and self._plain() else timedelta()
            self._do(
                day + dice.below(5), "use", "alarm_centre", CONTRACT, ("name", "address", "customer_number"),
                at_any_hour=True, late=late,
            )  # fmt: skip
        if dice.chance(40):
            self._invoice(day)
        if dice.chance(25):
            self._do(day + dice.below(5), "email", "newsletter", MARKETING, ("name", "email"))
        if dice.chance(15):
            self._support(day)
        if dice.chance(20):
            self._do(
                day + dice.below(5), "store", "website", SECURITY, ("ip_address", "customer_number"),
                at_any_hour=True,
            )  # fmt: skip

    def _plain(self) -> bool:
        life = self.life
        return life.ended is None and life.gone is None and not life.restrictions

    def _invoice(self, day: int) -> None:
        number = self.scene.reference("F")
        billed: Categories = ("name", "address", "customer_number")
        self._do(day, "use", "billing", CONTRACT, billed, correlation_id=number)
        self._hand_over(day, "invoicing-bureau", CONTRACT, billed, "billing", correlation_id=number)
        if day + 20 > self.last:
            return
        paid: Categories = ("payment_history", "bank_account")
        self._do(
            day + 20, "collect", "billing", CONTRACT, paid, source="data_subject", subject_informed=True,
            correlation_id=number,
        )  # fmt: skip
        if self.dice.chance(50) and self._plain():
            # Act 1999:1078: vouchers are kept for seven years.
            self._do(day + 23, "store", "billing", DUTY, paid, correlation_id=number)

    def _support(self, day: int) -> None:
        dice = self.dice
        case = self.scene.reference("S")
        why = dice.pick((SERVICE, CARE))
        said = dice.pick(
            (
                "Kunden undrar över fakturan.",
                "Byter kod till larmet.",
                "Rörelsedetektorn har slut på batteri.",
                "Vill flytta larmet till ny adress.",
                None,
            )
        )
        self._do(
            day + dice.below(5), "use", "support", why, ("name", "phone_number", "customer_number"),
            actor=self.scene.people.colleague(dice), correlation_id=case, details=said,
        )  # fmt: skip

    def _once_a_year(self) -> None:
        dice = self.dice
        scene = self.scene
        for percent, act in (
            (60, self._segment),
            (30, self._call),
            (30, self._letter),
            (25, self._survey),
            (20, self._membership),
            (2, self._authority),
        ):
            day = self._days()
            if day is not None and dice.chance(percent):
                act(day)
        changed = scene.office(POLICY_CHANGED)
        if self.joined < POLICY_CHANGED - 5 and (self.life.gone is None or changed < self.life.gone):
            scene.notice(changed, self.who, "policy_version", version(scene))

    def _segment(self, day: int) -> None:
        if not self._profiled or day < self.joined + 6 or day + 4 > self.last:
            return
        self._do(day, "profile", "data_warehouse", MARKETING, PROFILE)
        self._do(day + 4, "analyse", "data_warehouse", MARKETING, PROFILE, aggregated=True, deidentified=True)

    def _call(self, day: int) -> None:
        if self.life.allows(self.scene.office(day), MARKETING):
            marketing_call(self.scene, self.who, day)

    def _letter(self, day: int) -> None:
        self._hand_over(day, "mailing-house", MARKETING, ("name", "address"), "newsletter")

    def _survey(self, day: int) -> None:
        self._do(day, "email", "newsletter", EVALUATION, ("name", "email"))
        self._do(day, "analyse", "data_warehouse", EVALUATION, ("customer_number",))

    def _membership(self, day: int) -> None:
        at = self.scene.office(day)
        if self.life.allows(at, SERVICE):
            self.scene.disclosure(
                at, self.who, "membership-partner", SERVICE, ("name", "customer_number"),
                recipient_type="partner", ground="service_delivery",
            )  # fmt: skip

    def _authority(self, day: int) -> None:
        at = self.scene.office(day)
        if not self.life.allows(at, DUTY):
            return
        recipient, ground = self.dice.pick(
            (("police", "suspected_crime"), ("court", "legal_request"), ("police", "fraud_prevention"))
        )
        self.scene.disclosure(
            at, self.who, recipient, DUTY, CONTACT, rules=AUTHORITY, recipient_type="authority",
            ground=ground, reference=self.scene.reference("K"),
        )  # fmt: skip
