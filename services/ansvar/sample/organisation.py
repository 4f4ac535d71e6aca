"""Everybody around the private customers: companies, applicants, staff, visitors, the company.

Invariants: as in `customers`, calm: nothing fires but the flags written beside the events. Company customers
are controllers of their users' data (clause 11.1), so such events carry the role of processor and the
company's name; of their contact persons only contact data is used.

Not handled here: private customers (`customers`), breaches (`plants`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ansvar.sample.routine import POLICY_CHANGED, version
from ansvar.sample.scene import ABROAD, AUTHORITY, CARE, CONTACT, CONTRACT, DUTY, HIRING, SERVICE, Scene

COMPANIES = (
    "Bageri Gläntan AB",
    "Exempel Fastigheter AB",
    "Hamnkontoret i Exempelstad",
    "Provbygg i Norr AB",
    "Skolan Solrosen",
    "Verkstan Påhittet HB",
)
LAWFUL_CA: tuple[dict[str, Any], ...] = ({}, {"safeguard": "adequacy", "country": "CA"})


def company(scene: Scene) -> None:
    """A company customer: a contact person, and the people whose alarm it is."""
    dice = scene.dice
    contact = scene.people.numbered()
    name = dice.pick(COMPANIES)
    joined = dice.between(1, scene.calendar.days // 2)
    at = scene.office(joined)
    reached = (*CONTACT, "customer_number")
    scene.collect(at, contact, "crm", CONTRACT, reached)
    scene.contract(at + timedelta(minutes=20), contact, scene.reference("A"), "started", "company")
    for day in range(joined + 8, scene.calendar.days - 6, 91):
        number = scene.reference("F")
        billed = ("name", "address", "customer_number")
        scene.processing(
            scene.office(day), contact, "use", "billing", CONTRACT, billed, correlation_id=number
        )
        scene.transfer(
            scene.office(day + 3), contact, "invoicing-bureau", CONTRACT, billed, system="billing",
            correlation_id=number,
        )  # fmt: skip
        if dice.chance(30):
            scene.processing(scene.office(day), contact, "use", "support", SERVICE, ("name", "phone_number"))
    for _ in range(dice.between(1, 3)):
        _user(scene, name, joined + 5)


def _user(scene: Scene, controller: str, day: int) -> None:
    """Somebody who works at a company customer and has a code to its alarm."""
    dice = scene.dice
    who = scene.people.email(dice)
    ours: dict[str, Any] = {"role": "processor", "controller": controller}
    known = ("name", "email", "phone_number")
    scene.collect(scene.office(day), who, "alarm_centre", CONTRACT, known, **ours)
    for use in range(day + 4, scene.calendar.days - 6, dice.between(30, 80)):
        scene.processing(scene.any_hour(use), who, "use", "alarm_centre", CONTRACT, ("name",), **ours)
    if dice.chance(30):
        scene.transfer(
            scene.office(day + 3), who, "monitoring-group-ch", CONTRACT, known, system="alarm_centre",
            rules=ABROAD, safeguard="bcr", safeguard_reference="BCR-CH-1", **ours,
        )  # fmt: skip


def applicant(scene: Scene) -> None:
    """Somebody applies for work, is considered by people, and is hired or erased."""
    dice = scene.dice
    who = scene.people.applicant()
    day = dice.between(3, scene.calendar.days - 50)
    portal = "recruitment_portal"
    scene.collect(scene.office(day), who, portal, HIRING, CONTACT)
    scene.processing(scene.office(day + 3), who, "store", portal, HIRING, CONTACT)
    if dice.chance(50):
        scene.transfer(
            scene.office(day + 6), who, "hr-platform-ca", HIRING, ("name", "email"), system=portal,
            rules=ABROAD, **dice.pick(LAWFUL_CA),
        )  # fmt: skip
    scene.processing(scene.office(day + 9), who, "email", portal, HIRING, ("name", "email"))
    scene.processing(
        scene.office(day + 20), who, "decide", portal, HIRING, ("name",), automated_decision=False,
        actor=scene.people.colleague(dice),
    )  # fmt: skip
    if dice.chance(70):
        scene.processing(scene.office(day + 40), who, "erase", portal, HIRING, CONTACT)


def employee(scene: Scene) -> None:
    """Somebody on the staff: hired, paid each quarter, and reported to the tax agency."""
    who = scene.people.employee()
    known = ("name", "address", "personnummer", "bank_account")
    scene.collect(scene.office(1), who, "recruitment_portal", HIRING, known)
    for day in (20, 110, 201, 292):
        scene.processing(scene.office(day), who, "use", "billing", DUTY, ("name", "bank_account"))
        scene.disclosure(
            scene.office(day + 4), who, "tax-agency", DUTY, ("name", "personnummer"), system="billing",
            rules=AUTHORITY, recipient_type="authority", ground="legal_obligation",
        )  # fmt: skip


def visitor(scene: Scene, most: int = 4) -> None:
    """A browser on the website: its address is noted, cookies are set, a map from Google may be shown.

    At most `most` events (at least one).
    """
    dice = scene.dice
    who = scene.people.device()
    at = scene.any_hour(dice.below(scene.calendar.days))
    scene.collect(at, who, "website", CARE, ("ip_address",))
    for cookie in ("necessary", "functional", "third_party")[: dice.below(min(most, 4))]:
        at += timedelta(seconds=dice.between(1, 40))
        if cookie == "third_party" and dice.chance(50):
            scene.transfer(
                at, who, "google-maps", CARE, ("ip_address",), system="website", rules=ABROAD, country="US"
            )
        else:
            scene.processing(at, who, "set_cookie", "website", CARE, ("ip_address",), cookie=cookie)


def announcements(scene: Scene) -> None:
    """What the company told everybody: the policy's versions, a new recipient."""
    scene.notice(scene.office(0), None, "policy_version", version(scene, -1))
    scene.notice(scene.office(POLICY_CHANGED), None, "policy_version", version(scene))
    scene.notice(scene.office(150), None, "recipient")
