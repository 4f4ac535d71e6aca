"""What rows cause in Kafka: which alerts, with which ids, and one dead letter a record."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID, uuid5

import pytest
from msgspec.structs import replace

import judging
from ansvar.emitter.kafka import MAX_RECORD_BYTES
from ansvar.enforcement.effects import REFUSED_ALERTS_AN_HOUR, Message, alerts, messages
from ansvar.enforcement.sheet import Judged
from ansvar.events.codec import single_object_decode
from ansvar.events.model import Event
from ansvar.policy.verdict import Finding
from records import DEPLOYMENT_ID, HOUR, NOW, TOPIC, TOPICS, Chain, Producer, customer, known, numbered

DEPLOYMENT = UUID(bytes=DEPLOYMENT_ID)


def caused(chain: Chain, made: list[Judged], least: Literal["flag", "deny"] = "deny") -> list[Message]:
    return list(messages(DEPLOYMENT, chain.records[-1], made, TOPICS, least))


def decoded(found: list[Message], topic: str = TOPICS.alerts) -> list[dict[str, Any]]:
    return [single_object_decode(message.value)[1] for message in found if message.topic == topic]


def event(number: int = 1, **changes: Any) -> Event:
    return numbered(judging.process(**changes), number, subject=customer(0))


def denied(number: int = 1) -> Event:
    return event(number, purpose="hunting")


@pytest.mark.parametrize(("least", "raised"), [("deny", 0), ("flag", 1)])
def test_findings_below_the_chosen_severity_raise_nothing(
    least: Literal["flag", "deny"], raised: int
) -> None:
    chain = Chain()
    (made,) = chain.take(Producer().batch(0, [event()]))
    flagged = replace(made, findings=(Finding("transfer.third_country", "6.3", "flag", "to US"),))
    assert len(decoded(caused(chain, [flagged], least))) == raised


@pytest.mark.parametrize("severity", ["flag", "deny"])
def test_a_finding_of_a_sweep_raises_an_alert_whatever_its_severity(
    severity: Literal["flag", "deny"],
) -> None:
    chain = Chain()
    (made,) = chain.take(Producer().batch(0, [event()]))
    row = replace(made.row, kind="finding")
    found = replace(made, row=row, findings=(Finding("rights.overdue", "9", severity, "not answered"),))
    assert [alert["rule"] for alert in decoded(caused(chain, [found], "deny"))] == ["rights.overdue"]


def test_an_alert_tells_the_row() -> None:
    chain = Chain()
    made = chain.take(Producer().batch(0, [denied()]), at=NOW + 7)
    row, finding = made[0].row, made[0].findings[0]
    (alert,) = decoded(caused(chain, made))[:1]
    assert alert["alert_id"] == uuid5(DEPLOYMENT, f"0/{row.seq}/{finding.rule}").bytes
    told = {name: alert[name] for name in ("rule", "clause", "severity", "message")}
    assert told == {
        "rule": finding.rule,
        "clause": finding.clause,
        "severity": "deny",
        "message": finding.message,
    }
    assert (alert["chain"], alert["seq"], alert["kind"], alert["verdict"]) == (0, 1, "processing", "deny")
    assert alert["event_id"] == UUID(int=1, version=4).bytes
    assert alert["subject"] == known(customer(0)).reference
    assert (alert["system"], alert["purpose"], alert["producer"]) == ("crm", "hunting", "local")
    assert (alert["recipient"], alert["country"]) == (None, None)
    assert alert["policy"] == row.policy.hex()


def test_alert_ids_depend_on_place_and_rule_alone() -> None:
    """Two workers, two sessions, another time: the same id; another seq, rule or deployment: another."""

    def ids(name: str, at: int, *events: Event) -> list[bytes]:
        chain = Chain()
        return [
            a["alert_id"] for a in decoded(caused(chain, chain.take(Producer(name).batch(0, events), at=at)))
        ]

    first = ids("1", NOW, denied())
    assert first == ids("2", NOW + HOUR, denied())
    assert not set(first) & set(ids("1", NOW, event(2), denied()))
    made = Chain().take(Producer().batch(0, [denied()]))
    other = [single_object_decode(a)[1]["alert_id"] for a in alerts(UUID(int=0), made[0], "deny")]
    assert not set(first) & set(other)


def test_a_rule_that_fires_twice_has_two_alerts() -> None:
    """One a country; a consumer that drops repeated ids must not drop the second."""
    chain = Chain()
    made = chain.take(Producer().batch(0, [denied()]))
    there = [Finding("transfer.no_safeguard", "6.3", "deny", f"to {c}") for c in ("US", "IN")]
    flag = Finding("transfer.no_safeguard", "6.3", "flag", "to GP")
    judged = replace(made[0], findings=(flag, *there))
    raised = {
        least: {a["message"]: a["alert_id"] for a in decoded(caused(chain, [judged], least))}
        for least in ("deny", "flag")
    }
    assert len(set(raised["flag"].values())) == 3
    assert raised["deny"].items() <= raised["flag"].items()  # an id does not depend on the setting


def test_a_permitted_event_causes_nothing() -> None:
    chain, producer = Chain(), Producer()
    value = producer.batch(0, [event()])
    for _ in range(2):  # and its repetition neither
        assert caused(chain, chain.take(value), "flag") == []
    assert caused(chain, chain.take(producer.close(0)), "flag") == []


def test_a_gap_raises_an_alert() -> None:
    chain = Chain()
    made = chain.take(Producer().batch(0, [event()], number=2), offset=3)
    found = decoded(caused(chain, made))
    assert [(alert["rule"], alert["severity"]) for alert in found] == [("log.gap", "deny")] * 2
    assert [alert["message"] for alert in found] == [
        "offsets 0 to 2 never arrived",
        "batches 0 to 1 never arrived",
    ]
    assert [(alert["event_id"], alert["subject"], alert["verdict"]) for alert in found] == [
        (None, None, None)
    ] * 2
    assert len({alert["alert_id"] for alert in found}) == 2


def test_one_dead_letter_a_record() -> None:
    chain = Chain()
    producer = Producer()
    bad = [numbered(judging.process(), n, subject=customer(1)) for n in (1, 2, 3)]
    value = producer.batch(0, [event(9), *bad])
    made = chain.take(value, at=NOW + 7)
    (letter,) = decoded(caused(chain, made), TOPICS.deadletter)
    assert (letter["reason"], letter["producer"]) == ("wrong_partition", "local")
    assert "2 more events" in letter["explanation"]
    assert (letter["topic"], letter["partition"], letter["offset"]) == (TOPIC, 0, 0)
    assert letter["record"] == value
    assert letter["sha256"] == chain.records[0].sha256
    assert caused(chain, chain.take(value)) == []  # repeated, it is a duplicate


def test_a_dead_letter_of_an_unknown_sender() -> None:
    chain = Chain()
    (letter,) = decoded(caused(chain, chain.take(b"")), TOPICS.deadletter)
    assert (letter["reason"], letter["producer"], letter["record"]) == ("undecodable", None, b"")
    assert "more events" not in letter["explanation"]


def test_a_dead_letter_holds_no_more_than_a_topic_takes() -> None:
    """A compressed record may unpack to more than may be sent again."""
    chain = Chain()
    value = bytes(MAX_RECORD_BYTES + 1)
    (letter,) = decoded(caused(chain, chain.take(value)), TOPICS.deadletter)
    assert letter["record"] == value[:-1]
    assert str(len(value)) in letter["explanation"]
    assert letter["sha256"] == chain.records[0].sha256


def test_refusals_raise_few_alerts_an_hour_but_leave_every_row_and_letter() -> None:
    chain = Chain()
    rows, letters, raised = 0, 0, []
    for n in range(2 * REFUSED_ALERTS_AN_HOUR):
        at = NOW + (HOUR if n >= REFUSED_ALERTS_AN_HOUR + 5 else 0)
        made = chain.take(b"", at=at)
        found = caused(chain, made)
        rows += [judged.row.kind for judged in made].count("refused")
        letters += len(decoded(found, TOPICS.deadletter))
        raised.append(len(decoded(found)))
    assert rows == letters == 2 * REFUSED_ALERTS_AN_HOUR
    assert raised == [1] * REFUSED_ALERTS_AN_HOUR + [0] * 5 + [1] * (REFUSED_ALERTS_AN_HOUR - 5)


def test_the_limit_counts_rows_not_records() -> None:
    chain = Chain()
    bad = [numbered(judging.process(), n, subject=customer(1)) for n in range(1, 31)]
    found = caused(chain, chain.take(Producer().batch(0, bad)))
    assert len(decoded(found)) == REFUSED_ALERTS_AN_HOUR
    assert len(decoded(found, TOPICS.deadletter)) == 1
    assert found[-1].topic == TOPICS.deadletter
