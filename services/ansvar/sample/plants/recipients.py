"""Breaches of clauses 6.1, 6.2, 6.4 and 7.1: who gets the data, and on what ground an authority does."""

from __future__ import annotations

from datetime import date
from typing import Any

from ansvar.events.model import Identifier
from ansvar.sample.plants.registry import plant
from ansvar.sample.plants.setting import customer, former_customer, lead
from ansvar.sample.scene import (
    ABROAD,
    AUTHORITY,
    CONTACT,
    CONTRACT,
    DUTY,
    MARKETING,
    Rules,
    Scene,
)

DATA = ("name", "address")
LAPSED = date(2025, 12, 31)  # the first day that the review of the printer does not cover


def _tell(scene: Scene, recipient: str, rules: Rules, **more: Any) -> None:
    """A new customer's data, disclosed to an authority or somebody who is asked about it."""
    who, day = customer(scene)
    scene.disclosure(scene.office(day), who, recipient, DUTY, CONTACT, rules=rules, **more)


@plant("recipient.unregistered", "recipient.unregistered", "recipient.unregistered")
def strangers(scene: Scene) -> None:
    """Recipients that the register does not know, one of them behind a known one."""
    rules = ("recipient.unregistered",)
    who, day = customer(scene)
    scene.transfer(scene.office(day), who, "gallup-i-exempelstad", CONTRACT, DATA, rules=rules, country="SE")
    scene.transfer(scene.office(day + 3), who, "mailing-house", CONTRACT, DATA, rules=rules, via="budfirman")
    _tell(scene, "grannen", rules, recipient_type="other", reference="R-ingen")


@plant("recipient.unregistered", "transfer.third_country", "transfer.no_safeguard")
def stranger_abroad(scene: Scene) -> None:
    """An unknown recipient in the US, with nothing to protect the data."""
    who, day = customer(scene)
    rules = ("recipient.unregistered", *ABROAD, "transfer.no_safeguard")
    scene.transfer(scene.office(day), who, "free-mail-tool", CONTRACT, DATA, rules=rules, country="US")


@plant("recipient.unvetted", "transfer.third_country", "transfer.no_safeguard")
def trial_account(scene: Scene) -> None:
    """A trial account in the US without agreement, guarantees or instrument."""
    who, day = customer(scene)
    rules = ("recipient.unvetted", *ABROAD, "transfer.no_safeguard")
    scene.transfer(
        scene.office(day), who, "analytics-trial", CONTRACT, ("email",), system="data_warehouse", rules=rules
    )


@plant("recipient.unvetted", "transfer.third_country", "transfer.scope_unverified")
def trial_account_said_to_be_certified(scene: Scene) -> None:
    """The same, reached through the mailing house and said to be covered by a decision."""
    who, day = customer(scene)
    scene.transfer(
        scene.office(day), who, "mailing-house", MARKETING, DATA, via="analytics-trial", safeguard="adequacy",
        rules=("recipient.unvetted", *ABROAD, "transfer.scope_unverified"),
    )  # fmt: skip


@plant("recipient.unvetted", since=LAPSED)
def guarantees_lapsed(scene: Scene) -> None:
    """The printer whose guarantees were reviewed to 30 December 2025, on the last day of the year.

    Where that 30 December lies in the year and somebody can have joined before it, that day is still covered,
    and calm.
    """
    eve = scene.calendar.number(LAPSED) - 1
    if eve >= 20:
        who, _ = customer(scene, before=eve - 3)
        scene.transfer(scene.calendar.at(eve, 23, 50), who, "lapsed-printer", CONTRACT, DATA)
    else:
        who, _ = customer(scene)
    at = scene.calendar.at(scene.calendar.days - 1, scene.dice.between(3, 16), scene.dice.below(60))
    scene.transfer(at, who, "lapsed-printer", CONTRACT, DATA, rules=("recipient.unvetted",))


@plant("recipient.type_mismatch", "recipient.type_mismatch", "disclosure.authority")
def taken_for_something_else(scene: Scene) -> None:
    """A mailing house called a partner, and the police called something else: still an authority."""
    rules = ("recipient.type_mismatch",)
    _tell(scene, "mailing-house", rules, recipient_type="partner", ground="service_delivery")
    case: dict[str, Any] = {"ground": "suspected_crime", "reference": scene.reference("K")}
    _tell(scene, "police", (*rules, *AUTHORITY), recipient_type="other", **case)


@plant("recipient.no_subscription", "recipient.no_subscription", "recipient.no_subscription")
def partners_without_a_subscription(scene: Scene) -> None:
    """Partners get the data of a lead, and of somebody who has left."""

    def share(who: Identifier, day: int, recipient: str) -> None:
        scene.transfer(
            scene.office(day), who, recipient, MARKETING, ("name",), rules=("recipient.no_subscription",)
        )

    who, day = lead(scene)
    share(who, day, "membership-partner")
    share(who, day + 3, "installer-partner")
    who, day = former_customer(scene)
    share(who, day, "membership-partner")


@plant("disclosure.authority", "disclosure.authority")
def told_in_order(scene: Scene) -> None:
    """A court's order and the supervisory authority's request, each with its reference."""
    for recipient in ("court", "imy"):
        case: dict[str, Any] = {"ground": "legal_request", "reference": scene.reference("K")}
        _tell(scene, recipient, AUTHORITY, recipient_type="authority", **case)


@plant(
    "disclosure.authority",
    "disclosure.authority",
    "disclosure.authority",
    "disclosure.ground_missing",
    "disclosure.ground_missing",
    "disclosure.ground_missing",
)
def told_without_a_ground(scene: Scene) -> None:
    """No ground, one that is no ground for an authority, and a transfer, which has none to state."""
    rules = (*AUTHORITY, "disclosure.ground_missing")
    _tell(scene, "police", rules, recipient_type="authority")
    _tell(scene, "tax-agency", rules, ground="service_delivery")
    who, day = customer(scene)
    scene.transfer(scene.office(day), who, "police", DUTY, ("name", "address"), rules=rules)


@plant(
    "disclosure.authority",
    "disclosure.authority",
    "disclosure.reference_missing",
    "disclosure.reference_missing",
)
def told_without_a_reference(scene: Scene) -> None:
    """A legal request that nobody can find again."""
    rules = (*AUTHORITY, "disclosure.reference_missing")
    _tell(scene, "court", rules, recipient_type="authority", ground="legal_request")
    _tell(scene, "imy", rules, ground="legal_request")


@plant("disclosure.authority", "recipient.unregistered")
def authority_nobody_registered(scene: Scene) -> None:
    """An authority that the register does not know is one as stated."""
    rules = (*AUTHORITY, "recipient.unregistered")
    case: dict[str, Any] = {"ground": "legal_obligation", "reference": scene.reference("K")}
    _tell(scene, "enforcement-agency", rules, recipient_type="authority", **case)
