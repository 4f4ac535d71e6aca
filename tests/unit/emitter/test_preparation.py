"""From an event to bytes: ids, places, and faults before anything is buffered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.emitter.ids import uuid7
from ansvar.emitter.kit import ProducerKit
from ansvar.emitter.preparation import Preparation, encode_alone, join_batch
from ansvar.events.codec import decode_batch, encode_batch
from ansvar.events.errors import InvalidEvent
from ansvar.events.intake import IntakePrivateKey
from ansvar.events.model import Identifier, NoticeEvent, ProcessingEvent
from ansvar.events.partition import partition_of
from ansvar.events.schemas import current

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
KIT = ProducerKit(
    deployment=UUID(int=7),
    topic="ansvar.events",
    chains=4,
    partition_key=bytes(range(32)),
    epoch=1,
    intake_key=IntakePrivateKey(bytes(range(96))).public_key(),
    producer="crm",
    signing_key=Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
)
CALL = ProcessingEvent(
    occurred_at=AT,
    system="crm",
    operation="call",
    subject=Identifier(type="email", value="Anna@Example.COM"),
    event_id=UUID(int=1),
)
PREPARATION = Preparation(KIT, lambda: 1_700_000_000.123, bytes)


def decoded(encoded: bytes) -> Any:
    (event,) = decode_batch(join_batch([encoded]), current("batch").fingerprint)
    return event


def test_it_is_normalised_before_it_is_placed_and_encoded() -> None:
    prepared = PREPARATION.prepare(CALL)
    assert decoded(prepared.encoded).subject == Identifier(type="email", value="anna@example.com")
    assert prepared.partition == partition_of(KIT.partition_key, decoded(prepared.encoded), 4)
    assert prepared.event_id == CALL.event_id


def test_a_missing_id_is_made() -> None:
    prepared = PREPARATION.prepare(replace(CALL, event_id=None))
    assert prepared.event_id == uuid7(1_700_000_000_123, bytes(10))
    assert decoded(prepared.encoded).event_id == prepared.event_id


def test_an_event_about_nobody_is_placed_by_its_new_id() -> None:
    prepared = PREPARATION.prepare(NoticeEvent(occurred_at=AT, system="crm", topic="policy_version"))
    assert prepared.partition == partition_of(KIT.partition_key, decoded(prepared.encoded), 4)


@given(st.lists(st.integers(0, 2**128 - 1), min_size=1, max_size=200))
def test_joined_events_are_the_codecs_batch(ids: list[int]) -> None:
    events = [replace(CALL, event_id=UUID(int=number), details="x" * (number % 9 + 1)) for number in ids]
    assert join_batch([encode_alone(event) for event in events]) == encode_batch(events)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (replace(CALL, operation="dance"), "operation"),
        (replace(CALL, occurred_at=datetime(2026, 11, 1)), "occurred_at"),  # noqa: DTZ001 - naive on purpose
        (replace(CALL, system=None), "system"),
        (replace(CALL, subject=None), "subject"),
        (replace(CALL, subject=Identifier(type="email", value="anna")), "subject"),
        (replace(CALL, details="x" * 20_001), "details"),
        (replace(CALL, details="å" * 19_000), "32,768"),
        ({"kind": "processing"}, "dict"),
        (None, "NoneType"),
    ],
)
def test_faults_show_at_once_and_name_no_person(event: Any, message: str) -> None:
    with pytest.raises(InvalidEvent, match=message) as caught:
        PREPARATION.prepare(event, 3)
    assert caught.value.index == 3
    assert "anna" not in str(caught.value).lower()
