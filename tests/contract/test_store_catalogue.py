"""Bundles by content and the one deployment record."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace

from ansvar.ledger.canonical import ZERO32
from ansvar.store.catalogue import Catalogue
from ansvar.store.client import Store
from ansvar.store.errors import StoreError, UnknownBundle
from ansvar.store.verify import verify_bundles
from rows import company_chain
from stores import fill

CONTENTS = [b"", b"{}", "å".encode() * 200, bytes(range(256)) * 300]


@pytest.fixture
def catalogue(store: Store) -> Catalogue:
    return Catalogue(store)


def change(store: Store, assignment: str) -> None:
    store.command(
        f"ALTER TABLE {{database}}.bundles UPDATE {assignment} WHERE sha256 = unhex({{sha:String}}) "
        "SETTINGS mutations_sync = 2",
        {"sha": hashlib.sha256(CONTENTS[1]).hexdigest()},
    )


def test_bundles_by_content(catalogue: Catalogue) -> None:
    for content in CONTENTS * 2:
        sha256 = catalogue.put_bundle(content)
        assert sha256 == hashlib.sha256(content).digest()
        assert catalogue.bundle(sha256) == content
    expected = {hashlib.sha256(content).digest(): content for content in CONTENTS}
    assert sorted(catalogue.all_bundles()) == sorted(expected.items())


def test_an_unknown_bundle(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownBundle, match="0000 is not in the store; activate it again"):
        catalogue.bundle(ZERO32)


@pytest.mark.parametrize(
    "assignment", ["content = concat(content, ' ')", "content = ''", "content = replace(content, '}', ']')"]
)
def test_a_changed_bundle(store: Store, catalogue: Catalogue, assignment: str) -> None:
    for content in CONTENTS:
        catalogue.put_bundle(content)
    verify_bundles(store)
    change(store, assignment)
    sha256 = hashlib.sha256(CONTENTS[1]).digest()
    with pytest.raises(StoreError, match=f"content of bundle {sha256.hex()} was changed"):
        catalogue.bundle(sha256)
    with pytest.raises(StoreError, match=f"content of bundle {sha256.hex()} was changed"):
        verify_bundles(store)


def test_a_forged_copy_of_a_bundle(store: Store, catalogue: Catalogue) -> None:
    sha256 = catalogue.put_bundle(b"{}")
    store.insert("bundles", ("sha256", "content"), sha256 + b"\x02[]", token="forger")
    with pytest.raises(StoreError, match="was changed"):
        verify_bundles(store)


def test_bundles_that_rows_name(store: Store, catalogue: Catalogue) -> None:
    sha256 = catalogue.put_bundle(b"{}")
    fill(store, [replace(row, policy=sha256 if row.seq % 3 else ZERO32) for row in company_chain(0, 10)])
    verify_bundles(store)
    store.command("TRUNCATE TABLE {database}.bundles")
    with pytest.raises(StoreError, match=f"rows name the bundle {sha256.hex()}, which is not in the store"):
        verify_bundles(store)


def test_the_first_deployment_wins(catalogue: Catalogue) -> None:
    assert catalogue.deployment() is None
    catalogue.put_deployment(b"a" * 16, b"first")
    catalogue.put_deployment(b"b" * 16, b"second")
    catalogue.put_deployment(b"a" * 16, b"first")
    assert catalogue.deployment() == b"first"


def test_a_second_deployment_record_is_noticed(store: Store, catalogue: Catalogue) -> None:
    catalogue.put_deployment(b"a" * 16, b"first")
    store.insert("deployment", ("id", "record"), b"b" * 16 + b"\x06forged", token="forger")
    with pytest.raises(StoreError, match="more than one deployment record"):
        catalogue.deployment()
