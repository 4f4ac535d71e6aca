"""Breaches of chapters 2 to 4: purposes (3.1, 3.2) and categories (2.4, 4.1)."""

from __future__ import annotations

from ansvar.sample.plants.registry import plant
from ansvar.sample.plants.setting import collected, customer, lead
from ansvar.sample.scene import (
    CARE,
    CONTRACT,
    DUTY,
    EVALUATION,
    HIRING,
    MARKETING,
    PROFILE,
    SECURITY,
    SERVICE,
    Scene,
    Why,
)


@plant("purpose.missing", "purpose.missing")
def nobody_said_why(scene: Scene) -> None:
    """An old batch job writes no purpose, neither when it works nor when it hands over."""
    who, day = customer(scene)
    why = Why(None, "contract")
    rules = ("purpose.missing",)
    scene.processing(scene.office(day), who, "use", "crm", why, ("name", "customer_number"), rules=rules)
    scene.transfer(scene.office(day + 3), who, "mailing-house", why, ("name", "address"), rules=rules)


@plant("purpose.undeclared", "purpose.undeclared")
def a_purpose_of_its_own(scene: Scene) -> None:
    """Two services invent purposes that the policy does not have."""
    who, day = customer(scene)
    rules = ("purpose.undeclared",)
    scoring = Why("credit_scoring", "contract")
    research = Why("research", "legitimate_interest")
    scene.processing(scene.office(day), who, "use", "billing", scoring, ("payment_history",), rules=rules)
    scene.processing(
        scene.office(day + 3), who, "analyse", "data_warehouse", research, ("address",), rules=rules
    )


@plant("purpose.incompatible")
def applicant_gets_offers(scene: Scene) -> None:
    """Somebody who applied for work is sent an offer."""
    who = scene.people.applicant()
    day = scene.dice.between(5, 250)
    scene.collect(scene.office(day), who, "recruitment_portal", HIRING, ("name", "email"))
    scene.processing(
        scene.office(day + 20), who, "email", "newsletter", MARKETING, ("name", "email"),
        rules=("purpose.incompatible",),
    )  # fmt: skip


@plant("purpose.incompatible", "purpose.incompatible")
def lead_is_surveyed(scene: Scene) -> None:
    """Data given for offers is used for a survey, data given for support in an offer."""
    who, day = lead(scene)
    rules = ("purpose.incompatible",)
    scene.processing(
        scene.office(day), who, "email", "newsletter", EVALUATION, ("name", "email"), rules=rules
    )
    who, day = collected(scene, CARE, "name", "email")
    scene.transfer(scene.office(day), who, "mailing-house", MARKETING, ("name",), rules=rules)


@plant("category.missing", "category.missing")
def which_data_is_not_said(scene: Scene) -> None:
    """Events that name no data at all."""
    who, day = customer(scene)
    rules = ("category.missing",)
    scene.processing(scene.office(day), who, "use", "support", SERVICE, (), rules=rules)
    scene.transfer(scene.office(day + 3), who, "invoicing-bureau", CONTRACT, (), rules=rules)


@plant("category.undeclared", "category.undeclared")
def data_the_policy_does_not_name(scene: Scene) -> None:
    """A free-text field turns out to hold more than the policy lists."""
    who, day = customer(scene)
    rules = ("category.undeclared",)
    scene.processing(scene.office(day), who, "store", "support", SERVICE, ("name", "health"), rules=rules)
    scene.processing(
        scene.office(day + 3), who, "use", "alarm_centre", CONTRACT, ("camera_image",), rules=rules
    )


@plant("category.profiling_only", "category.profiling_only")
def age_in_an_offer(scene: Scene) -> None:
    """What sorts people into segments is used on one of them, and handed to the printer."""
    who, day = collected(scene, MARKETING, "name", "email", *PROFILE)
    rules = ("category.profiling_only",)
    scene.processing(scene.office(day), who, "email", "newsletter", MARKETING, ("email", "age"), rules=rules)
    scene.transfer(
        scene.office(day + 3), who, "mailing-house", MARKETING, ("name", "purchase_history"), rules=rules
    )


@plant("category.profiling_only", "purpose.incompatible")
def residence_at_the_help_desk(scene: Scene) -> None:
    """A segment's data is looked up in support: the wrong use, and for a purpose it was not given for."""
    who, day = collected(scene, MARKETING, *PROFILE)
    scene.processing(
        scene.office(day), who, "use", "support", CARE, ("residence",),
        rules=("category.profiling_only", "purpose.incompatible"),
    )  # fmt: skip


@plant("category.personnummer", "category.personnummer")
def personnummer_where_none_is_needed(scene: Scene) -> None:
    """A mailing list and an evaluation are keyed by personnummer."""
    who, day = customer(scene)
    rules = ("category.personnummer",)
    keyed = ("personnummer", "address")
    scene.processing(scene.office(day), who, "organise", "crm", MARKETING, keyed, rules=rules)
    scene.processing(scene.office(day + 3), who, "analyse", "data_warehouse", EVALUATION, keyed, rules=rules)


@plant("purpose.missing", "category.missing", "basis.missing")
def an_empty_form(scene: Scene) -> None:
    """An event that says nothing: three rules on one."""
    who, day = customer(scene)
    scene.processing(
        scene.office(day), who, "use", "crm", Why(None, None), (),
        rules=("purpose.missing", "category.missing", "basis.missing"),
    )  # fmt: skip


@plant("purpose.undeclared", "category.undeclared", "basis.unknown")
def another_companys_words(scene: Scene) -> None:
    """An imported service speaks the vocabulary of its former owner."""
    who, day = customer(scene)
    scene.processing(
        scene.office(day), who, "use", "crm", Why("loyalty_programme", "permission"), ("shoe_size",),
        rules=("purpose.undeclared", "category.undeclared", "basis.unknown"),
    )  # fmt: skip


@plant("purpose.incompatible")
def voucher_data_in_the_login_watch(scene: Scene) -> None:
    """Data kept only because the law says so is used for security."""
    who, day = collected(scene, DUTY, "bank_account")
    scene.processing(
        scene.office(day), who, "use", "billing", SECURITY, ("bank_account",), rules=("purpose.incompatible",)
    )
