"""Looking back: history that arrived late, and adequacy decisions that transfers rest on and that end."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ansvar.events.model import ContractEvent, Event, RightsEvent
from ansvar.policy.bundle import PROFILES, AdequacyDecision, Bundle
from ansvar.policy.clocks import ClockFinding, annulled, overtaken, rests_on, retroactive
from ansvar.policy.clocks.hindsight import HISTORY_RETROACTIVE
from ansvar.policy.rules import RULE
from ansvar.policy.state import SubjectState, fact_of, observe
from ansvar.policy.verdict import PERMIT
from ansvar.sample import sample_bundle
from judging import (
    PERSON,
    at,
    changed,
    collect,
    contract,
    days,
    disclose,
    interest,
    just_before,
    objection,
    process,
    rights,
    transfer,
)

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


def history(*events: Event) -> SubjectState:
    """What is known when these have arrived, each under its own request or contract."""
    state = SubjectState()
    for event in events:
        request = event.request_id.encode() if isinstance(event, RightsEvent) else None
        number = event.contract_id.encode() if isinstance(event, ContractEvent) else None
        fact = fact_of(event, PERMIT, request, number)
        assert fact is not None
        observe(state, fact)
    return state


def late(
    event: Event, *known: Event, recorded: tuple[str, ...] = (), bundle: Bundle | None = None, **more: Any
) -> list[ClockFinding]:
    judged_by, in_force = bundle or sample_bundle(), more.pop("in_force", None)
    engine = more.pop("engine", 2)
    return overtaken(event, recorded, ROW, history(*known), judged_by, engine, in_force or judged_by, **more)


RESTRICTED = rights("restriction", "fulfilled", "2026-03-02")
ERASED = rights("erasure", "fulfilled", "2026-03-02")
LEFT = (contract("started", "2024-01-01"), contract("ended", "2026-03-02"))
TOLD_WHY = collect("2026-03-02", "recruitment")
USE = interest(when="2026-03-10", data_categories=["name"])
CONTRACTED = process("use", "2026-03-10", purpose="contract", legal_basis="contract")

# The use, what arrived after it, and the rules that it turns out to break.
OVERTAKEN: dict[str, tuple[Event, tuple[Event, ...], list[str]]] = {
    "restricted": (USE, (RESTRICTED,), ["processing.restricted"]),
    "restricted at the same instant": (interest(when="2026-03-02"), (RESTRICTED,), ["processing.restricted"]),
    "restricted later": (interest(when=just_before("2026-03-02")), (RESTRICTED,), []),
    "lifted before": (USE, (RESTRICTED, rights("restriction", "withdrawn", "2026-03-05")), []),
    "lifted after": (
        USE,
        (RESTRICTED, rights("restriction", "withdrawn", "2026-03-20")),
        ["processing.restricted"],
    ),
    "stored while restricted": (interest("store", "2026-03-10"), (RESTRICTED,), []),
    "erased": (USE, (ERASED,), ["subject.erased"]),
    "erased and given anew": (USE, (ERASED, collect("2026-03-05", "evaluation")), []),
    "erased later": (interest(when=just_before("2026-03-02")), (ERASED,), []),
    "left": (CONTRACTED, LEFT, ["basis.contract_ended", "retention.expired"]),
    "left, evaluated": (USE, LEFT, ["retention.expired"]),
    "left later": (
        process("use", just_before("2026-03-02"), purpose="contract", legal_basis="contract"),
        LEFT,
        [],
    ),
    "left and came back": (CONTRACTED, (*LEFT, contract("started", "2026-03-05")), []),
    "collected for something else": (USE, (TOLD_WHY,), ["purpose.incompatible"]),
    "collected later": (USE, (collect("2026-03-11", "recruitment"),), []),
    "two at once": (USE, (RESTRICTED, ERASED), ["processing.restricted", "subject.erased"]),
    "handed over": (
        transfer(when="2026-03-10", purpose="marketing", legal_basis="legitimate_interest"),
        (RESTRICTED,),
        ["processing.restricted"],
    ),
    "bookkeeping": (process("use", "2026-03-10"), (RESTRICTED, ERASED, *LEFT), []),
    "intended": (replace(USE, stage="intent"), (RESTRICTED,), []),
    "not run": (replace(USE, stage="not_run"), (RESTRICTED,), []),
    "let through": (replace(USE, stage="fail_open"), (RESTRICTED,), ["processing.restricted"]),
    "no use of data": (contract("started", "2026-03-10"), (RESTRICTED,), []),
    "nothing arrived": (USE, (), []),
}


@pytest.mark.parametrize("case", OVERTAKEN)
def test_what_history_forbids_when_it_arrives_late(case: str) -> None:
    event, known, rules = OVERTAKEN[case]
    found = late(event, *known)
    assert [finding.rule for finding in found] == ["history.retroactive"] * len(rules)
    for rule, finding in zip(rules, found, strict=True):
        assert (finding.severity, finding.since) == (RULE[rule].severity, event.occurred_at)
        assert finding.about.row == ROW
        assert finding.message.endswith("; this was recorded after the event")
        assert PERSON["value"] not in finding.message
    assert len({finding.key for finding in found}) == len(found)
    assert late(event, *known, recorded=tuple(rules)) == []
    for rule, finding in zip(rules, found, strict=True):
        others = tuple(other for other in rules if other != rule)
        assert late(event, *known, recorded=others) == [finding]


def test_objections_have_a_clock_of_their_own() -> None:
    known = objection(OBJECTED, "evaluation")
    assert late(interest(), known) == []
    assert look_back(interest(), known) is not None
    marketing = objection(OBJECTED, "direct_marketing")
    assert late(interest(purpose="marketing"), marketing) == []


def test_that_nothing_is_known_of_a_collection_is_no_matter_of_late_history() -> None:
    strict = changed(settings=PROFILES["strict"])
    erased = rights("erasure", "fulfilled", "2026-03-02"), collect("2026-03-01", "evaluation")
    assert [found.message.split(" ")[0] for found in late(USE, *erased, bundle=strict)] == ["use"]
    assert late(USE, bundle=strict) == []


def test_a_use_is_judged_by_its_own_bundle_and_engine_and_switched_by_that_of_today() -> None:
    assert late(USE, RESTRICTED, engine=1) == []  # which had no such rule
    off = changed(severities={"processing.restricted": "off"})
    assert late(USE, RESTRICTED, bundle=off) == []
    assert late(USE, RESTRICTED, in_force=off) != []
    silent = changed(severities={HISTORY_RETROACTIVE.id: "off"})
    assert late(USE, RESTRICTED, in_force=silent) == []
    assert late(USE, RESTRICTED, bundle=silent, in_force=sample_bundle()) != []
    (milder,) = late(USE, RESTRICTED, in_force=changed(severities={HISTORY_RETROACTIVE.id: "flag"}))
    assert milder.severity == "flag"


def test_a_disclosure_that_the_subject_asked_for_is_judged_as_one() -> None:
    given = disclose("another-company", "2026-03-10", ground=None, purpose="legal_obligation")
    asked, unasked = ({f.message for f in late(given, RESTRICTED, own_request=own)} for own in (True, False))
    assert asked < unasked


def test_the_key_of_late_history_is_of_row_and_rule() -> None:
    (first,) = late(USE, RESTRICTED)
    (again,) = late(USE, RESTRICTED, rights("restriction", "received", "2026-02-01", "R2"))
    assert first.key == again.key
    state, bundle = history(RESTRICTED), sample_bundle()
    (other,) = overtaken(USE, (), (3, 18), state, bundle, 2, bundle)
    assert other.key != first.key


@pytest.mark.parametrize(
    ("event", "recipient", "rests"),
    [
        (transfer("google-maps"), "google-maps", True),
        (disclose("google-maps"), "google-maps", True),
        (transfer("google-maps", safeguard="adequacy"), "google-maps", True),
        (transfer("google-maps", safeguard="none"), "google-maps", True),
        (transfer("google-maps", stage="not_run"), "google-maps", False),
        (transfer("google-maps", "2023-08-31"), "google-maps", False),  # not listed yet
        (transfer("google-maps", "2020-06-15", safeguard="privacy_shield"), "google-maps", False),
        (transfer("google-maps"), "app-hosting-us", False),
        (transfer("mailing-house", via="google-maps"), "google-maps", True),
        (transfer("mailing-house", via="google-maps"), "mailing-house", False),
        (transfer("app-hosting-us"), "app-hosting-us", False),  # rests on its clauses
        (transfer("app-hosting-us", safeguard="adequacy"), "app-hosting-us", True),
        (transfer("mailing-house"), "mailing-house", False),
    ],
)
def test_which_transfers_rest_on_a_decision(event: Any, recipient: str, rests: bool) -> None:
    assert rests_on(event, sample_bundle(), recipient, "US", DPF) is rests
    assert not rests_on(event, sample_bundle(), recipient, "US", "US-PRIVACY-SHIELD" if rests else "other")
    assert not rests_on(event, sample_bundle(), recipient, "CA", DPF)
    assert not rests_on(event, ending(DPF, None), recipient, "US", DPF)
