"""Breaches of clause 6.3: data that leaves the EEA without what must protect it.

Every event here also raises `transfer.third_country`, but for a country code that is none.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from ansvar.sample.calendar import wall_clock
from ansvar.sample.plants.registry import plant
from ansvar.sample.plants.setting import customer
from ansvar.sample.scene import ABROAD, CONTACT, CONTRACT, CUSTOMER, LATE, SERVICE, Rules, Scene

DATA = ("name", "email")


def _send(scene: Scene, recipient: str, rules: Rules, **more: Any) -> None:
    """A transfer of a new customer's data under the contract."""
    who, day = customer(scene)
    scene.transfer(scene.office(day), who, recipient, CONTRACT, DATA, rules=rules, **more)


@plant("transfer.third_country", "transfer.third_country")
def abroad_and_lawful(scene: Scene) -> None:
    """Abroad with an instrument, and abroad where `none` sets aside the instrument but not the decision."""
    _send(scene, "monitoring-group-ch", ABROAD, safeguard="bcr", safeguard_reference="BCR-CH-1")
    _send(scene, "app-hosting-us", ABROAD, safeguard="none", country="US")


@plant("transfer.third_country", "transfer.third_country", "transfer.no_safeguard", "transfer.no_safeguard")
def unprotected(scene: Scene) -> None:
    """No safeguard where a decision is missing: by the country stated, and by an instrument set aside."""
    rules = (*ABROAD, "transfer.no_safeguard")
    _send(scene, "mailing-house", rules, country="IN")
    _send(scene, "support-desk-in", rules, safeguard="none", remote_access=True)


@plant("transfer.third_country", "transfer.no_safeguard")
def disclosed_unprotected(scene: Scene) -> None:
    """A disclosure abroad is judged like a transfer."""
    who, day = customer(scene)
    scene.disclosure(
        scene.office(day), who, "invoicing-bureau", CONTRACT, DATA, recipient_type="invoicing",
        ground="service_delivery", country="US", rules=(*ABROAD, "transfer.no_safeguard"),
    )  # fmt: skip


@plant(
    "transfer.third_country",
    "transfer.third_country",
    "transfer.adequacy_not_in_force",
    "transfer.adequacy_not_in_force",
)
def no_such_decision(scene: Scene) -> None:
    """An adequacy decision is claimed for countries that have none."""
    rules = (*ABROAD, "transfer.adequacy_not_in_force")
    _send(scene, "mailing-house", rules, country="IN", safeguard="adequacy")
    _send(scene, "invoicing-bureau", rules, country="GL", safeguard="adequacy")


@plant(
    "transfer.third_country",
    "transfer.third_country",
    "transfer.scope_unverified",
    "transfer.scope_unverified",
)
def not_shown_to_be_in_scope(scene: Scene) -> None:
    """A limited decision is claimed for a recipient about whose place in it nothing is recorded."""
    rules = (*ABROAD, "transfer.scope_unverified")
    _send(scene, "mailing-house", rules, country="US", safeguard="adequacy")
    _send(scene, "invoicing-bureau", rules, country="JP", safeguard="adequacy")


@plant("transfer.third_country", "transfer.third_country", "transfer.tool_invalid", "transfer.tool_invalid")
def annulled_tools(scene: Scene) -> None:
    """The tool that the policy's own text still names, and the one before it."""
    rules = (*ABROAD, "transfer.tool_invalid")
    _send(scene, "app-hosting-us", rules, safeguard="privacy_shield")
    _send(scene, "app-hosting-us", rules, safeguard="safe_harbor")


@plant("transfer.third_country", "transfer.third_country", "transfer.tool_invalid", live=LATE * 4)
def before_and_after_schrems(scene: Scene) -> None:
    """Maps from the US under Privacy Shield in June 2020, and again on the day after the court annulled it.

    An archive of a customer since 2019, read in late. The recipient is a controller of its own, which takes
    no agreement; judgement of 2020-07-16, C-311/18.
    """
    who = scene.people.customer(scene.dice)
    shield: dict[str, Any] = {"safeguard": "privacy_shield", "country": "US"}
    dice = scene.dice
    with scene.reported(scene.office(dice.between(3, 300))):
        at = wall_clock(date(2019, dice.between(1, 12), dice.between(1, 28)), 11, dice.below(60))
        scene.collect(at, who, "webshop", CONTRACT, CUSTOMER)
        scene.contract(at, who, f"A-{at.year}-{dice.below(10_000_000):07d}", "started")
        before = wall_clock(date(2020, 6, dice.between(1, 30)), dice.between(8, 16))
        scene.transfer(before, who, "google-maps", CONTRACT, ("address",), rules=ABROAD, **shield)
        after = wall_clock(date(2020, 7, 17), dice.between(8, 16))
        rules = (*ABROAD, "transfer.tool_invalid")
        scene.transfer(after, who, "google-maps", CONTRACT, ("address",), rules=rules, **shield)


@plant(
    "transfer.third_country",
    "transfer.third_country",
    "transfer.safeguard_unregistered",
    "transfer.safeguard_unregistered",
)
def clauses_nobody_signed(scene: Scene) -> None:
    """A reference that is not the instrument's, and clauses with somebody who has none."""
    rules = (*ABROAD, "transfer.safeguard_unregistered")
    _send(scene, "app-hosting-us", rules, safeguard="scc", safeguard_reference="SCC-2019-07")
    _send(scene, "mailing-house", rules, country="US", safeguard="scc")


@plant(
    "transfer.third_country",
    "transfer.third_country",
    "transfer.assessment_missing",
    "transfer.assessment_missing",
)
def not_assessed(scene: Scene) -> None:
    """Clauses in force with a help desk in India, whose laws nobody has assessed."""
    rules = (*ABROAD, "transfer.assessment_missing")
    stated = {"safeguard": "scc", "safeguard_reference": "SCC-2024-02"}
    _send(scene, "support-desk-in", rules, remote_access=True, **stated)
    who, day = customer(scene)
    scene.transfer(
        scene.office(day), who, "support-desk-in", SERVICE, ("name", "phone_number"), system="support",
        rules=rules, remote_access=True,
    )  # fmt: skip


@plant(
    "transfer.third_country",
    "transfer.third_country",
    "transfer.tool_not_in_policy",
    "transfer.tool_not_in_policy",
    "transfer.safeguard_unregistered",
)
def tools_the_policy_does_not_name(scene: Scene) -> None:
    """A derogation with its reference, and a certification that is not in the register."""
    tool = "transfer.tool_not_in_policy"
    derogation = {"safeguard": "derogation", "safeguard_reference": "Art. 49(1)(b)"}
    _send(scene, "mailing-house", (*ABROAD, tool), country="TR", **derogation)
    rules = (*ABROAD, tool, "transfer.safeguard_unregistered")
    _send(scene, "mailing-house", rules, country="TR", safeguard="certification")


@plant("transfer.third_country", "transfer.tool_not_in_policy", "transfer.safeguard_unregistered")
def derogation_without_a_reference(scene: Scene) -> None:
    """A derogation that says not which."""
    rules = (*ABROAD, "transfer.tool_not_in_policy", "transfer.safeguard_unregistered")
    _send(scene, "invoicing-bureau", rules, country="US", safeguard="derogation")


@plant("transfer.country_unknown", "transfer.country_unknown", "transfer.country_unknown")
def codes_that_are_none(scene: Scene) -> None:
    """A wrong code (GB is meant), one that does not exist, and a territory whose status is disputed."""
    rules = ("transfer.country_unknown",)
    _send(scene, "mailing-house", rules, country="UK", safeguard="adequacy")
    _send(scene, "mailing-house", rules, country="XX")
    _send(scene, "invoicing-bureau", rules, country="NC")


@plant("transfer.country_unknown", "transfer.third_country")
def wrong_code_beside_a_right_one(scene: Scene) -> None:
    """The code stated is none, but the recipient is known to be in the US."""
    who, day = customer(scene)
    scene.transfer(
        scene.office(day), who, "app-hosting-us", CONTRACT, CONTACT, country="EL",
        rules=(*ABROAD, "transfer.country_unknown"),
    )  # fmt: skip
