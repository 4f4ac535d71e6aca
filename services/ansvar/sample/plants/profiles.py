"""Breaches of clauses 2.5 and 4.1 and of the cookie policy: sources, profiles, machines, cookies."""

from __future__ import annotations

from ansvar.sample.plants.registry import plant
from ansvar.sample.plants.setting import collected, customer
from ansvar.sample.scene import CARE, CONTRACT, EVALUATION, HIRING, MARKETING, PROFILE, Scene


@plant("source.uninformed", "source.missing")
def names_from_a_partner(scene: Scene) -> None:
    """A partner's list of people whom nobody told, and a name that came from nobody knows where."""
    day = scene.dice.between(2, 300)
    known = ("name", "phone_number")
    who = scene.people.customer(scene.dice)
    scene.collect(
        scene.office(day), who, "crm", MARKETING, known, source="partner", source_name="membership-partner",
        subject_informed=False, rules=("source.uninformed",),
    )  # fmt: skip
    who = scene.people.customer(scene.dice)
    scene.collect(scene.office(day + 3), who, "crm", MARKETING, known, source=None, rules=("source.missing",))


@plant("source.uninformed", "source.missing")
def addresses_from_a_register(scene: Scene) -> None:
    """Addresses from a register, and nobody wrote down that people were told; a form without a source."""
    day = scene.dice.between(2, 300)
    who = scene.people.customer(scene.dice)
    scene.collect(
        scene.office(day), who, "crm", MARKETING, ("name", "address"), source="public_register",
        source_name="SPAR", subject_informed=None, rules=("source.uninformed",),
    )  # fmt: skip
    who = scene.people.applicant()
    scene.collect(
        scene.office(day), who, "recruitment_portal", HIRING, ("name",), source=None,
        subject_informed=None, rules=("source.missing",),
    )  # fmt: skip


@plant("profiling.individual", "profiling.individual", "decision.automated")
def sorted_and_priced(scene: Scene) -> None:
    """One person instead of a segment is analysed, then profiled for a survey, then priced by a machine."""
    who, day = customer(scene)
    rules = ("profiling.individual",)
    habits = ("address", "customer_number")
    scene.processing(
        scene.office(day), who, "analyse", "data_warehouse", MARKETING, habits, aggregated=True, rules=rules
    )
    scene.processing(scene.office(day + 3), who, "profile", "data_warehouse", EVALUATION, habits, rules=rules)
    scene.processing(
        scene.office(day + 6), who, "decide", "pricing_engine", CONTRACT, ("customer_number",),
        rules=("decision.automated",),
    )  # fmt: skip


@plant("profiling.individual")
def looked_at_one_by_one(scene: Scene) -> None:
    """Purchases of named people are analysed to sell more."""
    who, day = collected(scene, MARKETING, *PROFILE)
    scene.processing(
        scene.office(day), who, "analyse", "data_warehouse", MARKETING, ("purchase_history",),
        rules=("profiling.individual",),
    )  # fmt: skip


@plant("decision.automated")
def turned_down_by_a_machine(scene: Scene) -> None:
    """An application is rejected by a program, which says so."""
    who = scene.people.applicant()
    day = scene.dice.between(5, 250)
    scene.collect(scene.office(day), who, "recruitment_portal", HIRING, ("name", "email"))
    scene.processing(
        scene.office(day + 3), who, "decide", "recruitment_portal", HIRING, ("name",),
        automated_decision=True, rules=("decision.automated",),
    )  # fmt: skip


@plant("cookie.undeclared", "cookie.undeclared")
def cookies_nobody_declared(scene: Scene) -> None:
    """A tool for statistics sets a cookie of its own, and another of no kind at all."""
    who = scene.people.device()
    day = scene.dice.below(scene.calendar.days)
    rules = ("cookie.undeclared",)
    address = ("ip_address",)
    scene.processing(
        scene.calendar.at(day, 9), who, "set_cookie", "website", CARE, address, cookie="statistics",
        rules=rules,
    )  # fmt: skip
    scene.processing(scene.calendar.at(day, 10), who, "set_cookie", "website", CARE, address, rules=rules)
