"""Breaches of clauses 6.2 and 6.3 by the company's own systems, and of 11.1 towards its company customers."""

from __future__ import annotations

from typing import Any

from ansvar.sample.plants.registry import plant
from ansvar.sample.plants.setting import collected, company_contact, customer
from ansvar.sample.scene import CARE, CONTRACT, DUTY, EVALUATION, MARKETING, SERVICE, Scene

NARROW = "website"  # a producer registered for processing in the system `website`, and for nothing else


@plant("system.unregistered", "system.outside_eea")
def a_sheet_and_an_old_backup(scene: Scene) -> None:
    """A list in somebody's spreadsheet, and a copy in a backup that was never moved home."""
    who, day = customer(scene)
    scene.processing(
        scene.office(day), who, "organise", "kalkylblad", CONTRACT, ("name",), rules=("system.unregistered",)
    )
    scene.processing(
        scene.office(day + 3), who, "store", "legacy_backup", CONTRACT, ("name", "address"),
        rules=("system.outside_eea",),
    )  # fmt: skip


@plant("system.unregistered", "system.outside_eea")
def read_back_from_the_old_backup(scene: Scene) -> None:
    """A letter goes out from a system that nobody registered, to an address read from the old backup.

    Erasing there afterwards is how the breach ends, and calm.
    """
    who, day = customer(scene)
    address = ("name", "address")
    scene.processing(
        scene.office(day), who, "use", "legacy_backup", SERVICE, address, rules=("system.outside_eea",)
    )
    scene.transfer(
        scene.office(day + 3), who, "mailing-house", CONTRACT, address, system="etikettprogram",
        rules=("system.unregistered",),
    )  # fmt: skip
    scene.processing(scene.office(day + 6), who, "erase", "legacy_backup", DUTY, address)


@plant(live=("producer.out_of_scope", "producer.out_of_scope"))
def the_website_speaks_for_others(scene: Scene) -> None:
    """The website reports what it does, which is calm, then for the customer register, then a transfer."""
    address = ("ip_address",)
    live = ("producer.out_of_scope",)
    who = scene.people.device()
    day = scene.dice.between(2, 300)
    with scene.sent_by(NARROW):
        scene.collect(scene.office(day), who, "website", CARE, address)
        scene.processing(scene.office(day + 3), who, "store", "crm", CARE, address, live=live)
        at = scene.office(day + 6)
        scene.transfer(at, who, "mailing-house", CARE, address, system="website", live=live)


@plant("corporate.not_controller", "corporate.not_controller")
def a_company_treated_as_a_customer(scene: Scene) -> None:
    """The contact person of a company gets an offer, and has an account number used as a customer's."""
    who, day = company_contact(scene)
    rules = ("corporate.not_controller",)
    scene.processing(scene.office(day), who, "email", "newsletter", MARKETING, ("email",), rules=rules)
    scene.processing(
        scene.office(day + 3), who, "use", "billing", CONTRACT, ("name", "bank_account"), rules=rules
    )


@plant("corporate.own_purpose", "corporate.no_controller")
def the_processors_own_ends(scene: Scene) -> None:
    """The people of a company customer are asked what they think, and served for a company nobody names."""
    who, day = collected(scene, CONTRACT, "name", "email")
    ours: dict[str, Any] = {"role": "processor", "controller": "Skolan Solrosen"}
    scene.processing(
        scene.office(day), who, "email", "newsletter", EVALUATION, ("email",),
        rules=("corporate.own_purpose",), **ours,
    )  # fmt: skip
    scene.processing(
        scene.office(day + 3), who, "use", "alarm_centre", CONTRACT, ("name",), role="processor",
        rules=("corporate.no_controller",),
    )  # fmt: skip


@plant("corporate.own_purpose", "corporate.no_controller")
def a_processor_that_sells(scene: Scene) -> None:
    """Two rules on one event: an offer to the people of some company customer."""
    who, day = collected(scene, CONTRACT, "name", "email")
    scene.processing(
        scene.office(day), who, "email", "newsletter", MARKETING, ("email",), role="processor",
        rules=("corporate.own_purpose", "corporate.no_controller"),
    )  # fmt: skip
