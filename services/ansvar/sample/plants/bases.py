"""Breaches of chapter 5 (legal bases) and of objections under 9.5 to what rests on legitimate interest."""

from __future__ import annotations

from datetime import date

from ansvar.sample.calendar import wall_clock
from ansvar.sample.plants.registry import plant
from ansvar.sample.plants.setting import collected, customer, former_customer, lead, objector
from ansvar.sample.scene import (
    CONTACT,
    CONTRACT,
    EVALUATION,
    LATE,
    MARKETING,
    SECURITY,
    SERVICE,
    Scene,
    Why,
)


@plant("basis.missing", "basis.missing")
def on_no_basis(scene: Scene) -> None:
    """A purpose, but nothing that it rests on."""
    who, day = customer(scene)
    rules = ("basis.missing",)
    scene.processing(scene.office(day), who, "use", "crm", Why("contract", None), CONTACT, rules=rules)
    scene.transfer(
        scene.office(day + 3), who, "mailing-house", Why("marketing", None), ("name", "address"), rules=rules
    )


@plant("basis.not_in_policy", "basis.not_in_policy")
def on_consent(scene: Scene) -> None:
    """Bases of Art. 6 that the policy does not use."""
    who, day = customer(scene)
    rules = ("basis.not_in_policy",)
    consent, task = Why("marketing", "consent"), Why("security", "public_task")
    scene.processing(scene.office(day), who, "email", "newsletter", consent, ("email",), rules=rules)
    scene.processing(scene.office(day + 3), who, "store", "website", task, ("ip_address",), rules=rules)


@plant("basis.unknown", "basis.unknown")
def on_a_word_that_is_no_basis(scene: Scene) -> None:
    """A misspelt basis and an invented one."""
    who, day = customer(scene)
    rules = ("basis.unknown",)
    misspelt, habit = Why("marketing", "legitimate_intrest"), Why("customer_service", "custom")
    scene.processing(scene.office(day), who, "email", "newsletter", misspelt, ("email",), rules=rules)
    scene.processing(scene.office(day + 3), who, "use", "support", habit, ("name",), rules=rules)


@plant("basis.purpose_mismatch", "basis.purpose_mismatch", "basis.purpose_mismatch")
def on_the_wrong_basis(scene: Scene) -> None:
    """Marketing as a duty, evaluation as part of the contract, the contract as an interest."""
    who, day = customer(scene)
    rules = ("basis.purpose_mismatch",)
    duty, deal = Why("marketing", "legal_obligation"), Why("evaluation", "contract")
    interest = Why("contract", "legitimate_interest")
    scene.processing(scene.office(day), who, "email", "newsletter", duty, ("email",), rules=rules)
    scene.processing(scene.office(day + 3), who, "analyse", "data_warehouse", deal, ("address",), rules=rules)
    scene.transfer(scene.office(day + 6), who, "invoicing-bureau", interest, ("name", "address"), rules=rules)


@plant("basis.no_contract", "basis.no_contract")
def served_before_signing(scene: Scene) -> None:
    """Somebody who only asked for an offer is served and invoiced as a customer."""
    who, day = collected(scene, CONTRACT, "name", "address")
    rules = ("basis.no_contract",)
    scene.processing(scene.office(day), who, "use", "alarm_centre", CONTRACT, ("name",), rules=rules)
    scene.transfer(scene.office(day + 3), who, "invoicing-bureau", CONTRACT, ("name", "address"), rules=rules)


@plant("basis.contract_ended", "basis.contract_ended")
def served_after_leaving(scene: Scene) -> None:
    """The help desk goes on as if the contract were in force."""
    who, day = former_customer(scene)
    rules = ("basis.contract_ended",)
    scene.processing(scene.office(day), who, "use", "support", SERVICE, ("name",), rules=rules)
    scene.processing(
        scene.office(day + 3), who, "letter", "support", SERVICE, ("name", "address"), rules=rules
    )


@plant("basis.no_balancing_test", "basis.no_balancing_test", live=LATE * 2)
def before_the_balancing_tests(scene: Scene) -> None:
    """Events of December 2023, reported when a broken queue was found on the year's second day.

    The balancing tests came into force on 2024-01-01, more than 400 days before any year of the sample is
    recorded. The events name nobody who appears again.
    """
    rules = ("basis.no_balancing_test",)
    who = scene.people.customer(scene.dice)
    with scene.reported(scene.office(1)):
        for why, system, data in (
            (EVALUATION, "data_warehouse", "address"),
            (SECURITY, "website", "ip_address"),
        ):
            at = wall_clock(date(2023, 12, scene.dice.between(11, 30)), 14, scene.dice.below(60))
            scene.processing(at, who, "store", system, why, (data,), rules=rules)


@plant("objection.in_force", "objection.in_force")
def evaluated_after_objecting(scene: Scene) -> None:
    """The survey list was drawn before the objection was read; another objection covered everything."""
    rules = ("objection.in_force",)
    who, day = objector(scene, "evaluation")
    scene.processing(scene.office(day), who, "email", "newsletter", EVALUATION, ("email",), rules=rules)
    who, day = objector(scene, None)
    scene.processing(scene.office(day), who, "store", "website", SECURITY, ("ip_address",), rules=rules)


@plant("objection.overridden", "objection.overridden")
def compelling_grounds(scene: Scene) -> None:
    """Processing goes on in spite of an objection, with the grounds written down."""
    rules = ("objection.overridden",)
    for scope in ("security", None):
        who, day = objector(scene, scope)
        scene.processing(
            scene.office(day), who, "use", "website", SECURITY, ("ip_address",), rules=rules,
            compelling_grounds="LIA-D, bilaga 3: pågående intrångsförsök",
        )  # fmt: skip


@plant("marketing.objected", "objection.in_force")
def everything_objected_to(scene: Scene) -> None:
    """One objection without a scope covers the offer and the survey."""
    who, day = objector(scene, None)
    scene.processing(
        scene.office(day), who, "email", "newsletter", MARKETING, ("email",), rules=("marketing.objected",)
    )
    scene.processing(
        scene.office(day + 3),
        who,
        "email",
        "newsletter",
        EVALUATION,
        ("email",),
        rules=("objection.in_force",),
    )


@plant("basis.missing")
def lead_on_no_basis(scene: Scene) -> None:
    """The same for somebody without a contract."""
    who, day = lead(scene)
    scene.processing(
        scene.office(day),
        who,
        "sms",
        "crm",
        Why("marketing", None),
        ("phone_number",),
        rules=("basis.missing",),
    )
