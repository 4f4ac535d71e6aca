"""Which fields of an event are looked at, and what becomes of what they hold."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from msgspec import inspect
from msgspec.structs import replace

import judging
from ansvar.events.minimisation import WORDS, PersonalData, beside, fault_of, minimised
from ansvar.events.model import EVENT_TYPES, Event, Identifier
from ansvar.events.personal_data import looks_personal
from strategies import events

SECRET = "640823-3234"
KEPT_UNDER_KEYS = {"request_id", "contract_id", "correlation_id"}
SEALED = {"compelling_grounds", "details", "reason"}


def _takes_words(type_: inspect.Type) -> bool:
    match type_:
        case inspect.StrType():
            return True
        case inspect.UnionType(types=members):
            return any(map(_takes_words, members))
        case inspect.VarTupleType(item_type=item):
            return _takes_words(item)
    return False


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_field_that_holds_a_word_is_looked_at(event_type: type[Event]) -> None:
    info = inspect.type_info(event_type)
    assert isinstance(info, inspect.StructType)
    words = {field.name for field in info.fields if _takes_words(field.type)}
    assert set(WORDS[event_type]) == words - KEPT_UNDER_KEYS - SEALED


@pytest.mark.parametrize(
    ("event_type", "name"), [(event_type, name) for event_type, names in WORDS.items() for name in names]
)
def test_each_is_masked_or_refused(event_type: type[Event], name: str) -> None:
    event = next(each for each in SAMPLES if type(each) is event_type)
    value = ("name", f"x {SECRET}") if name == "data_categories" else f"x {SECRET}"
    event = replace(event, **{name: value})
    found, fields = minimised(event, "mask")
    assert fields == (name,)
    expected = ("name", "x [personnummer]") if name == "data_categories" else "x [personnummer]"
    assert getattr(found, name) == expected
    assert found == replace(event, **{name: expected})
    with pytest.raises(PersonalData) as caught:
        minimised(event, "refuse")
    assert (caught.value.reason, caught.value.field) == ("personal_data", name)
    assert "a personnummer" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert isinstance(caught.value.placed(line=3), PersonalData)


SAMPLES = (
    judging.process(),
    judging.transfer(),
    judging.disclose(),
    judging.rights("access", "received", judging.NOW),
    judging.contract("started", judging.NOW),
    judging.event_from_object({"kind": "notice", "system": "crm", "occurred_at": judging.at(judging.NOW)}),
)


@pytest.mark.parametrize("event", SAMPLES)
def test_an_event_without_any_is_the_same_object(event: Event) -> None:
    assert minimised(event, "mask") == minimised(event, "refuse") == (event, ())
    assert minimised(event, "mask")[0] is event


def test_what_is_sealed_or_kept_under_a_key_is_left() -> None:
    sealed = judging.process(details=SECRET, compelling_grounds=SECRET, correlation_id=SECRET)
    step = judging.rights("access", "refused", judging.NOW, SECRET, reason=SECRET)
    person = judging.process(actor={"type": "personnummer", "value": "196408233234"})
    for event in (sealed, step, person, judging.contract("started", judging.NOW, SECRET)):
        assert minimised(event, "refuse") == (event, ())
    assert isinstance(person.actor, Identifier)
    request = judging.disclose(reference=SECRET)
    assert minimised(request, "refuse", keyed="reference") == (request, ())
    other = replace(request, system="a@b.se")
    masked = minimised(other, "mask", keyed="reference")
    assert masked == (replace(other, system="[email]"), ("system",))


@given(events())
def test_no_word_keeps_anything(event: Event) -> None:
    found, fields = minimised(event, "mask")
    assert minimised(found, "refuse") == (found, ())
    for name in WORDS[type(event)]:
        assert (getattr(event, name) != getattr(found, name)) == (name in fields)


def test_all_fields_are_named_once_each() -> None:
    event = judging.transfer(system="a@b.se", via="070-123 45 67 a@b.se", safeguard_reference=SECRET)
    found, fields = minimised(event, "mask")
    assert fields == ("system", "safeguard_reference", "via")
    assert (
        looks_personal(msgspec.json.encode(replace(found, occurred_at=judging.at("2026-01-01"))).decode())
        == ()
    )
    with pytest.raises(PersonalData, match="an e-mail address and a personnummer") as caught:
        minimised(event, "refuse")
    assert caught.value.field == "system, safeguard_reference, via"


def test_keys_and_headers() -> None:
    assert beside(()) is None
    assert beside([b"trace-id", b"550e8400-e29b-41d4-a716-446655440000", b"\xff\x00"]) is None
    assert beside([b"user", b"anna@example.com"]) == "email"
    assert beside([b"19640823-3234", b""]) == "personnummer"
    assert "phone number" in str(fault_of([("x", "phone")]))
