"""The judge finds what was planted, event by event, and nothing else.

The truth was written by the stories without running a rule, so the two check each other.
"""

from __future__ import annotations

import msgspec
import pytest

from ansvar.events.model import Event
from ansvar.policy.bundle import Bundle
from ansvar.policy.evaluation import Evaluator
from ansvar.policy.rules import RULES
from ansvar.sample import sample_bundle
from ansvar.sample.company import Year, generate


def differences(year: Year, bundle: Bundle) -> list[tuple[Event, set[str], set[str]]]:
    """Every event on which the judge and the written truth differ: too much, too little."""
    evaluator = Evaluator(bundle)
    found = []
    for event in year.events:
        assert event.event_id is not None
        got = {finding.rule for finding in evaluator.judge(event).findings}
        want = set(year.expected.get(event.event_id, ()))
        if got != want:
            found.append((event, got - want, want - got))
    return found


@pytest.mark.parametrize(
    ("events", "seed", "year"),
    [
        (500, 1, 2025),
        (500, 2, 2025),
        (500, 3, 2026),
        (1_200, 4, 2025),
        (4_000, 5, 2027),
        (4_000, 6, 2025),
        (20_000, 1, 2025),
    ],
)
def test_the_judge_finds_exactly_what_was_planted(events: int, seed: int, year: int) -> None:
    assert differences(generate(events, seed, year=year), sample_bundle()) == []


def test_the_order_of_arrival_is_part_of_no_verdict() -> None:
    # The few late arrivals are judged by when they happened, so sorting by that changes nothing.
    year = generate(4_000, 9)
    by_time = tuple(sorted(year.events, key=lambda event: event.occurred_at))
    assert by_time != year.events
    assert differences(msgspec.structs.replace(year, events=by_time), sample_bundle()) == []


def test_with_a_required_collection_record_only_the_planted_persons_stand_out() -> None:
    # The calm year collects everything before it uses it, so it passes the strict switch, too.
    bundle = sample_bundle()
    settings = msgspec.structs.replace(bundle.settings, require_collection_record=True)
    strict = msgspec.structs.replace(bundle, settings=settings)
    year = generate(4_000, 1)
    for event, too_much, too_little in differences(year, strict):
        assert too_much == {"purpose.no_collection_record"}
        assert not too_little
        assert event.event_id in year.expected


def test_every_rule_of_the_judge_but_those_named_is_planted() -> None:
    planted = generate(500).planted
    assert planted.keys() == {rule.id for rule in RULES}
    assert {rule for rule, count in planted.items() if count == 0} == {
        "purpose.no_collection_record",  # off in the bundle that ships
    }
