"""The producer's kit: read as written, secret on disk and in print, refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ansvar import Emitter, KitError, ProducerKit
from ansvar.events.intake import IntakePrivateKey
from ansvar.keyfiles import write_secret_file


def kit(**changes: Any) -> ProducerKit:
    values: dict[str, Any] = {
        "deployment": UUID(int=7),
        "topic": "ansvar.events",
        "chains": 4,
        "partition_key": bytes(range(32)),
        "epoch": 1,
        "intake_key": IntakePrivateKey(bytes(range(96))).public_key(),
        "producer": "crm",
        "signing_key": Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64))),
    }
    return ProducerKit(**(values | changes))


def test_it_is_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "crm.json"
    kit().write(path)
    found = ProducerKit.read(path)
    assert found.signing_key.private_bytes_raw() == bytes(range(32, 64))
    for field in ("deployment", "topic", "chains", "partition_key", "epoch", "intake_key", "producer"):
        assert getattr(found, field) == getattr(kit(), field)
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_shows_no_secret() -> None:
    shown = repr(kit())
    assert shown == (
        "ProducerKit(producer='crm', deployment=00000000-0000-0000-0000-000000000007, topic='ansvar.events')"
    )
    assert str(kit()) == shown


def test_another_kit_is_not_overwritten(tmp_path: Path) -> None:
    kit().write(tmp_path / "kit")
    with pytest.raises(KitError, match="exists"):
        kit(epoch=2).write(tmp_path / "kit")
    kit(epoch=2).write(tmp_path / "kit", replace=True)
    assert ProducerKit.read(tmp_path / "kit").epoch == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"producer": "Crm"}, "producer"),
        ({"chains": 0}, "chains"),
        ({"epoch": -1}, "epoch"),
        ({"partition_key": b""}, "partition_key"),
        ({"topic": ""}, "topic"),
    ],
)
def test_values_out_of_form(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(KitError, match=message):
        kit(**changes)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("version", 2, "version"),
        ("intake_key", "AAAA", "intake_key is 1216 bytes"),
        ("signing_key", "AAAA", "signing_key is 32 bytes"),
        ("partition_key", "AAAA", "partition_key is 32 bytes"),
        ("partition_key", "???", "partition_key"),
        ("deployment", "x", "deployment"),
        ("extra", 1, "extra"),
    ],
)
def test_a_file_that_is_no_kit(tmp_path: Path, field: str, value: object, message: str) -> None:
    kit().write(tmp_path / "good")
    content = json.loads((tmp_path / "good").read_bytes())
    write_secret_file(tmp_path / "bad", json.dumps(content | {field: value}).encode())
    with pytest.raises(KitError, match=message) as caught:
        ProducerKit.read(tmp_path / "bad")
    assert str(tmp_path / "bad") in str(caught.value)
    assert content["signing_key"] not in str(caught.value)


def test_a_file_that_is_no_json_or_not_ours_alone(tmp_path: Path) -> None:
    write_secret_file(tmp_path / "text", b"hello")
    with pytest.raises(KitError, match="not a producer kit"):
        ProducerKit.read(tmp_path / "text")
    (tmp_path / "text").chmod(0o644)
    with pytest.raises(KitError, match="chmod 600"):
        ProducerKit.read(tmp_path / "text")


def test_the_emitter_finds_its_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSVAR_PRODUCER", raising=False)
    with pytest.raises(KitError, match="ANSVAR_PRODUCER"):
        Emitter()
    kit().write(tmp_path / "kit")
    monkeypatch.setenv("ANSVAR_PRODUCER", str(tmp_path / "kit"))
    Emitter()
    Emitter(tmp_path / "kit", "127.0.0.1:9092")
    Emitter(str(tmp_path / "kit"))
    Emitter(kit())
