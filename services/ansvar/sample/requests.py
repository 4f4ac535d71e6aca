"""Requests of private customers, each answered as the policy promises: identified, in time, with a reason.

Invariants: a request begins on the day given, lasts at most 90 days, and enters its effect (objection,
restriction, erasure) in the `Life`, so that the routine respects it. When the customer's year is written,
`tell_recipients` adds the notifications of Art. 19: only then it is known who got the data.

Not handled here: requests that go wrong (`plants`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ansvar.events.model import DisclosureEvent, Identifier, Right, RightsEvent, TransferEvent
from ansvar.sample.life import Life
from ansvar.sample.scene import CONTACT, CONTRACT, CUSTOMER, DUTY, Scene

Request = Callable[[Scene, Identifier, int, Life], None]
TOLD_OF: tuple[Right, ...] = ("rectification", "restriction", "erasure")  # Art. 19
METHODS = ("bankid", "bankid", "freja", "eid_in_person")


def _received(
    scene: Scene, who: Identifier, day: int, right: Right, scope: str | None = None
) -> tuple[str, datetime]:
    request = scene.reference("R")
    at = scene.office(day)
    scene.right(at, who, request, right, "received", scope=scope)
    return request, at


def _identified(scene: Scene, who: Identifier, day: int, right: Right) -> str:
    request, _ = _received(scene, who, day, right)
    scene.right(scene.office(day + 3), who, request, right, "identified", method=scene.dice.pick(METHODS))
    return request


def access(scene: Scene, who: Identifier, day: int, life: Life) -> None:
    """A copy of the data, free of charge (clause 9.1)."""
    request = _identified(scene, who, day, "access")
    scene.right(scene.office(day + scene.dice.between(7, 24)), who, request, "access", "fulfilled")


def access_extended(scene: Scene, who: Identifier, day: int, life: Life) -> None:
    """The same, extended within the first month with a reason (Art. 12(3))."""
    request = _identified(scene, who, day, "access")
    scene.right(
        scene.office(day + 18),
        who,
        request,
        "access",
        "extended",
        reason="Omfattande material i flera system.",
    )
    scene.right(scene.office(day + scene.dice.between(40, 75)), who, request, "access", "fulfilled")


def access_refused(scene: Scene, who: Identifier, day: int, life: Life) -> None:
    """Refused in time with a reason (Art. 12(4))."""
    request, _ = _received(scene, who, day, "access")
    scene.right(
        scene.office(day + 12),
        who,
        request,
        "access",
        "refused",
        reason="Den sökande kunde inte identifieras.",
    )


def rectification(scene: Scene, who: Identifier, day: int, life: Life) -> None:
    """Data put right (clause 9.2)."""
    request = _identified(scene, who, day, "rectification")
    at = scene.office(day + 7)
    if life.allows(at, CONTRACT):
        scene.processing(at, who, "rectify", "crm", CONTRACT, ("address",), correlation_id=request)
    scene.right(scene.office(day + 10), who, request, "rectification", "fulfilled")


def restriction(scene: Scene, who: Identifier, day: int, life: Life) -> None:
    """Data only stored for some weeks (Art. 18)."""
    request = _identified(scene, who, day, "restriction")
    start, end = scene.office(day + 6), scene.office(day + 40)
    scene.right(start, who, request, "restriction", "fulfilled")
    scene.processing(scene.office(day + 9), who, "store", "crm", CONTRACT, CONTACT)
    scene.right(end, who, request, "restriction", "withdrawn")
    life.restrictions.append((start, end))


def portability(scene: Scene, who: Identifier, day: int, life: Life) -> None:
    """Data moved to another company that the customer named (clause 9.4)."""
    request = _identified(scene, who, day, "portability")
    scene.disclosure(
        scene.office(day + 9),
        who,
        "trygg-granne-larm",
        DUTY,
        CUSTOMER,
        reference=request,
        recipient_type="other",
    )
    scene.right(scene.office(day + 12), who, request, "portability", "fulfilled")


def objection_to_marketing(scene: Scene, who: Identifier, day: int, life: Life) -> None:
    """No more offers (clauses 4.2 and 9.5)."""
    scope = scene.dice.pick(("direct_marketing", "marketing", "direct_marketing"))
    request, at = _received(scene, who, day, "objection", scope)
    scene.right(scene.office(day + 3), who, request, "objection", "fulfilled")
    life.no_marketing = at


def objection_to_evaluation(scene: Scene, who: Identifier, day: int, life: Life) -> None:
    """No more surveys (clause 9.5)."""
    request, at = _received(scene, who, day, "objection", "evaluation")
    scene.right(scene.office(day + 5), who, request, "objection", "fulfilled")
    life.objections.append(("evaluation", at, None))


def objection_refused(scene: Scene, who: Identifier, day: int, life: Life) -> None:
    """An objection that rests while compelling grounds are weighed, then is refused with a reason."""
    request, at = _received(scene, who, day, "objection", "security")
    until = scene.office(day + 20)
    scene.right(
        until, who, request, "objection", "refused", reason="Inloggningar måste loggas för att skydda larmet."
    )
    life.objections.append(("security", at, until))


def complaint(scene: Scene, who: Identifier, day: int, life: Life) -> None:
    """A complaint, answered (clause 10.1)."""
    request, _ = _received(scene, who, day, "complaint")
    scene.right(scene.office(day + scene.dice.between(5, 30)), who, request, "complaint", "fulfilled")


def erasure_refused(scene: Scene, who: Identifier, day: int, life: Life) -> None:
    """Erasure asked for while the contract needs the data (clause 9.3)."""
    request = _identified(scene, who, day, "erasure")
    scene.right(
        scene.office(day + 8), who, request, "erasure", "refused", reason="Uppgifterna behövs för avtalet."
    )


def erasure_after_leaving(scene: Scene, who: Identifier, day: int, life: Life) -> None:
    """Everything erased, and then the request closed: nothing follows it."""
    request = _identified(scene, who, day, "erasure")
    life.gone = scene.office(day + 7)
    scene.processing(life.gone, who, "erase", "crm", DUTY, CUSTOMER, correlation_id=request)
    scene.right(scene.office(day + 14), who, request, "erasure", "fulfilled")


def tell_recipients(scene: Scene, who: Identifier) -> None:
    """Whoever got data that were then rectified, restricted or erased is told of it (clause 9.2, Art. 19).

    Within three weeks, well inside the thirty days; of an erasure before the request is closed.
    """
    events = [draft.event for draft in scene.drafts if draft.event.subject == who]
    handed = [event for event in events if isinstance(event, TransferEvent | DisclosureEvent)]
    for event in events:
        if not (isinstance(event, RightsEvent) and event.right in TOLD_OF and event.phase == "fulfilled"):
            continue
        closed = scene.calendar.day_of(event.occurred_at)
        for recipient in sorted({one.recipient for one in handed if one.occurred_at <= event.occurred_at}):
            day = closed - 4 if event.right == "erasure" else closed + scene.dice.between(3, 18)
            scene.right(
                scene.office(day), who, event.request_id, event.right, "recipients_notified",
                recipient=recipient,
            )  # fmt: skip


REQUESTS: tuple[Request, ...] = (
    access,
    access,
    access_extended,
    access_refused,
    rectification,
    restriction,
    portability,
    objection_to_marketing,
    objection_to_marketing,
    objection_to_marketing,
    objection_to_evaluation,
    objection_refused,
    complaint,
    erasure_refused,
)
