"""Where events go: the published vectors, and that nothing but key and subject decides."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.events.model import Identifier, NoticeEvent, ProcessingEvent
from ansvar.events.partition import partition_of

KEY = bytes(range(32))
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
EVENT_ID = UUID("0192a1b2-c3d4-7e5f-8a6b-7c8d9eafb0c1")
CUSTOMER = ProcessingEvent(
    occurred_at=AT,
    system="crm",
    operation="call",
    subject=Identifier(type="customer_number", value="C-1001"),
    event_id=EVENT_ID,
)
NOBODY = NoticeEvent(occurred_at=AT, system="crm", topic="policy_version", event_id=EVENT_ID)


@pytest.mark.parametrize(("partitions", "expected"), [(64, 51), (4, 3), (1, 0), (2**64, 0x898ACD409FE1CDF3)])
def test_published_vector_with_a_subject(partitions: int, expected: int) -> None:
    # printf 'customer_number\0C-1001' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0001…1f
    assert partition_of(KEY, CUSTOMER, partitions) == expected


@pytest.mark.parametrize(("partitions", "expected"), [(64, 52), (4, 0), (2**64, 0x609436E8F87F2F34)])
def test_published_vector_without_a_subject(partitions: int, expected: int) -> None:
    # printf 0192a1b2c3d47e5f8a6b7c8d9eafb0c1 | xxd -r -p | sha256sum
    assert partition_of(KEY, NOBODY, partitions) == expected
    assert partition_of(bytes(32), NOBODY, partitions) == expected


@given(
    value=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    kind=st.sampled_from(["email", "phone_number", "device_id"]),
    key=st.binary(min_size=32, max_size=32),
    partitions=st.integers(1, 4096),
)
def test_only_key_and_subject_decide(value: str, kind: str, key: bytes, partitions: int) -> None:
    subject = Identifier(type=kind, value=value)  # type: ignore[arg-type] # one of the closed words
    event = replace(CUSTOMER, subject=subject)
    digest = hmac.new(key, kind.encode() + b"\x00" + value.encode(), hashlib.sha256).digest()
    expected = int.from_bytes(digest[:8], "big") % partitions
    assert partition_of(key, event, partitions) == expected
    assert partition_of(key, replace(event, event_id=None, system="billing"), partitions) == expected
    assert partition_of(key, replace(NOBODY, subject=subject), partitions) == expected


def test_what_cannot_be_placed() -> None:
    with pytest.raises(ValueError, match="event_id"):
        partition_of(KEY, replace(NOBODY, event_id=None), 4)
    with pytest.raises(ValueError, match="32 bytes"):
        partition_of(bytes(31), CUSTOMER, 4)
    with pytest.raises(ValueError, match="at least one"):
        partition_of(KEY, CUSTOMER, 0)
