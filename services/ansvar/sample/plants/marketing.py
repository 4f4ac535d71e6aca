"""Breaches of clause 4.2: offers after an objection, and calls that NIX should have stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ansvar.events.model import Identifier
from ansvar.sample.plants.registry import plant
from ansvar.sample.plants.setting import customer, former_customer, lead, objector
from ansvar.sample.scene import MARKETING, Rules, Scene


def _call(
    scene: Scene, who: Identifier, day: int, rules: Rules, *, washed: int | None = None, **more: Any
) -> None:
    """A sales call, `washed` days after the number was checked against NIX (None: never)."""
    at = scene.office(day)
    if washed is not None:
        more["nix_checked_at"] = (at - timedelta(days=washed)).date().isoformat()
    scene.processing(at, who, "call", "dialler", MARKETING, ("name", "phone_number"), rules=rules, **more)


@plant("marketing.objected", "marketing.objected", "marketing.objected")
def offers_after_an_objection(scene: Scene) -> None:
    """An e-mail, a call and a letter to somebody who has said no; no grounds override that."""
    who, day = objector(scene, "direct_marketing")
    rules = ("marketing.objected",)
    scene.processing(
        scene.office(day), who, "email", "newsletter", MARKETING, ("email",), rules=rules,
        compelling_grounds="LIA-A",
    )  # fmt: skip
    _call(scene, who, day + 3, rules, washed=9, nix_listed=False)
    who, day = objector(scene, "marketing")
    scene.transfer(
        scene.office(day),
        who,
        "mailing-house",
        MARKETING,
        ("name", "address"),
        system="newsletter",
        rules=rules,
    )


@plant("marketing.nix_not_checked", "marketing.nix_not_checked")
def never_washed(scene: Scene) -> None:
    """A list that was never washed, or was after the call; an exemption replaces no check."""
    rules = ("marketing.nix_not_checked",)
    who, day = lead(scene)
    _call(scene, who, day, rules)
    who, day = lead(scene)
    _call(scene, who, day, rules, washed=-3, nix_listed=False)


@plant("marketing.nix_not_checked", "marketing.nix_not_checked")
def washed_too_long_ago(scene: Scene) -> None:
    """A list washed 61 days before, and one washed half a year before, stated as a time."""
    rules = ("marketing.nix_not_checked",)
    who, day = customer(scene)
    _call(scene, who, day, rules, washed=61, nix_listed=False)
    who, day = lead(scene)
    washed = (scene.office(day) - timedelta(days=181)).isoformat()
    _call(scene, who, day, rules, nix_checked_at=washed, nix_listed=False)


@plant("marketing.nix_result_missing", "marketing.nix_result_missing")
def washed_without_a_result(scene: Scene) -> None:
    """Washed in time, but nobody wrote down what the register said."""
    rules = ("marketing.nix_result_missing",)
    for washed in (2, 60):
        who, day = lead(scene)
        _call(scene, who, day, rules, washed=washed)


@plant("marketing.nix_listed", "marketing.nix_listed")
def called_though_listed(scene: Scene) -> None:
    """The register said no; and an exemption for existing customers that this lead is not."""
    rules = ("marketing.nix_listed",)
    who, day = customer(scene)
    _call(scene, who, day, rules, washed=12, nix_listed=True)
    who, day = lead(scene)
    _call(scene, who, day, rules, washed=12, nix_listed=True, nix_exemption="existing_customer")


@plant("marketing.nix_exempted", "marketing.nix_exempted", "marketing.nix_exempted")
def called_under_an_exemption(scene: Scene) -> None:
    """Listed, but a customer, a customer until lately, and somebody who asked to be called."""
    rules = ("marketing.nix_exempted",)
    who, day = customer(scene)
    _call(scene, who, day, rules, washed=30, nix_listed=True, nix_exemption="existing_customer")
    who, day = former_customer(scene)
    _call(scene, who, day, rules, washed=30, nix_listed=True, nix_exemption="existing_customer")
    who, day = lead(scene)
    _call(scene, who, day, rules, washed=30, nix_listed=True, nix_exemption="consent")


@plant("marketing.objected", "marketing.nix_listed")
def objected_and_listed(scene: Scene) -> None:
    """Both the customer and the register said no: two rules on one call."""
    who, day = objector(scene, "direct_marketing")
    rules = ("marketing.objected", "marketing.nix_listed")
    _call(scene, who, day, rules, washed=20, nix_listed=True)
