"""Looking back: objections that arrived late, and adequacy decisions that a new bundle ends."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ansvar.events.model import Event
from ansvar.policy.bundle import AdequacyDecision, Bundle
from ansvar.policy.clocks import ClockFinding, annulled, retroactive
from ansvar.policy.state import SubjectState, fact_of, observe
from ansvar.policy.verdict import PERMIT
from ansvar.sample import sample_bundle
from judging import at, changed, days, disclose, interest, just_before, objection, process, transfer

ROW = (3, 17)
OBJECTED = "2026-02-01"


def knowing(*objections: Event) -> SubjectState:
    state = SubjectState()
    for event in objections:
        fact = fact_of(event, PERMIT, b"R1")
        assert fact is not None
        observe(state, fact)
    return state


def look_back(
    event: Event,
    *objections: Event,
    recorded: tuple[str, ...] = (),
    bundle: Bundle | None = None,
    engine: int = 2,
) -> ClockFinding | None:
    return retroactive(event, recorded, ROW, knowing(*objections), bundle or sample_bundle(), engine)


@pytest.mark.parametrize("engine", [1, 2])
@pytest.mark.parametrize(
    ("scope", "purpose"), [("evaluation", "evaluation"), (None, "evaluation"), (None, "marketing")]
)
def test_an_objection_holds_from_its_receipt_whenever_it_arrives(
    scope: str | None, purpose: str, engine: int
) -> None:
    late = objection(OBJECTED, scope)
    assert look_back(interest(when=just_before(OBJECTED), purpose=purpose), late, engine=engine) is None
    first = look_back(interest(when=OBJECTED, purpose=purpose), late, engine=engine)
    assert first is not None
    assert (first.rule, first.severity, first.since) == ("objection.retroactive", "deny", at(OBJECTED))
    assert first.about.row == ROW
    assert look_back(interest(when="2026-03-02", purpose=purpose), late, engine=engine) is not None


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (interest(), {"recorded": ("objection.in_force",)}),  # it was known in time
        (interest(), {"bundle": changed(severities={"objection.in_force": "off"})}),
        (interest(), {"bundle": changed(severities={"objection.retroactive": "off"})}),
        (interest(purpose="security"), {}),
        (interest(stage="intent"), {}),
        (interest(stage="not_run"), {}),
        (interest("erase"), {}),
        (process(), {}),
        (objection("2026-03-01"), {}),
    ],
)
def test_what_the_objection_does_not_touch_is_left_alone(event: Event, changes: dict[str, Any]) -> None:
    assert look_back(event, objection(OBJECTED, "evaluation"), **changes) is None


def test_an_objection_that_was_over_is_none() -> None:
    over = objection("2026-02-20", phase="withdrawn")
    assert look_back(interest(when="2026-02-19"), objection(OBJECTED), over) is not None
    assert look_back(interest(when="2026-02-20"), objection(OBJECTED), over) is None
    assert look_back(interest()) is None


def test_compelling_grounds_make_it_a_matter_for_a_human() -> None:
    found = look_back(interest(compelling_grounds="G-1 secret"), objection(OBJECTED))
    assert found is not None
    assert found.severity == "flag"
    assert "secret" not in found.message


def test_the_key_is_of_the_row() -> None:
    late = objection(OBJECTED)
    first, again = (
        look_back(interest(), late),
        look_back(interest(), late, objection("2026-02-15", "security")),
    )
    other = retroactive(interest(), (), (3, 18), knowing(late), sample_bundle(), 2)
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.key == again.key != other.key


DPF = "US-DPF"
END = "2026-06-01"
NOW = "2026-07-01"


def ending(decision: str, end: str | None, bundle: Bundle | None = None, **others: Any) -> Bundle:
    """A bundle in which one decision ends on a day, or is missing."""
    base = bundle or sample_bundle()

    def kept(decisions: tuple[AdequacyDecision, ...]) -> tuple[AdequacyDecision, ...]:
        return tuple(
            d if d.id != decision else replace(d, period=replace(d.period, end=days(None, end).end))
            for d in decisions
            if d.id != decision or end is not None
        )

    return replace(base, decisions={code: kept(ds) for code, ds in base.decisions.items()}, **others)


def listed(event: Event, new: Bundle, old: Bundle | None = None, now: str = NOW) -> list[ClockFinding]:
    return annulled(event, ROW, old or sample_bundle(), new, at(now))


@pytest.mark.parametrize(
    ("when", "severity"),
    [("2026-03-02", "flag"), (just_before(END), "flag"), (END, "deny"), ("2026-06-20", "deny")],
)
@pytest.mark.parametrize("safeguard", [None, "adequacy", "none"])
@pytest.mark.parametrize("act", [transfer, disclose])
def test_every_transfer_on_an_ended_decision_is_listed(
    act: Any, safeguard: str | None, when: str, severity: str
) -> None:
    event = act("google-maps", when, safeguard=safeguard)
    (found,) = listed(event, ending(DPF, END))
    assert (found.rule, found.severity, found.since) == ("adequacy.annulled", severity, at(END))
    assert found.about.row == ROW
    assert "no instrument could replace it" in found.message
    (again,) = listed(event, ending(DPF, END), now="2027-01-01")
    assert again == found


def test_the_instrument_that_could_replace_it_is_named() -> None:
    (found,) = listed(transfer("app-hosting-us", safeguard="adequacy"), ending(DPF, END))
    assert "scc 'SCC-2023-04'" in found.message


@pytest.mark.parametrize(
    ("event", "new"),
    [
        (transfer("google-maps"), sample_bundle()),
        (transfer("google-maps", stage="intent"), ending(DPF, END)),
        (transfer("google-maps"), ending(DPF, END, severities={"adequacy.annulled": "off"})),
        (transfer("google-maps", "2023-08-31"), ending(DPF, END)),  # not listed then
        (transfer("app-hosting-us"), ending(DPF, END)),  # rests on its clauses
        (transfer("hr-platform-ca"), ending(DPF, END)),
        (transfer("mailing-house"), ending(DPF, END)),
    ],
)
def test_what_does_not_rest_on_an_ended_decision_is_not_listed(event: Event, new: Bundle) -> None:
    assert listed(event, new) == []


def test_a_decision_that_the_new_bundle_does_not_know_has_ended() -> None:
    (found,) = listed(transfer("google-maps"), ending(DPF, None))
    assert found.severity == "deny"
    assert ending(DPF, None).decisions["US"]


def test_an_end_that_was_known_or_moves_away_is_no_news() -> None:
    event = transfer("google-maps")
    old = ending(DPF, END)
    assert listed(event, old, old) == []
    assert listed(event, ending(DPF, "2026-09-01"), old) == []
    assert listed(event, sample_bundle(), old) == []
    (sooner,) = listed(event, ending(DPF, "2026-05-01"), old)
    (later,) = listed(event, old)
    assert sooner.key != later.key


def test_a_decision_that_another_follows_at_once_has_not_ended() -> None:
    def followed(start: str) -> Bundle:
        new = ending(DPF, END)
        successor = replace(new.decisions["US"][-1], id="US-NEXT", scope="full", period=days(start))
        return replace(new, decisions={**new.decisions, "US": (*new.decisions["US"], successor)})

    event = transfer("google-maps")
    assert listed(event, followed(END)) == []
    assert listed(event, followed("2026-06-02")) != []


def test_the_frameworks_count_under_their_own_words() -> None:
    shield = "US-PRIVACY-SHIELD"
    old, new = ending(shield, "2030-01-01"), sample_bundle()
    event = transfer("app-hosting-us", "2020-06-15", safeguard="privacy_shield")
    (before,) = listed(event, new, old, now="2020-07-20")
    assert (before.severity, before.since) == ("flag", at("2020-07-16"))
    (since,) = listed(transfer("app-hosting-us", "2020-07-17", safeguard="privacy_shield"), new, old)
    assert since.severity == "deny"
    assert "scc 'SCC-2023-04'" in since.message
    assert "no instrument" in before.message  # the clauses are of 2023
