"""What is derived from a key is frozen: another label would change every digest that was ever stored."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.vault import keys
from ansvar.vault.errors import VaultError
from ansvar.vault.keys import DeploymentKeys, SubjectKeys, derive, lookup_tag, position_bytes

KEY = bytes(range(32))
POSITION = position_bytes(0x01020304, bytes(range(16)), -2, 513)
LABELS = {
    "SUBJECT_ALIAS": b"ansvar/subject/alias/v1",
    "SUBJECT_DIGEST": b"ansvar/subject/digest/v1",
    "SUBJECT_REQUEST_ID": b"ansvar/subject/request-id/v1",
    "SUBJECT_CONTRACT_ID": b"ansvar/subject/contract-id/v1",
    "SUBJECT_DETAILS": b"ansvar/subject/details/v1",
    "SUBJECT_DETAILS_NONCE": b"ansvar/subject/details-nonce/v1",
    "SUBJECT_IDENTIFIER": b"ansvar/subject/identifier/v1",
    "DEPLOYMENT_SUBJECT": b"ansvar/deployment/no-subject/v1",
    "DEPLOYMENT_CORRELATION": b"ansvar/deployment/correlation-id/v1",
}


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def test_labels_are_frozen_and_apart() -> None:
    assert {
        name: getattr(keys, name) for name in dir(keys) if name.startswith(("SUBJECT_", "DEPLOYMENT_"))
    } == LABELS
    assert len(set(LABELS.values())) == len(LABELS)


def test_derivation_by_definition() -> None:
    subject, deployment = SubjectKeys(KEY), DeploymentKeys(KEY)
    assert derive(KEY, b"label") == mac(KEY, b"label")
    assert subject.digest(b"event") == mac(mac(KEY, LABELS["SUBJECT_DIGEST"]), b"event")[:16]
    assert subject.request_id("R-1") == mac(mac(KEY, LABELS["SUBJECT_REQUEST_ID"]), b"R-1")[:16]
    assert subject.contract_id("K-1") == mac(mac(KEY, LABELS["SUBJECT_CONTRACT_ID"]), b"K-1")[:16]
    assert deployment.correlation_id("c") == mac(mac(KEY, LABELS["DEPLOYMENT_CORRELATION"]), b"c")[:16]
    inner = SubjectKeys(mac(KEY, LABELS["DEPLOYMENT_SUBJECT"]))
    assert deployment.no_subject.digest(b"event") == inner.digest(b"event")


@pytest.mark.parametrize(
    ("made", "golden"),
    [
        (lambda: SubjectKeys(KEY).digest(b"event"), "cdfc60217a9414c52f2170813c57e6ab"),
        (lambda: SubjectKeys(KEY).request_id("R-1"), "e359395d6584b84f019a8af5b3ac315c"),
        (lambda: SubjectKeys(KEY).contract_id("R-1"), "45619c181400a35f4fb80ff48ae42f8b"),
        (
            lambda: SubjectKeys(KEY).seal_details(POSITION, "å text".encode()),
            "250d0fb6af3e3ce3bba5a3e1be8727ba97304fb27d3e02",
        ),
        (lambda: DeploymentKeys(KEY).no_subject.digest(b"event"), "87e34a49f7ffa0f48843bc172b6dab83"),
        (lambda: DeploymentKeys(KEY).correlation_id("R-1"), "7c87b5505f1a7730f7aa95a34aad39c6"),
        (
            lambda: lookup_tag(KEY, "email", "a@example.com"),
            "c76b5f7cdd73f8618fdbd7183598f618532e1204d0cdfe3b0ff2535be6f76138",
        ),
        (lambda: POSITION, "01020304000102030405060708090a0b0c0d0e0ffffffffffffffffe0201"),
    ],
)
def test_golden_values(made: object, golden: str) -> None:
    assert callable(made)
    assert made().hex() == golden


def test_tags_tell_type_from_value() -> None:
    assert lookup_tag(KEY, "a", "b") == mac(KEY, b"a\0b")
    tags = [lookup_tag(KEY, "ab", "c"), lookup_tag(KEY, "a", "bc"), lookup_tag(bytes(32), "a", "bc")]
    assert len({*tags}) == 3


@given(st.binary(max_size=300), st.binary(min_size=32, max_size=32))
def test_details_are_opened_again(text: bytes, key: bytes) -> None:
    sealed = SubjectKeys(key).seal_details(POSITION, text)
    assert SubjectKeys(key).open_details(POSITION, sealed) == text
    assert SubjectKeys(key).seal_details(POSITION, text) == sealed  # the same on every worker
    assert len(sealed) == len(text) + 16


POSITIONS = st.tuples(
    st.integers(0, 2**32 - 1),
    st.binary(min_size=16, max_size=16),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**16 - 1),
)


@given(POSITIONS, POSITIONS)
def test_details_belong_to_one_position(
    here: tuple[int, bytes, int, int], there: tuple[int, bytes, int, int]
) -> None:
    assert (position_bytes(*here) == position_bytes(*there)) == (here == there)
    sealed = SubjectKeys(KEY).seal_details(position_bytes(*here), b"text")
    if here != there:
        assert sealed != SubjectKeys(KEY).seal_details(position_bytes(*there), b"text")
        with pytest.raises(VaultError, match="not sealed under this subject's key at this position"):
            SubjectKeys(KEY).open_details(position_bytes(*there), sealed)


@given(st.data())
def test_details_that_were_changed(data: st.DataObject) -> None:
    sealed = SubjectKeys(KEY).seal_details(POSITION, b"some text")
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:at] + bytes((sealed[at] ^ data.draw(st.integers(1, 255)),)) + sealed[at + 1 :]
    for wrong in (changed, sealed[:-1], sealed[:10], b"", sealed + b"\0"):
        with pytest.raises(VaultError):
            SubjectKeys(KEY).open_details(POSITION, wrong)


def test_details_under_another_key() -> None:
    sealed = SubjectKeys(KEY).seal_details(POSITION, b"text")
    with pytest.raises(VaultError) as caught:
        SubjectKeys(bytes(32)).open_details(POSITION, sealed)
    assert "text" not in str(caught.value)
