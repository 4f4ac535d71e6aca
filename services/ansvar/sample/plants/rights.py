"""Requests that go wrong: clauses 9.1 to 9.5 and Art. 12, each of them answered in the end.

Deadlines move past days off by at most five days in the years of the sample, so 45 days are more than a month
and 104 more than three.
"""

from __future__ import annotations

from ansvar.sample.plants.registry import plant
from ansvar.sample.plants.setting import customer, lead, received
from ansvar.sample.scene import Scene

REASON = "Uppgifterna behövs för avtalet."


@plant("rights.weak_identification", "rights.fee")
def a_copy_for_a_fee(scene: Scene) -> None:
    """Identified by a code in an SMS, and charged for the first copy."""
    who, day = customer(scene)
    request = received(scene, who, day, "access")
    scene.right(
        scene.office(day + 3), who, request, "access", "identified", method="sms_code",
        rules=("rights.weak_identification",),
    )  # fmt: skip
    scene.right(scene.office(day + 9), who, request, "access", "fulfilled", fee=250, rules=("rights.fee",))


@plant("rights.weak_identification", "rights.fee", "rights.not_identified")
def a_third_copy_may_cost(scene: Scene) -> None:
    """The first copy goes to anybody who asks, the second is charged for; only the third may cost."""
    who, day = customer(scene)
    first = received(scene, who, day, "access")
    scene.right(scene.office(day + 4), who, first, "access", "fulfilled", rules=("rights.not_identified",))
    second = received(scene, who, day + 8, "access")
    scene.right(
        scene.office(day + 12), who, second, "access", "identified", method="telefonsamtal",
        rules=("rights.weak_identification",),
    )  # fmt: skip
    scene.right(scene.office(day + 16), who, second, "access", "fulfilled", fee=100, rules=("rights.fee",))
    third = received(scene, who, day + 20, "access")
    scene.right(scene.office(day + 24), who, third, "access", "identified", method="bankid")
    scene.right(scene.office(day + 28), who, third, "access", "fulfilled", fee=100)


@plant("rights.not_identified", "rights.late")
def moved_late_to_anybody(scene: Scene) -> None:
    """Data are moved after the deadline, for somebody who never showed who they are: two rules."""
    who, day = customer(scene)
    request = received(scene, who, day, "portability")
    scene.right(
        scene.office(day + 45), who, request, "portability", "fulfilled",
        rules=("rights.not_identified", "rights.late"),
    )  # fmt: skip


@plant("rights.extension_late", "rights.late", "rights.refused_without_reason")
def put_off_and_turned_down(scene: Scene) -> None:
    """Extended when the month was over, and refused without a word."""
    who, day = customer(scene)
    request = received(scene, who, day, "rectification")
    scene.right(
        scene.office(day + 45), who, request, "rectification", "extended", reason="Semestertider.",
        rules=("rights.extension_late",),
    )  # fmt: skip
    scene.right(
        scene.office(day + 60), who, request, "rectification", "refused",
        rules=("rights.late", "rights.refused_without_reason"),
    )  # fmt: skip


@plant("rights.late")
def longer_than_three_months(scene: Scene) -> None:
    """Extended in time and with a reason, which allows two months more, not three."""
    who, day = customer(scene)
    request = received(scene, who, day, "erasure")
    scene.right(scene.office(day + 14), who, request, "erasure", "extended", reason="Många system.")
    scene.right(
        scene.office(day + 104), who, request, "erasure", "refused", reason=REASON, rules=("rights.late",)
    )


@plant("rights.extension_late", "rights.refused_without_reason")
def never_a_reason(scene: Scene) -> None:
    """In time, but neither the extension nor the refusal says why."""
    who, day = customer(scene)
    request = received(scene, who, day, "restriction")
    scene.right(
        scene.office(day + 10), who, request, "restriction", "extended", rules=("rights.extension_late",)
    )
    scene.right(
        scene.office(day + 15), who, request, "restriction", "refused",
        rules=("rights.refused_without_reason",),
    )  # fmt: skip


@plant("rights.erasure_blocked", "rights.unknown_request")
def erased_in_the_middle_of_the_contract(scene: Scene) -> None:
    """Everything is erased while the contract runs; then somebody closes a request that never came in."""
    who, day = customer(scene)
    request = received(scene, who, day, "erasure")
    scene.right(
        scene.office(day + 6), who, request, "erasure", "fulfilled", rules=("rights.erasure_blocked",)
    )
    scene.right(
        scene.office(day + 9), who, scene.reference("R"), "rectification", "withdrawn",
        rules=("rights.unknown_request",),
    )  # fmt: skip


@plant("rights.erasure_blocked", "rights.unknown_request")
def erasure_out_of_nothing(scene: Scene) -> None:
    """An erasure of a customer is fulfilled for which nobody asked: two rules on one event."""
    who, day = customer(scene)
    scene.right(
        scene.office(day), who, scene.reference("R"), "erasure", "fulfilled",
        rules=("rights.unknown_request", "rights.erasure_blocked"),
    )  # fmt: skip


@plant("rights.portability_not_customer", "rights.scope_unknown")
def a_lead_with_wishes(scene: Scene) -> None:
    """Somebody who is no customer wants their data moved, and objects to something that is no purpose."""
    who, day = lead(scene)
    request = received(scene, who, day, "portability", rules=("rights.portability_not_customer",))
    scene.right(scene.office(day + 6), who, request, "portability", "refused", reason="Inget avtal finns.")
    request = received(scene, who, day + 9, "objection", "telefonsamtal", rules=("rights.scope_unknown",))
    scene.right(scene.office(day + 12), who, request, "objection", "fulfilled")


@plant("rights.portability_not_customer", "rights.scope_unknown")
def wishes_of_an_applicant(scene: Scene) -> None:
    """Somebody who applied for work wants their papers moved, and objects to something of another company."""
    who = scene.people.applicant()
    day = scene.dice.between(2, 250)
    request = received(scene, who, day, "portability", rules=("rights.portability_not_customer",))
    scene.right(scene.office(day + 6), who, request, "portability", "refused", reason="Inget avtal finns.")
    request = received(scene, who, day + 9, "objection", "kreditupplysning", rules=("rights.scope_unknown",))
    scene.right(scene.office(day + 12), who, request, "objection", "fulfilled")
