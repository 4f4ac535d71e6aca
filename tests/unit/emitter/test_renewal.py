"""Which intake key an emitter seals to: its kit's, until there is a newer one that it may believe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ansvar import KitError, ProducerKit
from ansvar.emitter.renewal import SOURCE_VARIABLE, IntakeRenewal
from ansvar.emitter.sessions import RENEW_AFTER_MS, Sessions
from ansvar.events.intake import IntakePrivateKey
from ansvar.events.intake_statement import IntakeStatement, signed_statement
from ansvar.ledger.checkpoint import ed25519_key

DEPLOYMENT = UUID(int=7)
LOG = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
PIN = str(ed25519_key(f"ansvar/{DEPLOYMENT}/0", LOG.public_key()))
KEYS = [IntakePrivateKey(bytes(range(n, n + 96))) for n in range(4)]


def kit(**changes: Any) -> ProducerKit:
    values: dict[str, Any] = {
        "deployment": DEPLOYMENT,
        "topic": "ansvar.events",
        "chains": 4,
        "partition_key": bytes(32),
        "epoch": 1,
        "intake_key": KEYS[1].public_key(),
        "producer": "crm",
        "signing_key": Ed25519PrivateKey.from_private_bytes(bytes(32)),
        "log_key": PIN,
    }
    return ProducerKit(**(values | changes))


def statement(epoch: int, signer: Ed25519PrivateKey = LOG) -> bytes:
    plain = IntakeStatement(DEPLOYMENT, epoch, KEYS[epoch].public_key().to_bytes(), 0)
    return signed_statement(plain, [(PIN, signer.sign(plain.signed))]).encode()


@pytest.fixture
def served() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A URL, and what is answered there."""
    answers: dict[str, bytes] = {}

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = answers.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_newer_epoch_is_taken_from_a_file_or_a_url(
    tmp_path: Path, served: tuple[str, dict[str, bytes]]
) -> None:
    url, answers = served
    answers["/v1/intake-key"] = statement(3)
    file = tmp_path / "intake.json"
    file.write_bytes(statement(2))
    renewal = IntakeRenewal(kit(intake_source=str(file)), {})
    await renewal.look()
    assert (renewal.epoch, renewal.intake_key) == (2, KEYS[2].public_key())
    told = IntakeRenewal(kit(intake_source=str(file)), {SOURCE_VARIABLE: f"{url}/v1/intake-key"})
    await told.look()
    assert told.epoch == 3
    answers["/v1/intake-key"] = statement(2)  # an older one that somebody kept
    await told.look()
    assert told.epoch == 3


async def test_what_cannot_be_had_or_believed_changes_nothing(
    tmp_path: Path, served: tuple[str, dict[str, bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    url, answers = served
    answers |= {
        "/forged": statement(2, Ed25519PrivateKey.generate()),
        "/html": b"<html>",
        "/huge": b" " * 99_999,
    }
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "dir").mkdir()
    sources = [f"{url}/forged", f"{url}/html", f"{url}/huge", f"{url}/none", "http://127.0.0.1:1/", "http://"]
    for source in (*sources, str(tmp_path / "empty"), str(tmp_path / "dir"), str(tmp_path / "none")):
        caplog.clear()
        renewal = IntakeRenewal(kit(intake_source=source), {})
        await renewal.look()
        assert (renewal.epoch, renewal.intake_key) == (1, KEYS[1].public_key()), source
        assert "the intake key of epoch 1 is kept" in caplog.text


async def test_a_kit_without_a_pin_goes_on_as_ever(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "intake.json").write_bytes(statement(2))
    renewal = IntakeRenewal(kit(log_key=None), {SOURCE_VARIABLE: str(tmp_path / "intake.json")})
    await renewal.look()
    assert renewal.epoch == 1
    assert "pins no log key" in caplog.text
    with pytest.raises(KitError, match="log_key"):
        kit(log_key=None, intake_source="x")


async def test_it_is_asked_when_a_session_is_opened(tmp_path: Path) -> None:
    file, now = tmp_path / "intake.json", [1_700_000_000.0]
    file.write_bytes(statement(1))
    producer = kit(intake_source=str(file))
    drawn = iter(range(1, 100))
    sessions = Sessions(
        producer, lambda: now[0], lambda n: next(drawn).to_bytes(n), IntakeRenewal(producer, {})
    )
    await sessions.prepare()
    first = sessions.current()
    file.write_bytes(statement(2))
    await sessions.prepare()
    assert sessions.current() is first
    now[0] += RENEW_AFTER_MS / 1000
    await sessions.prepare()
    assert (first.header.epoch, sessions.current().header.epoch) == (1, 2)


def test_a_kit_with_a_pin_is_read_as_written_and_one_without_is_what_it_was(tmp_path: Path) -> None:
    kit(intake_source="http://localhost/v1/intake-key").write(tmp_path / "new")
    found = ProducerKit.read(tmp_path / "new")
    assert (found.log_key, found.intake_source) == (PIN, "http://localhost/v1/intake-key")
    kit(log_key=None).write(tmp_path / "old")
    assert b"log_key" not in (tmp_path / "old").read_bytes()
    assert b"intake_source" not in (tmp_path / "old").read_bytes()
    assert ProducerKit.read(tmp_path / "old").log_key is None
    with pytest.raises(KitError, match="pinned log key"):
        kit(log_key="nothing")
    kit().write(tmp_path / "keyless", keyless=True)
    with pytest.raises(KitError, match="signing_key"):
        ProducerKit.read(tmp_path / "keyless")
