"""People who are not customers yet: how the company came by their data, and the call it then makes.

Invariants: whoever comes from a partner, a register or a contest was told so (clause 2.5); every number was
washed against NIX at most 60 days before the call (clause 4.2 A).

Not handled here: what follows if they become customers (`customers`).
"""

from __future__ import annotations

from datetime import timedelta

from ansvar.events.model import Identifier
from ansvar.sample.scene import DUTY, MARKETING, Scene


def lead(scene: Scene) -> None:
    """Somebody who was called once and did not become a customer."""
    who = scene.people.customer(scene.dice)
    day = scene.dice.between(3, scene.calendar.days - 40)
    prospect(scene, who, day)
    if scene.dice.chance(50):
        scene.processing(scene.office(day + 30), who, "erase", "crm", DUTY, ("name", "phone_number"))


def prospect(scene: Scene, who: Identifier, day: int) -> None:
    """A lead from a partner, a register or a contest: told of the source, then called once."""
    dice = scene.dice
    source, name = dice.pick(
        (
            ("partner", "membership-partner"),
            ("public_register", "SPAR"),
            ("activity", "Villadagarna"),
        )
    )
    scene.collect(
        scene.office(day), who, "crm", MARKETING, ("name", "phone_number"), source=source, source_name=name
    )
    scene.notice(scene.office(day + 3), who, "source")
    marketing_call(scene, who, day + 7)


def marketing_call(scene: Scene, who: Identifier, day: int) -> None:
    """A call to somebody whose number was washed against NIX at most 60 days before (clause 4.2 A)."""
    at = scene.office(day)
    checked = (at - timedelta(days=scene.dice.between(1, 60))).date().isoformat()
    scene.processing(
        at,
        who,
        "call",
        "dialler",
        MARKETING,
        ("name", "phone_number"),
        nix_checked_at=checked,
        nix_listed=False,
    )
