"""Breaches of clauses 8.2 and 9.3 and of Art. 18: data kept too long, erased data, data that should rest."""

from __future__ import annotations

from ansvar.sample.plants.registry import plant
from ansvar.sample.plants.setting import collected, customer, former_customer, received
from ansvar.sample.scene import (
    CARE,
    CONTRACT,
    CUSTOMER,
    EVALUATION,
    LATE,
    MARKETING,
    SECURITY,
    SERVICE,
    Scene,
)


@plant("retention.expired", "subject.erased")
def asked_again_after_leaving(scene: Scene) -> None:
    """A survey reaches somebody who has left; they have everything erased, and get an offer."""
    who, day = former_customer(scene)
    scene.processing(
        scene.office(day), who, "email", "newsletter", EVALUATION, ("email",), rules=("retention.expired",)
    )
    request = received(scene, who, day + 3, "erasure")
    scene.right(scene.office(day + 9), who, request, "erasure", "fulfilled")
    scene.processing(
        scene.office(day + 20), who, "email", "newsletter", MARKETING, ("email",), rules=("subject.erased",)
    )


@plant("subject.erased", "subject.erased")
def erased_but_in_the_old_list(scene: Scene) -> None:
    """A lead was erased, but for a copy from which the printer and the log-in watch still work."""
    who, day = collected(scene, MARKETING, "name", "address", "ip_address")
    request = received(scene, who, day, "erasure")
    scene.right(scene.office(day + 6), who, request, "erasure", "fulfilled")
    rules = ("subject.erased",)
    scene.transfer(scene.office(day + 9), who, "mailing-house", MARKETING, ("name", "address"), rules=rules)
    scene.processing(scene.office(day + 12), who, "store", "website", SECURITY, ("ip_address",), rules=rules)


@plant("retention.expired", "retention.expired", "basis.contract_ended", clocks=("retention.overdue",))
def kept_after_an_objection(scene: Scene) -> None:
    """Who had objected to marketing should have been erased on the day they left, and is cared for instead.

    The second time that even rests on the contract that has ended: two rules on one event.
    """
    who, day = former_customer(scene, objecting=True)
    rules = ("retention.expired",)
    scene.processing(scene.office(day), who, "use", "support", CARE, ("name",), rules=rules)
    scene.processing(
        scene.office(day + 3), who, "use", "support", SERVICE, ("name",),
        rules=("basis.contract_ended", *rules),
    )  # fmt: skip
    scene.due("retention.overdue")


@plant("retention.expired", live=LATE * 3, clocks=("retention.overdue",))
def offer_after_more_than_a_year(scene: Scene) -> None:
    """A customer who left before the year began is entered late, and gets an offer when the time is over."""
    who = scene.people.customer(scene.dice)
    number = scene.reference("A")
    joined, left = -scene.dice.between(200, 300), -scene.dice.between(90, 120)
    with scene.reported(scene.office(scene.dice.between(3, 60))):
        at = scene.office(joined)
        scene.collect(at, who, "webshop", CONTRACT, CUSTOMER)
        scene.contract(at, who, number, "started")
        scene.contract(scene.office(left), who, number, "ended")
    scene.processing(
        scene.office(left + 380), who, "email", "newsletter", MARKETING, ("email",),
        rules=("retention.expired",),
    )  # fmt: skip
    scene.due("retention.overdue")


@plant("processing.restricted", "processing.restricted")
def used_while_it_should_rest(scene: Scene) -> None:
    """Data that should only be stored are looked up, and printed on a letter."""
    who, day = customer(scene)
    request = received(scene, who, day, "restriction")
    scene.right(scene.office(day + 6), who, request, "restriction", "fulfilled")
    rules = ("processing.restricted",)
    scene.processing(scene.office(day + 12), who, "use", "support", SERVICE, ("name",), rules=rules)
    scene.transfer(scene.office(day + 15), who, "mailing-house", MARKETING, ("name", "address"), rules=rules)
