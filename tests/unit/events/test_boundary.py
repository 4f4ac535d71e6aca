"""The strict JSON boundary: what comes in comes out the same, and what may not come in is named precisely."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from ansvar.events import (
    Event,
    InvalidEvent,
    NoticeEvent,
    ProcessingEvent,
    event_from_object,
    normal_form,
    parse_event,
    to_json,
    validated,
)
from ansvar.events.model import EVENT_TYPES, Identifier
from strategies import events

SECRET = "640823-3234"
CALL: dict[str, Any] = {
    "kind": "processing",
    "occurred_at": "2026-03-02T14:00:00+01:00",
    "system": "dialler",
    "subject": {"type": "personnummer", "value": SECRET},
    "operation": "call",
    "purpose": "marketing",
    "data_categories": ["name", "phone_number"],
}
RIGHTS: dict[str, Any] = {
    "kind": "rights",
    "occurred_at": "2026-03-02T14:00:00Z",
    "system": "support",
    "subject": {"type": "email", "value": "anna@example.com"},
    "request_id": "R-1",
    "right": "access",
    "phase": "received",
}


def with_(base: dict[str, Any] = CALL, **changes: Any) -> dict[str, Any]:
    return {**base, **changes}


def without(name: str, base: dict[str, Any] = CALL) -> dict[str, Any]:
    return {key: value for key, value in base.items() if key != name}


def refusal(source: object) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        parse_event(json.dumps(source))
    return caught.value


def test_an_event_is_read_with_its_time_in_utc() -> None:
    event = parse_event(json.dumps(CALL))
    assert isinstance(event, ProcessingEvent)
    assert event.kind == "processing"
    assert event.occurred_at == datetime(2026, 3, 2, 13, tzinfo=UTC)
    assert event.occurred_at.tzinfo is UTC
    assert event.subject == Identifier("personnummer", SECRET)
    assert event.event_id is None
    assert event.stage == "done"


def test_defaults_and_absent_fields_are_left_out() -> None:
    text = json.dumps(with_(stage="done", role="controller", aliases=[], purpose=None, data_categories=[]))
    assert json.loads(to_json(parse_event(text))) == {
        **without("purpose", without("data_categories")),
        "occurred_at": "2026-03-02T13:00:00Z",
    }


@given(events(with_id=False, zones=True))
@settings(max_examples=80)
def test_json_round_trip(event: Event) -> None:
    again = parse_event(to_json(event))
    assert again == event
    assert type(again) is type(event)
    assert again.occurred_at.tzinfo is UTC
    assert validated(event) == event


@given(events(with_id=False, zones=True))
def test_an_object_is_read_like_its_json(event: Event) -> None:
    assert event_from_object(json.loads(to_json(event))) == event
    assert event_from_object(msgspec.to_builtins(event, builtin_types=(datetime, UUID))) == event


@given(events(zones=True))
@settings(max_examples=80)
def test_normal_form_is_rfc_8785_of_the_event(event: Event) -> None:
    normal = normal_form(parse_event(to_json(event)))
    assert normal == rfc8785.dumps(json.loads(to_json(parse_event(to_json(event)))))
    assert json.loads(normal)["occurred_at"].endswith("Z")
    assert parse_event(normal) == event


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("2026-03-02T14:00:00+01:00", "2026-03-02T13:00:00Z"),
        ("2026-03-02T13:00:00.000000Z", "2026-03-02T13:00:00Z"),
        ("2026-03-02T13:00:00.5Z", "2026-03-02T13:00:00.500000Z"),
        ("2026-03-02T13:00:00.0000004Z", "2026-03-02T13:00:00Z"),
    ],
)
def test_one_instant_has_one_normal_form(written: str, normal: str) -> None:
    event = parse_event(json.dumps(with_(occurred_at=written)))
    assert json.loads(normal_form(event))["occurred_at"] == normal


def test_normal_form_of_a_fixed_event() -> None:
    event = parse_event(json.dumps(with_(details='å"\\\n\u2028', stage="intent")))
    assert (
        normal_form(event)
        == (
            '{"data_categories":["name","phone_number"],"details":"å\\"\\\\\\n\u2028","kind":"processing",'
            '"occurred_at":"2026-03-02T13:00:00Z","operation":"call","purpose":"marketing","stage":"intent",'
            '"subject":{"type":"personnummer","value":"640823-3234"},"system":"dialler"}'
        ).encode()
    )


@pytest.mark.parametrize(
    ("source", "field", "found", "allowed"),
    [
        (without("kind"), "kind", "nothing", "processing, transfer, disclosure, rights, contract, notice"),
        (with_(kind="prosessing"), "kind", "'prosessing'", "processing, transfer"),
        (with_(kind=7), "kind", "a number", "processing, transfer"),
        (with_(kind=f"K {SECRET}"), "kind", "a string of 13 characters", "processing"),
        (with_(perpose="marketing"), "perpose", "a field that processing events", "did you mean 'purpose'?"),
        (with_(xyzzy=1), "xyzzy", "a field that processing events do not have", "kind, occurred_at, system"),
        ({**CALL, SECRET: 1}, "?", "a field whose name is not shown", "kind, occurred_at"),
        ({**CALL, "070-123-45-67": 1}, "?", "a field whose name is not shown", "kind, occurred_at"),
        (with_(recipient="police"), "recipient", "a field that processing events do not have", ""),
        (without("operation"), "operation", "nothing", "analyse, call, collect"),
        (without("subject"), "subject", "nothing", "an object with 'type' and 'value'"),
        (without("occurred_at"), "occurred_at", "nothing", "an RFC 3339 time with an offset"),
        (without("request_id", RIGHTS), "request_id", "nothing", "a string of 1 to 200 characters"),
        (with_(operation="phone"), "operation", "'phone'", "analyse, call, collect"),
        (with_(operation="Anna Berg 640823"), "operation", "a string of 16 characters", "analyse, call"),
        (with_(operation=None), "operation", "null", "analyse, call"),
        (with_(operation=["call"]), "operation", "an array", "analyse, call"),
        (with_(stage="Done"), "stage", "'Done'", "done, fail_open, intent, not_run"),
        (with_(occurred_at="2026-03-02T14:00:00"), "occurred_at", "a time without an offset", "RFC 3339"),
        (with_(occurred_at="yesterday"), "occurred_at", "a string that is no RFC 3339 time", "RFC 3339"),
        (with_(occurred_at=1772456400), "occurred_at", "a number", "RFC 3339"),
        (with_(occurred_at="1899-12-31T23:59:59Z"), "occurred_at", "a time outside", "years 1900 to 2299"),
        (with_(occurred_at="0001-01-01T00:00:00+01:00"), "occurred_at", "a time outside", "1900"),
        (with_(event_id="123"), "event_id", "a string that is no UUID", "a UUID"),
        (with_(event_id=5), "event_id", "a number", "a UUID"),
        (with_(system=""), "system", "an empty string", "a string of 1 to 200 characters"),
        (with_(purpose="x" * 201), "purpose", "a string of 201 characters", "a string of 1 to 200"),
        (with_(details="x" * 20_001), "details", "a string of 20001 characters", "1 to 20000 characters"),
        (with_(purpose=None, nix_listed=True, cookie=5), "cookie", "a number", "a string of 1 to 200"),
        (with_(nix_listed="yes"), "nix_listed", "a string of 3 characters", "true or false"),
        (with_(nix_listed=1), "nix_listed", "a number", "true or false"),
        (with_(data_categories="name"), "data_categories", "a string of 4 characters", "an array, each"),
        (with_(data_categories=["name", 5]), "data_categories[1]", "a number", "a string of 1 to 200"),
        (with_(subject=SECRET), "subject", "a string of 11 characters", "an object with 'type' and 'value'"),
        (with_(subject={"type": "ssn", "value": SECRET}), "subject.type", "'ssn'", "personnummer"),
        (with_(subject={"type": "email"}), "subject.value", "nothing", "a string of 1 to 320 characters"),
        (with_(subject={"type": "email", "value": 1}), "subject.value", "a number", "1 to 320"),
        (
            with_(subject={"type": "email", "value": "a", "valid": True}),
            "subject.valid",
            "a field that identifiers do not have",
            "did you mean 'value'?",
        ),
        (
            with_(aliases=[{"type": "email", "value": "a"}, {"type": "mail", "value": "b"}]),
            "aliases[1].type",
            "'mail'",
            "email",
        ),
        (with_(actor=5), "actor", "a number", "a string of 1 to 200 characters or an object"),
        (with_(actor={"type": "boss", "value": "x"}), "actor.type", "'boss'", "employee_number"),
        (with_(RIGHTS, fee=-1), "fee", "a number out of range", "a whole number from 0 to 1000000"),
        (with_(RIGHTS, fee=1_000_001), "fee", "a number out of range", "a whole number from 0 to 1000000"),
        (with_(RIGHTS, fee=True), "fee", "true", "a whole number"),
        (with_(RIGHTS, fee=1.5), "fee", "a number", "a whole number"),
        (
            with_(RIGHTS, phase="recipients_notified"),
            "recipient",
            "nothing",
            "the recipient that was notified",
        ),
        (
            {
                "kind": "notice",
                "occurred_at": "2026-03-02T14:00:00Z",
                "system": "crm",
                "aliases": [{"type": "email", "value": "a@example.com"}],
            },
            "aliases",
            "aliases of nobody",
            "aliases beside a subject only",
        ),
        ([CALL], None, "an array", "a JSON object"),
        ("call", None, "a string of 4 characters", "a JSON object"),
    ],
)
def test_a_fault_is_named_with_field_found_and_allowed(
    source: object, field: str | None, found: str, allowed: str
) -> None:
    fault = refusal(source)
    assert fault.field == field
    assert fault.found.startswith(found)
    assert allowed in fault.allowed
    assert "\n" not in str(fault)
    assert SECRET not in str(fault)
    if isinstance(source, dict):
        with pytest.raises(InvalidEvent) as caught:
            event_from_object(source)
        assert str(caught.value) == str(fault)


def test_the_message_says_line_field_found_and_allowed() -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_event(json.dumps(with_(stage="later")), line=7)
    assert caught.value.line == 7
    assert str(caught.value) == (
        "line 7, field 'stage': found 'later'; allowed: done, fail_open, intent, not_run"
    )


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "no JSON ("),
        (b"{", "no JSON ("),
        (json.dumps(CALL)[:-1], "no JSON ("),
        (json.dumps(CALL) + "x", "no JSON ("),
        (json.dumps(with_(details="PLACE")).replace("PLACE", "\\ud800"), "no JSON ("),
        (b'{"kind":"\xff"}', "bytes that are not UTF-8"),
        ("\ud800", "text with half a surrogate pair"),
        (b"[" * 30_000, "JSON nested too deeply"),
        (b" " * 32_769, "32,769 bytes"),
    ],
)
def test_what_is_no_json_is_refused_without_a_traceback(data: bytes | str, found: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_event(data, line=2)
    assert caught.value.found.startswith(found)
    assert str(caught.value).startswith("line 2: found ")


def test_an_event_of_32_kib_is_the_largest() -> None:
    text = json.dumps(CALL)
    assert parse_event(text + " " * (32_768 - len(text))) == parse_event(text)
    with pytest.raises(InvalidEvent, match="found 32,769 bytes; allowed: at most 32,768 bytes"):
        parse_event(text + " " * (32_769 - len(text)))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (json.dumps(CALL)[:-1] + ', "system": "crm"}', "system"),
        (json.dumps(CALL)[:-1] + ',"purpose":null}', "purpose"),
        (json.dumps(with_(details="a\\b"))[:-1] + ',"stage":"done"}', None),
        (json.dumps(with_(details='say "no"'))[:-1] + ',"kind":"processing"}', "kind"),
        (json.dumps(CALL).replace('"type"', '"type":"email","type"'), "type"),
        (json.dumps(with_(purpose=None, actor=None, stage="done")), None),
        (json.dumps(CALL).replace('"system"', '"s\\u0079stem":"crm","system"'), "system"),
    ],
)
def test_a_key_that_is_given_twice_is_refused(text: str, key: str | None) -> None:
    if key is None:
        assert parse_event(text).system == "dialler"
        return
    with pytest.raises(InvalidEvent) as caught:
        parse_event(text)
    assert (caught.value.field, caught.value.found) == (key, "the field twice")


@given(events(with_id=False), st.data())
@settings(max_examples=80)
def test_any_repeated_key_is_refused(event: Event, data: st.DataObject) -> None:
    text = to_json(event).decode()
    name = data.draw(st.sampled_from(sorted(json.loads(text))))
    member = json.dumps({name: json.loads(text)[name]}, ensure_ascii=data.draw(st.booleans()))[1:-1]
    with pytest.raises(InvalidEvent) as caught:
        parse_event(f"{text[:-1]}, {member}}}")
    assert caught.value.field == name


@given(events(with_id=False), st.data())
@settings(max_examples=80)
def test_every_refusal_of_the_decoder_is_explained(event: Event, data: st.DataObject) -> None:
    """Whatever a field is replaced by: either it is an event, or the fault names that field."""
    source = json.loads(to_json(event))
    name = data.draw(st.sampled_from(sorted(source)))
    source[name] = data.draw(
        st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
        | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)
        | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
    )  # fmt: skip
    fault: InvalidEvent | None = None
    try:
        event_from_object(source)
    except InvalidEvent as raised:
        fault = raised
    assert fault is None or fault.field is not None
    assert fault is None or fault.found != "a value that the format does not allow"


def test_objects_that_no_json_parser_makes() -> None:
    with pytest.raises(InvalidEvent, match="'kind': found a value of type object"):
        event_from_object({"kind": object()})
    with pytest.raises(InvalidEvent, match="found a value of type set"):
        event_from_object({1})
    with pytest.raises(InvalidEvent, match="a field whose name is not shown"):
        event_from_object(dict([*CALL.items(), (5, 1)]))
    naive = datetime(2026, 3, 2, 14)  # noqa: DTZ001 - the point of the test
    with pytest.raises(InvalidEvent, match="found a time without an offset"):
        event_from_object(with_(occurred_at=naive))


def test_an_event_built_in_python_is_checked() -> None:
    at = datetime(2026, 3, 2, 14, tzinfo=timezone(timedelta(hours=1)))
    good = NoticeEvent(occurred_at=at, system="crm", data_categories=["name"])  # type: ignore[arg-type]
    assert validated(good).data_categories == ("name",)
    assert validated(good).occurred_at.tzinfo is UTC
    with pytest.raises(InvalidEvent, match="field 'system': found a number"):
        validated(NoticeEvent(occurred_at=at, system=5))  # type: ignore[arg-type]
    with pytest.raises(InvalidEvent, match="found a value that JSON cannot hold"):
        validated(NoticeEvent(occurred_at=at, system=object()))  # type: ignore[arg-type]
    with pytest.raises(InvalidEvent, match="found a value that JSON cannot hold"):
        validated(NoticeEvent(occurred_at=at, system="\ud800"))


def test_every_kind_reads_its_own_class() -> None:
    for event_type in EVENT_TYPES:
        with pytest.raises(InvalidEvent) as caught:
            event_from_object({"kind": event_type.kind})
        assert caught.value.field == "occurred_at"


@pytest.mark.parametrize("name", ["födelsedatum", "foo.bar", "$schema", "nix2_checked", "sha256", "purpose "])
def test_an_unknown_field_is_named(name: str) -> None:
    event = {"kind": "notice", "occurred_at": "2026-03-02T14:00:00Z", "system": "crm", name: 1}
    with pytest.raises(InvalidEvent) as caught:
        parse_event(json.dumps(event))
    assert caught.value.field == name


@pytest.mark.parametrize("name", ["kim@example.se", "Kim Svensson", "640823-3234", "6408233234", "a" * 41])
def test_a_field_that_may_be_a_value_is_not_shown(name: str) -> None:
    event = {"kind": "notice", "occurred_at": "2026-03-02T14:00:00Z", "system": "crm", name: 1}
    with pytest.raises(InvalidEvent) as caught:
        parse_event(json.dumps(event))
    assert name not in str(caught.value)
