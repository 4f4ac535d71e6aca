"""The clocks find at the year's end what the stories wrote down, and nothing of anybody else.

The states are folded as a worker would, from verdicts in order of arrival; what happened besides is read from
the events. The counts were written by the stories without running a clock, so the two check each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta

import pytest

from ansvar.events.identifiers import normalise_event
from ansvar.events.model import (
    ContractEvent,
    DisclosureEvent,
    Event,
    Identifier,
    NoticeEvent,
    ProcessingEvent,
    RightsEvent,
    TransferEvent,
)
from ansvar.policy.calendar import last_day
from ansvar.policy.clocks import (
    CLOCKS,
    Breach,
    Handover,
    Happened,
    Notification,
    due,
    due_of_breaches,
    overtaken,
    retroactive,
)
from ansvar.policy.evaluation import Evaluator
from ansvar.policy.rules import ENGINE
from ansvar.policy.state import SubjectState, fact_of, observe
from ansvar.sample import sample_bundle
from ansvar.sample.calendar import Calendar
from ansvar.sample.company import EARLIEST_END, LATEST_END, Year, generate
from ansvar.sample.plants.clocks import TOLD


class Fold:
    """What is known of everybody when the whole year has arrived."""

    def __init__(self, year: Year) -> None:
        self.states: defaultdict[Identifier, SubjectState] = defaultdict(SubjectState)
        self.rows: list[tuple[Event, set[str]]] = []
        judge = Evaluator(sample_bundle())
        for event in map(normalise_event, year.events):
            verdict = judge.judge(event)
            self.rows.append((event, {finding.rule for finding in verdict.findings}))
            request = event.request_id.encode() if isinstance(event, RightsEvent) else None
            contract = event.contract_id.encode() if isinstance(event, ContractEvent) else None
            fact = fact_of(event, verdict, request, contract)
            if fact is not None and event.subject is not None:
                observe(self.states[event.subject], fact)

    def happened(self) -> dict[Identifier, Happened]:
        erased: defaultdict[Identifier, list[datetime]] = defaultdict(list)
        handed: defaultdict[Identifier, list[Handover]] = defaultdict(list)
        told: defaultdict[Identifier, list[Notification]] = defaultdict(list)
        for event, _ in self.rows:
            at = event.occurred_at
            match event:
                case ProcessingEvent(operation="erase"):
                    erased[event.subject].append(at)
                case TransferEvent() | DisclosureEvent():
                    for recipient in (event.recipient, event.via):
                        if recipient is not None:
                            handed[event.subject].append(Handover(recipient, at))
                case RightsEvent(phase="recipients_notified"):
                    request, recipient = event.request_id.encode(), event.recipient or ""
                    told[event.subject].append(Notification(event.right, request, recipient, at))
        return {
            person: Happened(tuple(erased[person]), tuple(handed[person]), tuple(told[person]))
            for person in self.states
        }

    def breaches(self) -> list[Breach]:
        incidents: defaultdict[str, list[NoticeEvent]] = defaultdict(list)
        for event, _ in self.rows:
            if isinstance(event, NoticeEvent) and event.topic == "breach":
                assert event.correlation_id is not None
                incidents[event.correlation_id].append(event)
        return [
            Breach(
                reference,
                notices[0].occurred_at,
                next((notice.occurred_at for notice in notices if notice.version == TOLD), None),
            )
            for reference, notices in incidents.items()
        ]

    def found(self, now: datetime) -> Counter[str]:
        """How many findings each clock gives."""
        bundle, happened = sample_bundle(), self.happened()
        findings = [
            finding
            for person, state in self.states.items()
            for finding in due(state, bundle, now, happened[person])
        ]
        findings += due_of_breaches(self.breaches(), bundle, now)
        for place, (event, rules) in enumerate(self.rows):
            if event.subject is not None and event.subject in self.states:
                late = retroactive(event, rules, (0, place), self.states[event.subject], bundle, ENGINE)
                findings += [] if late is None else [late]
                state = self.states[event.subject]
                own = (
                    isinstance(event, DisclosureEvent)
                    and event.reference is not None
                    and state.requested("portability", event.reference.encode(), event.occurred_at)
                )
                # Of every row, late history or not: nothing else can change what a rule says.
                findings += overtaken(
                    event, rules, (0, place), state, bundle, ENGINE, bundle, own_request=own
                )
        assert len({(finding.rule, finding.since, finding.key) for finding in findings}) == len(findings)
        return Counter(finding.rule for finding in findings)


@pytest.mark.parametrize(
    ("events", "seed", "ends", "live"),
    [
        (260, 1, date(2026, 11, 22), True),
        (2_000, 2, EARLIEST_END, False),
        (4_000, 3, date(2025, 12, 31), False),
        (4_000, 4, LATEST_END, True),
        (12_000, 5, date(2026, 6, 19), True),
    ],
)
def test_the_clocks_find_exactly_what_was_written(events: int, seed: int, ends: date, live: bool) -> None:
    year = generate(events, seed, ends=ends, live=live)
    found = Fold(year).found(year.as_of)
    assert {clock: found[clock] for clock in year.clocks} == dict(year.clocks)
    assert found.keys() <= year.clocks.keys()
    assert min(year.clocks.values()) > 0


def test_the_clocks_of_the_register_are_left_to_the_bundle() -> None:
    of_the_register = {"guarantees.expiring", "transfer.no_fallback", "adequacy.annulled"}
    assert generate(260).clocks.keys() == {clock.id for clock in CLOCKS} - of_the_register


def test_what_begins_28_days_before_the_year_ends_is_due_within_a_week_of_it_in_every_year() -> None:
    for days in range((LATEST_END - EARLIEST_END).days + 1):
        calendar = Calendar(EARLIEST_END + timedelta(days=days))
        last = last_day(calendar.at(calendar.days - 28, 12), 1)
        assert 0 <= (last - calendar.date_of(calendar.days)).days <= 7
        assert last_day(calendar.at(calendar.days - 50, 12), 1) < calendar.ends
