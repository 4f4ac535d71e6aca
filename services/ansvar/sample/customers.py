"""The calm life of a private customer: joins, is served, makes a request or not, perhaps leaves.

Invariants: data is collected from an informed person before it is used; marketing stops at an objection, the
rest at the contract's end; every request is answered in time. So nothing here fires but the two flags of
ordinary business, a destination abroad and an authority, which are written beside the events.

Not handled here: the months between (`routine`), the steps of requests (`requests`), breaches (`plants`),
companies and staff (`organisation`).
"""

from __future__ import annotations

from datetime import timedelta

from ansvar.events.model import Identifier
from ansvar.sample.leads import prospect
from ansvar.sample.life import Life
from ansvar.sample.requests import (
    REQUESTS,
    erasure_after_leaving,
    objection_to_marketing,
    tell_recipients,
)
from ansvar.sample.routine import Routine, version
from ansvar.sample.scene import ABROAD, CONTRACT, CUSTOMER, DUTY, Categories, Scene

STANDING_PERCENT = 45  # taken on from the register when logging began, in the first days of the year


def customer(scene: Scene) -> None:
    """One private customer's year."""
    dice = scene.dice
    who = scene.people.customer(dice)
    standing = dice.chance(STANDING_PERCENT)
    joined = dice.between(1, 12) if standing else dice.between(14, scene.calendar.days - 15)
    if not standing and joined > 50 and dice.chance(25):
        prospect(scene, who, joined - 30)
    life = _join(scene, who, joined, standing)
    _plan(scene, who, joined, life)
    if not standing:
        _install(scene, who, joined, life)
    Routine(scene, who, joined, life).play()
    tell_recipients(scene, who)


def _join(scene: Scene, who: Identifier, joined: int, standing: bool) -> Life:
    dice = scene.dice
    at = scene.office(joined)
    system = "crm" if standing else dice.pick(("webshop", "support", "webshop"))
    scene.collect(at, who, system, CONTRACT, CUSTOMER)
    started = at + timedelta(minutes=10)
    life = Life(started=started)
    contract_id = scene.reference("A")
    scene.contract(started, who, contract_id, "started")
    scene.processing(started + timedelta(minutes=1), who, "store", "crm", CONTRACT, CUSTOMER)
    scene.notice(started + timedelta(minutes=5), who, "policy_version", version(scene, -1))
    if dice.chance(10) and joined < scene.calendar.days - 120:
        life.ended = scene.office(joined + dice.between(60, scene.calendar.days - joined - 50))
        scene.contract(life.ended, who, contract_id, "ended")
    return life


def _plan(scene: Scene, who: Identifier, joined: int, life: Life) -> None:
    """Decide which request, if any, this customer makes, before the routine that must respect it."""
    dice = scene.dice
    room = scene.calendar.days - joined
    if life.ended is not None:
        left = scene.calendar.day_of(life.ended)
        if dice.chance(35):
            erasure_after_leaving(scene, who, left + 4, life)
        elif dice.chance(35):
            objection_to_marketing(scene, who, left - 20, life)
            # Clause 8.2: objected to marketing, so everything goes at the contract's end.
            gone = scene.office(left + 3)
            scene.processing(gone, who, "erase", "crm", DUTY, CUSTOMER)
            life.gone = gone
    elif room > 110 and dice.chance(25):
        dice.pick(REQUESTS)(scene, who, joined + dice.between(15, room - 95), life)


def _install(scene: Scene, who: Identifier, joined: int, life: Life) -> None:
    if life.ended is not None and life.ended < life.started + timedelta(days=30):
        return
    fitted = scene.office(joined + 10)
    if fitted > scene.calendar.at(scene.calendar.days - 1, 18):
        return
    booking = scene.reference("B")
    visit: Categories = ("name", "address", "phone_number")
    scene.transfer(
        scene.office(joined + 4), who, "installer-partner", CONTRACT, visit, correlation_id=booking
    )
    scene.transfer(
        fitted - timedelta(hours=1),
        who,
        "sms-gateway",
        CONTRACT,
        ("phone_number",),
        rules=ABROAD,
        correlation_id=booking,
    )
    scene.processing(
        fitted - timedelta(hours=1) + timedelta(seconds=2),
        who,
        "sms",
        "crm",
        CONTRACT,
        ("phone_number",),
        correlation_id=booking,
    )
    scene.processing(
        fitted, who, "organise", "alarm_centre", CONTRACT, ("name", "address"), correlation_id=booking
    )
