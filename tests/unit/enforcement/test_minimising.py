"""Words that look like personal data: masked or refused before a row, an alert or a verdict can hold them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import judging
from ansvar.enforcement.effects import messages
from ansvar.enforcement.opening import Record
from ansvar.enforcement.replaying import replay
from ansvar.enforcement.sheet import Judged
from ansvar.enforcement.wiring import scopes
from ansvar.events.boundary import normal_form
from ansvar.events.control import signed_activation
from ansvar.events.errors import InvalidEvent
from ansvar.events.minimisation import WORDS
from ansvar.events.model import EVENT_TYPES, Event, Identifier, RightsEvent
from ansvar.events.personal_data import looks_personal
from ansvar.policy.bundle import Bundle
from ansvar.policy.canonical import decode, encode
from ansvar.policy.evaluation import Evaluator
from ansvar.policy.loader import bundle_from_bytes
from records import (
    DEPLOYMENT_ID,
    NOW,
    OPERATOR,
    TOPICS,
    Chain,
    Producer,
    bundle,
    bundle_bytes,
    customer,
    deployment,
    known,
    numbered,
)
from strategies import events

NUMBER, ADDRESS, PHONE = "640823-3234", "anna.berg@example.com", "070-123 45 67"
SECRETS = (NUMBER, "6408233234", ADDRESS, PHONE)


def refusing() -> bytes:
    """The sample bundle, which refuses what looks personal."""
    files = decode(bundle_bytes())
    text = files["bundle.yaml"]
    files["bundle.yaml"] = text.replace("settings:\n", "settings:\n  personal_data_in_words: refuse\n")
    return encode(files)


def chain_of(content: bytes) -> Chain:
    """A chain in which a bundle is in force."""
    chain = Chain()
    activation = signed_activation(OPERATOR, DEPLOYMENT_ID, UUID(int=1), content, deployment().engine)
    (judged,) = chain.take(Producer("c", producer="control").command(0, activation))
    assert judged.row.kind == "policy"
    return chain


def event(number: int = 1, made: Event | None = None, **changes: Any) -> Event:
    return numbered(made or judging.disclose(), number, subject=customer(0), **changes)


def extra(judged: Judged) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(judged.row.extra or "{}")
    return found


def published(chain: Chain, made: list[Judged]) -> bytes:
    """Everything that the last record causes outside, decoded where it is a text."""
    sent = messages(UUID(bytes=DEPLOYMENT_ID), chain.records[-1], made, TOPICS, "flag")
    return b"".join(message.value for message in sent)


def silent_about(secrets: tuple[str, ...], chain: Chain, made: list[Judged]) -> None:
    said = published(chain, made) + b"".join(judged.stored for judged in made)
    said += "".join(judged.explanation for judged in made).encode()
    for secret in secrets:
        assert secret.encode() not in said


def test_words_are_masked_and_the_row_says_which() -> None:
    chain = chain_of(bundle_bytes())
    sent = event(
        reference=f"dnr {NUMBER}", system=f"crm {ADDRESS}", via=PHONE, actor=ADDRESS, purpose=f"for {PHONE}"
    )
    made = chain.take(Producer().batch(0, [sent]))
    (judged,) = made
    row = judged.row
    assert (row.reference, row.system, row.via) == ("dnr [personnummer]", "crm [email]", "[phone]")
    assert (row.actor, row.purpose) == ("[email]", "for [phone]")
    assert extra(judged)["masked"] == "system,actor,purpose,reference,via"
    assert row.digest == known(customer(0)).keys.digest(normal_form(sent))
    assert {"system.unregistered", "purpose.undeclared"} <= set(row.findings)
    silent_about(SECRETS, chain, made)


def test_a_masked_event_sent_again_is_a_duplicate() -> None:
    chain, producer = chain_of(bundle_bytes()), Producer()
    sent = event(reference=NUMBER)
    chain.take(producer.batch(0, [sent]))
    (judged,) = chain.take(producer.batch(0, [sent]))
    assert judged.row.kind == "duplicate"
    (other,) = chain.take(producer.batch(0, [replace(sent, reference="701063-2391")]))
    assert (other.row.kind, other.reason) == ("refused", "event_id_reused")


def test_words_are_refused_by_name_and_kind() -> None:
    chain = chain_of(refusing())
    sent = event(reference=f"dnr {NUMBER}", system=ADDRESS)
    made = chain.take(Producer().batch(0, [sent, event(2)]))
    refused, fine = made
    assert (refused.row.kind, refused.reason, fine.row.kind) == ("refused", "personal_data", "disclosure")
    assert refused.row.event_id == sent.event_id
    assert refused.row.digest == known(customer(0)).keys.digest(normal_form(sent))
    assert "'system, reference': found what looks like an e-mail address and a personnummer" in (
        refused.explanation
    )
    assert extra(refused)["reason"] == "personal_data"
    silent_about(SECRETS, chain, made)
    letters = [
        message
        for message in messages(UUID(bytes=DEPLOYMENT_ID), chain.records[-1], made, TOPICS, "deny")
        if message.topic == TOPICS.deadletter
    ]
    assert len(letters) == 1
    assert chain.records[-1].value in letters[0].value


@pytest.mark.parametrize("content", [bundle_bytes(), refusing()])
def test_a_request_id_and_sealed_texts_may_be_anything(content: bytes) -> None:
    """The reference of a disclosure that is a request of the subject's is kept under a key, like the id."""
    chain, producer = chain_of(content), Producer()
    step = event(1, judging.rights("portability", "received", judging.NOW, NUMBER))
    answer = event(2, judging.disclose("insurer", ground="service_delivery"), reference=NUMBER)
    sealed = event(3, details=ADDRESS, compelling_grounds=PHONE, correlation_id=NUMBER)
    made = chain.take(producer.batch(0, [step, answer, sealed]))
    assert [judged.row.kind for judged in made] == ["rights", "disclosure", "disclosure"]
    assert all("masked" not in extra(judged) for judged in made)
    assert made[1].row.request_id == made[0].row.request_id
    assert extra(made[1])["own_request"] is True
    silent_about(SECRETS, chain, made)


BESIDE = (b"", b"user", ADDRESS.encode())


def test_headers_are_looked_at() -> None:
    chain = chain_of(bundle_bytes())
    record = Record(0, chain.memory.offset + 1, NOW, Producer().batch(0, [event(1), event(2)]), BESIDE)
    made = chain.take_record(record)
    assert [extra(judged)["masked"] for judged in made] == ["key or headers of the Kafka record"] * 2
    silent_about(SECRETS, chain, made)


def test_a_record_with_such_headers_is_refused() -> None:
    chain, producer = chain_of(refusing()), Producer()
    value = producer.batch(0, [event(1), event(2)])
    made = chain.take_record(Record(0, chain.memory.offset + 1, NOW, value, BESIDE))
    (judged,) = made
    assert (judged.row.kind, judged.reason) == ("refused", "personal_data")
    silent_about(SECRETS, chain, made)
    again = chain.take(producer.batch(0, [event(1), event(2)]))  # under a number of its own
    assert [judged.row.kind for judged in again] == ["disclosure", "disclosure"]


@given(
    st.lists(
        events(identifiers=st.builds(Identifier, st.just("customer_number"), st.just("K-1"))), max_size=3
    ),
    st.sampled_from([NUMBER, ADDRESS, f"x {PHONE}", "crm"]),
    st.data(),
)
def test_rows_give_the_verdicts_again(found: list[Event], word: str, data: st.DataObject) -> None:
    chain = chain_of(bundle_bytes())
    who = customer(0)
    for number, drawn in enumerate(found, 1):
        name = data.draw(st.sampled_from(WORDS[type(drawn)]))
        changes: dict[str, Any] = {name: (word,) if name == "data_categories" else word, "aliases": ()}
        changes["subject"] = who
        if isinstance(drawn.actor, Identifier) and name != "actor":
            changes["actor"] = None
        made = chain.take(Producer(str(number)).batch(0, [numbered(drawn, number, **changes)]))
        silent_about(() if word == "crm" else (word,), chain, made)
    rows = [judged.row for judged in chain.judged]
    assert [row.kind for row in rows[2:]] == [drawn.kind for drawn in found]
    again = list(replay(rows, lambda *_: (bundle(), deployment().engine), scopes(deployment())))
    assert all(each.agrees for each in again)
    assert len(again) == len(found)


# Without recording


def test_evaluate_masks_as_the_worker_does() -> None:
    evaluator = Evaluator(bundle())
    verdict = evaluator.judge(judging.process(system=ADDRESS, purpose=NUMBER))
    said = msgspec.json.encode(verdict).decode()
    assert {"system.unregistered", "purpose.undeclared"} <= {finding.rule for finding in verdict.findings}
    assert looks_personal(said.replace("2026-03-02 14:00", "")) == ()


def test_evaluate_refuses_as_the_worker_does() -> None:
    law: Bundle = bundle_from_bytes(refusing())
    evaluator = Evaluator(law)
    with pytest.raises(InvalidEvent, match="'system': found what looks like an e-mail address") as caught:
        evaluator.judge(judging.process(system=ADDRESS))
    assert caught.value.reason == "personal_data"
    assert evaluator.judge(judging.process()).verdict == "permit"
    evaluator.judge(judging.rights("portability", "received", judging.NOW, NUMBER))
    evaluator.judge(judging.disclose("insurer", ground="service_delivery", reference=NUMBER))
    with pytest.raises(InvalidEvent):
        evaluator.judge(judging.disclose("insurer", ground="service_delivery", reference="701063-2391"))


def test_the_switch_is_a_setting_that_a_bundle_need_not_state() -> None:
    assert b"personal_data_in_words" not in bundle_bytes()
    assert bundle().settings.personal_data_in_words == "mask"
    assert bundle_from_bytes(refusing()).settings.personal_data_in_words == "refuse"


def test_a_scope_that_was_masked_is_what_later_rows_are_judged_by() -> None:
    """State follows the row, not the event, so that rows alone give it again."""
    chain = chain_of(bundle_bytes())
    step = judging.objection(judging.NOW, scope=f"calls to {PHONE}")
    assert isinstance(step, RightsEvent)
    (judged,) = chain.take(Producer().batch(0, [event(1, step)]))
    assert extra(judged) == {"masked": "scope", "scope": "calls to [phone]"}
    assert {type_.kind for type_ in EVENT_TYPES} >= {judged.row.kind}
