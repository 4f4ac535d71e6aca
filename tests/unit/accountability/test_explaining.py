"""An explanation says what `decide` said, rule by rule, and tells the facts as of the time of the event."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from uuid import UUID

import pytest
from msgspec.structs import replace

from ansvar.accountability.circumstances import WITHHELD, Fact
from ansvar.accountability.explaining import Explanation, explain, to_json
from ansvar.cli.swedish import SWEDISH
from ansvar.enforcement.replaying import Replayed, replay
from ansvar.enforcement.wiring import scopes
from ansvar.events.control import signed_activation
from ansvar.events.identifiers import normalise_event
from ansvar.events.model import Event
from ansvar.policy.bundle import Bundle
from ansvar.policy.decide import ENGINES, UnknownEngine
from ansvar.policy.rules import ALL_RULES
from ansvar.sample.company import generate
from judging import at, contract, days, disclose, interest, objection, process, rights, transfer
from records import DEPLOYMENT_ID, OPERATOR, Chain, Producer, bundle, bundle_bytes, customer, deployment

NEWEST = max(ENGINES)


@cache
def year(engine: int) -> Chain:
    """The events of the sample company that fall to one chain, under an engine."""
    return chain_of(tuple(map(normalise_event, generate(400).events)), engine)


def chain_of(events: tuple[Event, ...], engine: int = NEWEST) -> Chain:
    """A chain that judged some events, of one person where they are not numbered."""
    chain, producer = Chain(), Producer()
    controller = Producer("c", producer="control")
    activation = signed_activation(OPERATOR, DEPLOYMENT_ID, UUID(int=9_999), bundle_bytes(), engine)
    chain.take(controller.command(chain.partition, activation))
    for event in events:
        chain.take(producer.batch(chain.partition, [event]))
    return chain


def same(policy: bytes, engine: int) -> tuple[Bundle, int]:
    assert policy == bundle().sha256
    return bundle(), engine


def explained(chain: Chain, lang: str = "en") -> Iterator[tuple[Replayed, Explanation]]:
    claims = scopes(deployment())
    for again in replay((judged.row for judged in chain.judged), same, claims):
        yield again, explain(again, bundle(), claims.get(again.row.producer), "sv" if lang == "sv" else "en")


def last(*events: Event, lang: str = "en") -> Explanation:
    """The explanation of the last of some events of one person."""
    numbered = tuple(
        replace(event, event_id=UUID(int=number), subject=customer(0))
        for number, event in enumerate(events, 1)
    )
    *_, (_, explanation) = explained(chain_of(numbered), lang)
    return explanation


def facts(explanation: Explanation, name: str, part: str | None = None) -> list[Fact]:
    return [fact for fact in explanation.facts if fact.name == name and part in (None, fact.part)]


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_what_is_told_is_what_was_decided(engine: int) -> None:
    verdicts: Counter[str] = Counter()
    for again, explanation in explained(year(engine)):
        fired = [rule for rule in explanation.rules if rule.answer == "fired"]
        told = [(rule.rule, message) for rule in fired for message in rule.messages]
        assert told == [(finding.rule, finding.message) for finding in again.verdict.findings]
        assert (explanation.verdict, explanation.agrees) == (again.row.verdict, True)
        assert [rule.rule for rule in explanation.rules] == [
            rule.id for chapter in ENGINES[engine].chapters for rule in chapter.rules
        ]
        verdicts[explanation.verdict] += 1
    assert min(verdicts[verdict] for verdict in ("permit", "flag", "deny")) > 0


def test_nobody_is_named() -> None:
    for again, explanation in explained(year(NEWEST)):
        text = json.dumps(to_json(explanation))
        row = again.row
        for key in (row.subject, row.request_id, row.contract_id):
            assert not any(key) or key.hex() not in text


def test_a_word_that_may_be_a_person_is_not_repeated() -> None:
    text = json.dumps(to_json(last(process(purpose="0701234567", data_categories=["anna@example.com"]))))
    assert WITHHELD in text
    assert "0701234567" not in text
    assert "anna@" not in text


def test_an_answer_is_fired_passed_or_not_concerned() -> None:
    explanation = last(objection("2026-03-01 09:00"), interest("email", purpose="marketing"))
    answers = {rule.rule: rule for rule in explanation.rules}
    objected = answers["marketing.objected"]
    assert (objected.answer, objected.severity, len(objected.messages)) == ("fired", "deny", 1)
    assert (answers["basis.no_balancing_test"].answer, answers["basis.no_balancing_test"].severity) == (
        "passed",
        None,
    )
    assert answers["transfer.no_safeguard"].answer == "not_concerned"


def test_a_rule_that_the_bundle_switched_off_says_so() -> None:
    row = (
        chain_of((replace(process(purpose=None), event_id=UUID(int=1), subject=customer(0)),)).judged[-1].row
    )
    off = replace(bundle(), severities={"purpose.missing": "off"})
    [again] = replay([row], lambda _policy, engine: (off, engine), {})
    explanation = explain(again, off, None, "en")
    assert [rule.answer for rule in explanation.rules if rule.rule == "purpose.missing"] == ["off"]
    assert not explanation.agrees  # the row was judged by another bundle


def test_titles_and_labels_are_in_the_language() -> None:
    titles = {rule.id: rule for rule in ALL_RULES}
    for lang in ("en", "sv"):
        explanation = last(process(), lang=lang)
        for rule in explanation.rules:
            known = titles[rule.rule]
            assert rule.title == (known.title_sv if lang == "sv" else known.title_en)
        [purpose] = facts(explanation, "purpose", "register")
        assert bundle().purposes["legal_obligation"].label[lang] in purpose.what


def test_contracts_stand_as_of_the_event() -> None:
    history = (contract("started", "2025-01-01"), contract("ended", "2025-06-01"))
    [ended] = facts(last(*history, process()), "contracts")
    assert (ended.what, ended.until) == ("ended", at("2025-06-01"))
    [before] = facts(last(*history, process(when="2025-05-31 23:59")), "contracts")
    assert (before.what, before.until) == ("active", None)
    assert [fact.what for fact in facts(last(process()), "contracts")] == ["none"]


def test_objections_have_their_scope_and_since_when() -> None:
    direct = objection("2026-01-10", "direct_marketing")
    everything = objection("2026-02-10", request="R2")
    refused = objection("2026-02-20", phase="refused", request="R2")
    told = last(direct, everything, process())
    assert [(fact.what, fact.since) for fact in facts(told, "objection")] == [
        ("direct_marketing", at("2026-01-10")),
        ("any purpose", at("2026-02-10")),
    ]
    assert facts(told, "objection_for_marketing_only") == []
    told = last(direct, everything, refused, process())
    assert [fact.what for fact in facts(told, "objection")] == ["direct_marketing"]
    assert [fact.what for fact in facts(told, "objection_for_marketing_only")] == ["any purpose"]
    assert facts(last(direct, process(when="2026-01-09")), "objection") == []


def test_restriction_and_erasure_have_their_dates() -> None:
    asked = [
        rights(right, phase, when, request)
        for right, request in (("restriction", "R1"), ("erasure", "R2"))
        for phase, when in (("received", "2026-01-10"), ("fulfilled", "2026-01-20"))
    ]
    told = last(*asked, process())
    assert [(f.what, f.since) for f in facts(told, "restriction")] == [("restricted", at("2026-01-20"))]
    assert [(f.what, f.since) for f in facts(told, "last_erasure")] == [("fulfilled", at("2026-01-20"))]
    told = last(*asked, process(when="2026-01-19"))
    assert [(f.what, f.since) for f in facts(told, "restriction")] == [("none", None)]


def test_a_request_is_open_until_it_is_answered() -> None:
    asked = rights("access", "received", "2026-01-10")
    answered = rights("access", "fulfilled", "2026-02-01")
    [is_open] = facts(last(asked, answered, process(when="2026-01-31")), "open_request")
    assert (is_open.what, is_open.since) == ("access", at("2026-01-10"))
    assert facts(last(asked, answered, process()), "open_request") == []
    steps = facts(last(asked, answered), "request_step")
    assert [(step.what, step.since) for step in steps] == [("received", at("2026-01-10"))]


def test_what_each_category_was_collected_for() -> None:
    got = process(
        "collect",
        "2026-01-10",
        purpose="contract",
        legal_basis="contract",
        data_categories=["name"],
        source="data_subject",
    )
    told = last(contract("started", "2026-01-01"), got, process(data_categories=["name", "address"]))
    assert [fact.what for fact in facts(told, "collected_for")] == ["name: contract", "address: -"]


def test_register_entries_hold_or_do_not_by_their_dates() -> None:
    """Of the three decisions on the US one or none is in force, depending on the day."""
    for when, in_force in (
        ("2020-07-15 23:59", ["US-PRIVACY-SHIELD"]),
        ("2020-07-16 00:00", []),
        ("2026-03-02 14:00", ["US-DPF"]),
    ):
        told = last(transfer("app-hosting-us", when, safeguard="scc"))
        decisions = facts(told, "adequacy")
        assert [fact.what.split()[0] for fact in decisions if fact.holds] == in_force
        assert len(decisions) == 3
        [agreement] = facts(told, "agreement")
        assert agreement.holds == (when > "2023-04-01")
        assert agreement.since == days("2023-04-01").start


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (process(purpose="resale"), "purpose"),
        (process(legal_basis="whim"), "legal_basis"),
        (process(system="cellar"), "system"),
        (process(data_categories=["shoe_size"]), "category"),
        (transfer("nobody"), "recipient"),
        (disclose("police", via="nobody"), "via"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_register_lacks_is_said(event: Event, name: str) -> None:
    [fact] = facts(last(event), name, "register")
    assert fact.holds is False


def test_an_altered_row_is_told() -> None:
    chain = chain_of((replace(process(purpose=None), event_id=UUID(int=1), subject=customer(0)),))
    altered = replace(chain.judged[-1].row, verdict="permit", findings=())
    [again] = replay([altered], same, {})
    explanation = explain(again, bundle(), None, "en")
    assert (explanation.recorded, explanation.verdict, explanation.agrees) == ("permit", "deny", False)


def test_an_engine_of_the_future_is_refused() -> None:
    row = chain_of((replace(process(), event_id=UUID(int=1), subject=customer(0)),)).judged[-1].row
    [again] = replay([row], same, {})
    with pytest.raises(UnknownEngine):
        explain(replace(again, row=replace(row, engine=99)), bundle(), None, "en")


def test_every_fact_and_answer_has_a_swedish_word() -> None:
    words: set[str] = set()
    for _, explanation in explained(year(NEWEST), "sv"):
        words |= {fact.name for fact in explanation.facts} | {fact.part for fact in explanation.facts}
        words |= {rule.answer for rule in explanation.rules} | {explanation.verdict}
    assert len(words) > 40
    assert words - set(SWEDISH) == set()
