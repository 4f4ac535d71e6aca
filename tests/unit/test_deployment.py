"""The deployment record: one form of bytes, and nothing else is read as one."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.deployment import Deployment, DeploymentError, RegisteredProducer, from_record, to_record
from ansvar.events.intake import PUBLIC_BYTES

SAMPLE = Deployment(
    id=bytes(range(16)),
    topic="ansvar.events",
    chains=4,
    recent_events=200_000,
    engine=1,
    bundle=bytes(range(32)),
    operator=b"\x01" * 32,
    epoch=1,
    intake=b"\x02" * PUBLIC_BYTES,
    secrets=b"\x05" * 32,
    producers=(RegisteredProducer("local", b"\x03" * 32), RegisteredProducer("crm", b"\x04" * 32, ("crm",))),
    founded_at=1_767_225_600_123,
)

NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
KEYS = st.binary(min_size=32, max_size=32)
DEPLOYMENTS = st.builds(
    Deployment,
    version=st.just(1),
    id=st.binary(min_size=16, max_size=16),
    topic=NAMES,
    chains=st.integers(1, 65_536),
    recent_events=st.integers(1, 2**50),
    engine=st.integers(0, 2**16 - 1),
    bundle=KEYS,
    operator=KEYS,
    epoch=st.integers(0, 2**32 - 1),
    intake=st.binary(min_size=PUBLIC_BYTES, max_size=PUBLIC_BYTES),
    secrets=KEYS,
    producers=st.lists(
        st.builds(RegisteredProducer, NAMES, KEYS, st.lists(NAMES).map(tuple), st.lists(NAMES).map(tuple))
    ).map(tuple),
    founded_at=st.integers(0, 2**50),
)


@given(DEPLOYMENTS)
def test_round_trip_as_rfc_8785(deployment: Deployment) -> None:
    record = to_record(deployment)
    assert from_record(record) == deployment
    assert rfc8785.dumps(json.loads(record)) == record


def test_producer_keys() -> None:
    keys = SAMPLE.producer_keys()
    assert {name: key.public_bytes_raw() for name, key in keys.items()} == {
        "local": b"\x03" * 32,
        "crm": b"\x04" * 32,
    }


def changed(**values: Any) -> bytes:
    return json.dumps(json.loads(to_record(SAMPLE)) | values).encode()


@pytest.mark.parametrize("version", [0, 2, 99])
def test_another_version_is_named_whatever_it_holds(version: int) -> None:
    with pytest.raises(DeploymentError, match=f"has version {version}, this Ansvar knows 1"):
        from_record(changed(version=version, something_new=True, chains="many"))


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{}",
        b"[]",
        b"not json",
        b"\xff",
        to_record(SAMPLE)[:-1],
        changed(something_new=True),
        changed(chains="4"),
        changed(producers=[{"name": "local"}]),
        changed(id="not base64!"),
    ],
)
def test_what_is_no_record(record: bytes) -> None:
    with pytest.raises(DeploymentError, match="cannot be read"):
        from_record(record)


@pytest.mark.parametrize(
    "values",
    [
        {"chains": 0},
        {"chains": 65_537},
        {"id": b"short"},
        {"bundle": bytes(31)},
        {"operator": bytes(33)},
        {"intake": bytes(32)},
        {"secrets": bytes(16)},
        {"producers": (RegisteredProducer("local", bytes(31)),)},
    ],
)
def test_impossible_values(values: dict[str, Any]) -> None:
    with pytest.raises(DeploymentError, match="impossible"):
        from_record(to_record(replace(SAMPLE, **values)))


def test_the_record_is_frozen() -> None:
    """It is copied into each genesis row: other bytes for the same record would fork every chain."""
    assert to_record(replace(SAMPLE, intake=b"", producers=())) == (
        b'{"bundle":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","chains":4,"engine":1,"epoch":1,'
        b'"founded_at":1767225600123,"id":"AAECAwQFBgcICQoLDA0ODw==","intake":"",'
        b'"operator":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=","producers":[],'
        b'"recent_events":200000,"secrets":"BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=","topic":"ansvar.events","version":1}'
    )
