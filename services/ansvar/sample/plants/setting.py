"""The persons of a planted breach, brought to the point at which something can go wrong.

Invariants: everything written here is calm (it fires nothing), begins in the first half of the year, and is
over at least three days before the day it returns; each call makes a new person. No clock finds
anything of it but where it says so.

Not handled here: the breach itself.
"""

from __future__ import annotations

from datetime import timedelta

from ansvar.events.model import Identifier, Right
from ansvar.sample.scene import CONTACT, CONTRACT, CUSTOMER, MARKETING, Rules, Scene, Why

LATEST = 170  # the last day on which a setting begins


def customer(scene: Scene, before: int = LATEST) -> tuple[Identifier, int]:
    """A customer with a contract begun by the day `before`, and a day on which it is in force."""
    who = scene.people.customer(scene.dice)
    joined = scene.dice.between(2, min(before, LATEST))
    at = scene.office(joined)
    scene.collect(at, who, "webshop", CONTRACT, CUSTOMER)
    scene.contract(at + timedelta(minutes=12), who, scene.reference("A"), "started")
    return who, joined + scene.dice.between(4, 80)


def former_customer(scene: Scene, objecting: bool = False) -> tuple[Identifier, int]:
    """A customer whose contract has ended, and a day at most four months after its end.

    `objecting`: they had objected to marketing by then. No data were erased, as clause 8.2 then asks at once,
    so `retention.overdue` finds them.
    """
    who = scene.people.customer(scene.dice)
    joined = scene.dice.between(2, LATEST)
    at = scene.office(joined)
    contract = scene.reference("A")
    scene.collect(at, who, "webshop", CONTRACT, CUSTOMER)
    scene.contract(at + timedelta(minutes=12), who, contract, "started")
    ended = joined + scene.dice.between(10, 60)
    if objecting:
        request = received(scene, who, joined + 3, "objection", "direct_marketing")
        scene.right(scene.office(joined + 6), who, request, "objection", "fulfilled")
    scene.contract(scene.office(ended), who, contract, "ended")
    return who, ended + scene.dice.between(4, 110)


def collected(scene: Scene, why: Why, *categories: str) -> tuple[Identifier, int]:
    """Somebody without a contract who gave these data for this purpose, and a later day."""
    who = scene.people.customer(scene.dice)
    day = scene.dice.between(2, LATEST)
    scene.collect(scene.office(day), who, "website", why, categories)
    return who, day + scene.dice.between(4, 80)


def lead(scene: Scene) -> tuple[Identifier, int]:
    """Somebody who gave name and phone number to be told of offers."""
    return collected(scene, MARKETING, "name", "phone_number", "email")


def company_contact(scene: Scene) -> tuple[Identifier, int]:
    """Somebody through whom a company is a customer, and a later day."""
    who = scene.people.numbered()
    joined = scene.dice.between(2, LATEST)
    at = scene.office(joined)
    scene.collect(at, who, "crm", CONTRACT, (*CONTACT, "customer_number"))
    scene.contract(at + timedelta(minutes=12), who, scene.reference("A"), "started", "company")
    return who, joined + scene.dice.between(4, 80)


def received(
    scene: Scene, who: Identifier, day: int, right: Right, scope: str | None = None, rules: Rules = ()
) -> str:
    """A request comes in on that day; its number."""
    request = scene.reference("R")
    scene.right(scene.office(day), who, request, right, "received", scope=scope, rules=rules)
    return request


def objector(scene: Scene, scope: str | None) -> tuple[Identifier, int]:
    """A customer who objected (scope None: to everything), and a later day."""
    who, day = customer(scene)
    request = received(scene, who, day, "objection", scope)
    scene.right(scene.office(day + 3), who, request, "objection", "fulfilled")
    return who, day + scene.dice.between(6, 90)
