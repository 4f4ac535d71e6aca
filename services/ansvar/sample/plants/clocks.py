"""What no event shows and the passing of time does: subjects and breaches for the clocks of the sweep.

Each plant says how often a clock must find something of it at the end of the year's last day. The events
themselves are calm: they break no rule when they are judged.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ansvar.sample.plants.registry import plant
from ansvar.sample.plants.setting import customer, former_customer, received
from ansvar.sample.scene import CONTRACT, DUTY, EVALUATION, MARKETING, SERVICE, Scene

TOLD = "authority_notified"  # the word by which the register of breaches knows that the authority was told


@plant(clocks=("retention.overdue",))
def objected_left_and_kept(scene: Scene) -> None:
    """Who had objected to marketing should have been erased on the day they left; nothing happened."""
    former_customer(scene, objecting=True)
    scene.due("retention.overdue")


@plant(clocks=("rights.overdue", "rights.due_soon"))
def nobody_answers(scene: Scene) -> None:
    """One request whose month is over, and one that must be answered within a week of the year's end.

    A month is over 45 days later. One that began 28 days before the year's end ends within the next seven
    days, whatever days off it moves past: so it is in every year in which the sample plays.
    """
    who, _ = customer(scene)
    days = scene.calendar.days
    received(scene, who, days - scene.dice.between(50, 75), "access")
    scene.due("rights.overdue")
    at = scene.calendar.at(days - 28, scene.dice.between(3, 22), scene.dice.below(60))
    scene.right(at, who, scene.reference("R"), "rectification", "received")
    scene.due("rights.due_soon")


@plant(clocks=("rights.overdue",))
def put_off_for_ever(scene: Scene) -> None:
    """Extended in time and with a reason, then forgotten; and a complaint, which has no such clock."""
    who, _ = customer(scene, before=100)
    day = scene.calendar.days - scene.dice.between(120, 150)
    request = received(scene, who, day, "portability")
    scene.right(scene.office(day + 14), who, request, "portability", "extended", reason="Många system.")
    received(scene, who, day + 20, "complaint")
    scene.due("rights.overdue")


@plant(clocks=("rights.recipients_not_notified",))
def recipients_never_told(scene: Scene) -> None:
    """An address is put right; the printer is told in time, the invoicing bureau never."""
    who, day = customer(scene)
    scene.transfer(scene.office(day), who, "mailing-house", MARKETING, ("name", "address"))
    scene.transfer(
        scene.office(day + 3), who, "invoicing-bureau", CONTRACT, ("name", "address"), system="billing"
    )
    request = received(scene, who, day + 6, "rectification")
    scene.right(scene.office(day + 12), who, request, "rectification", "fulfilled")
    scene.right(
        scene.office(day + 15),
        who,
        request,
        "rectification",
        "recipients_notified",
        recipient="mailing-house",
    )
    scene.due("rights.recipients_not_notified")


@plant(clocks=("rights.recipients_not_notified",))
def told_too_late(scene: Scene) -> None:
    """A former customer is erased, and the invoicing bureau is told of it after 45 days instead of thirty."""
    who, day = former_customer(scene)
    scene.transfer(scene.office(day), who, "invoicing-bureau", DUTY, ("name",), system="billing")
    request = received(scene, who, day + 3, "erasure")
    scene.right(scene.office(day + 9), who, request, "erasure", "fulfilled")
    scene.right(
        scene.office(day + 54), who, request, "erasure", "recipients_notified", recipient="invoicing-bureau"
    )
    scene.due("rights.recipients_not_notified")


@plant(clocks=("objection.retroactive", "objection.retroactive"))
def an_objection_read_too_late(scene: Scene) -> None:
    """An objection lies in a shared mailbox for twelve days, while an offer and a letter go out."""
    who, day = customer(scene)
    request = scene.reference("R")
    read = timedelta(days=12)
    scene.processing(scene.office(day + 5), who, "email", "newsletter", MARKETING, ("email",))
    scene.transfer(
        scene.office(day + 8), who, "mailing-house", MARKETING, ("name", "address"), system="newsletter"
    )
    at = scene.office(day + 1)
    scene.right(at, who, request, "objection", "received", scope="direct_marketing", late=read)
    scene.right(scene.office(day + 17), who, request, "objection", "fulfilled")
    scene.due("objection.retroactive")
    scene.due("objection.retroactive")


@plant(clocks=("objection.retroactive",))
def a_survey_before_the_post_was_opened(scene: Scene) -> None:
    """An objection to evaluation comes by letter, a survey goes out before anybody has read it."""
    who, day = customer(scene)
    request = scene.reference("R")
    scene.processing(scene.office(day + 5), who, "email", "newsletter", EVALUATION, ("email",))
    at = scene.office(day)
    scene.right(at, who, request, "objection", "received", scope="evaluation", late=timedelta(days=9))
    scene.right(scene.office(day + 14), who, request, "objection", "fulfilled")
    scene.due("objection.retroactive")


@plant(clocks=("history.retroactive",))
def a_restriction_entered_too_late(scene: Scene) -> None:
    """A restriction is granted on paper and entered nine days later; the data were looked up meanwhile."""
    who, day = customer(scene)
    request = received(scene, who, day, "restriction")
    scene.processing(scene.office(day + 7), who, "use", "support", SERVICE, ("name",))
    entered = timedelta(days=9)
    scene.right(scene.office(day + 4), who, request, "restriction", "fulfilled", late=entered)
    scene.due("history.retroactive")


def _noticed(scene: Scene) -> datetime:
    """When a breach became known, early enough for the 72 hours to end within the year."""
    return scene.any_hour(scene.dice.between(2, 340))


@plant(clocks=("breach.notify_authority",))
def a_breach_kept_quiet(scene: Scene) -> None:
    """A lost laptop: known, and never told to the authority."""
    scene.notice(_noticed(scene), None, "breach", correlation_id=scene.reference("I"))
    scene.due("breach.notify_authority")


@plant(clocks=("breach.notify_authority",))
def breaches_told_of(scene: Scene) -> None:
    """Two breaches: the authority was told of one within 72 hours, which is calm, of the other after 80."""
    for hours in (70, 80):
        incident = scene.reference("I")
        at = _noticed(scene)
        scene.notice(at, None, "breach", correlation_id=incident)
        scene.notice(at + timedelta(hours=hours), None, "breach", TOLD, correlation_id=incident)
    scene.due("breach.notify_authority")
