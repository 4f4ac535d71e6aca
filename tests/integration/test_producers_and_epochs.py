"""Producers come and go and intake keys are rotated while events arrive: the commands, on the real broker."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ansvar import Emitter, Event, ProducerKit
from ansvar.emitter.commanding import send_commands
from ansvar.emitter.kafka import KafkaSettings
from ansvar.enforcement.key_keeping import KeyKeeper
from ansvar.enforcement.opening import Refusal
from ansvar.enforcement.recovering import remember
from ansvar.enforcement.registering import GRACE_MS
from ansvar.enforcement.registrations import due, told
from ansvar.enforcement.rows import extra_of
from ansvar.enforcement.topics import DEFAULT_RETENTION_MS, MAX_RETENTION_MS, retention_ms
from ansvar.enforcement.wiring import opener
from ansvar.epochs import current, make, publish, renew_kits
from ansvar.events.control import signed_key_command
from ansvar.events.intake_statement import IntakeStatement, checked_statement
from ansvar.events.key_commands import CloseEpoch, OpenEpoch
from ansvar.initiation import CONTROL_PRODUCER
from ansvar.sample.company import generate
from ansvar.store.client import Store
from ansvar.vault import keyring
from commands import ask, json_lines, judged, kept, own_settings, run, started, wait_until
from workers import Deployed

EVENTS = [event for event in generate(400).events if event.kind == "processing"]
assert len(EVENTS) > 100
DAY = 86_400_000


async def emit(kit: Path, kafka: str, events: Sequence[Event]) -> None:
    async with Emitter(kit, kafka) as emitter:
        await emitter.emit_many(events)


def listed(*words: Any, **settings: str) -> list[dict[str, Any]]:
    done = run(*words, "--format", "json", **settings)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_producers_come_and_go_and_keys_are_rotated(kafka: str, tmp_path: Path) -> None:
    settings, data = own_settings(kafka, chains=2), tmp_path / "data"
    here = ("--data-dir", data)
    up = ("up", "--port", "0", *here)
    system = EVENTS[0].system
    kit, scope = tmp_path / "shop.json", ("--system", system, "--kind", "processing")
    inside = [event for event in EVENTS if event.system == system]
    others = [event for event in EVENTS if event.system != system]
    beyond = others[0]

    def fine(*words: Any) -> str:
        done = run(*words, *here, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with started(*up, output=tmp_path / "first.log", **settings) as first:
        port = first.port
        added = fine("producers", "add", "shop", *scope, "-o", kit)
        assert added.startswith("producer shop: sent to 2 chains; its kit is")
        assert kit.stat().st_mode & 0o777 == 0o600
        assert "registered already" in fine("producers", "add", "shop", *scope, "-o", kit)
        by_name = {one["name"]: one for one in listed("producers", "list", *here, **settings)}
        assert set(by_name) == {"local", "control", "forwarder", "shop"}
        told_of = by_name["shop"]
        assert (told_of["state"], told_of["systems"], told_of["kinds"], told_of["chains"]) == (
            "registered",
            system,
            "processing",
            "2/2",
        )
        await emit(kit, kafka, [*inside[:3], beyond])
        wait_until(lambda: judged(port) == 4, "the shop's events are judged")

        status, body = ask(port, "/v1/intake-key")
        pinned = (data / "keys" / "log-0.vkey").read_text().strip()
        deployment = ProducerKit.read(kit).deployment
        assert status == 200
        assert checked_statement(body.encode(), pinned, deployment).epoch == 1
        async with Emitter(kit, kafka) as old:  # its session is of the first epoch
            await old.emit(inside[3])
            assert fine("keys", "rotate", "intake").startswith("intake epoch 2 is open")
            await old.emit(inside[4])
        _, body = ask(port, "/v1/intake-key")
        assert checked_statement(body.encode(), pinned, deployment).epoch == 2
        assert body.encode() == (data / "keys" / "intake.json").read_bytes()
        assert ProducerKit.read(keyring.kit_path(data / "keys", "local")).epoch == 2
        await emit(kit, kafka, [inside[5]])  # takes the new key: no kit was exchanged
        wait_until(lambda: judged(port) == 7, "events of both epochs are judged")
        first.kill()

    with started(*up, output=tmp_path / "second.log", **settings) as second:
        port = second.port
        said = fine("keys", "rotate", "log")
        assert said.startswith("log keys of generation 2")
        stated = checked_statement((data / "keys" / "intake.json").read_bytes(), pinned, deployment)
        assert (stated.epoch, len(stated.signatures)) == (2, 2)
        assert fine("keys", "rotate", "vault").startswith("key-encryption key 2 is in use")
        assert fine("producers", "revoke", "shop") == "revocation of shop: sent to 2 chains\n"
        assert "done already" in fine("producers", "revoke", "shop")
        await emit(kit, kafka, [inside[6]])
        emitted = run("emit", "-", *here, text=json_lines(others[1:6]), **settings)
        assert emitted.returncode == 0, emitted.stderr
        wait_until(lambda: judged(port) == 5, "the local producer's events are judged")

        rows = [row for row in listed("keys", "list", *here, **settings) if row["what"] == "intake"]
        assert [(row["generation"], row["state"]) for row in rows] == [(1, "closing"), (2, "open")]
        assert rows[0]["destroy at"] > "2026"
        assert rows[1]["destroy at"] == ""
        early = run("keys", "destroy", "intake", "1", "--dry-run", *here, **settings)
        assert (early.returncode, len(early.stderr.splitlines())) == (2, 1)
        assert "not before that" in early.stderr
        assert "is open" in run("keys", "destroy", "intake", "2", *here, **settings).stderr
        assert "never an intake epoch 9" in run("keys", "destroy", "intake", "9", *here, **settings).stderr
        assert second.stop() == 0

    found = kept(data)
    for chain in (0, 1):
        keys = [json.loads(row.extra) for row in found if (row.kind, row.chain) == ("keys", chain)]
        assert [(one["what"], one["change"]) for one in keys] == [
            ("producer", "registered"),
            ("intake", "opened"),
            ("intake", "closed"),
            ("log", "rotated"),
            ("vault", "rotated"),
            ("producer", "revoked"),
        ]
    verdicts = {row.event_id: row for row in found if row.verdict}
    assert "producer.out_of_scope" in verdicts[str(beyond.event_id)].findings
    assert not any("producer.out_of_scope" in verdicts[str(event.event_id)].findings for event in inside[:6])
    assert str(inside[6].event_id) not in verdicts
    refused = Counter(json.loads(row.extra)["reason"] for row in found if row.kind == "refused")
    assert refused == {"producer_revoked": 2}  # the batch, and the close record of its session
    verified = run("verify", *here, **settings)
    assert verified.returncode == 0, verified.stderr
    again = run("sweep", "--replay", *here, **settings)
    assert again.returncode == 0, again.stderr
    explained = run("explain", str(beyond.event_id), *here, **settings)
    assert "fired (deny): producer.out_of_scope" in explained.stdout


def test_bad_use_of_the_commands(kafka: str, tmp_path: Path) -> None:
    settings, data = own_settings(kafka), tmp_path / "data"
    here = ("--data-dir", data)
    scope = ("--system", "crm", "--kind", "processing")
    kit = tmp_path / "kit.json"

    def refused(*words: Any) -> str:
        done = run(*words, *here, **settings)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        return done.stderr

    assert "there is no ledger" in refused("producers", "list")
    assert run("init", *here, **settings).returncode == 0
    assert "no producer's name" in refused("producers", "add", "Shop", *scope, "-o", kit)
    assert "-o FILE" in refused("producers", "add", "shop", *scope)
    assert "'sell' is none of" in refused(
        "producers", "add", "shop", "--system", "crm", "--kind", "sell", "-o", kit
    )
    assert "32 bytes" in refused("producers", "add", "shop", *scope, "--public-key", "abc")
    assert "cannot be registered" in refused(
        "producers", "add", "shop", "--system", "a\nb", "--kind", "*", "-o", kit
    )
    assert "never registered" in refused("producers", "revoke", "shop").replace(
        "was ever", "was never"
    ).replace("no producer 'shop' was never registered", "never registered")
    assert "only producer" in refused("producers", "revoke", "control")
    assert not kit.exists()

    keyless = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    done = run("producers", "add", "shop", *scope, "--public-key", keyless, "-o", kit, *here, **settings)
    assert done.returncode == 0, done.stderr
    assert json.loads(kit.read_bytes())["signing_key"] == ""
    assert "the next ansvar up or worker records it" in done.stderr
    assert run("keys", "rotate", "intake", *here, **settings).returncode == 0
    assert "still on its way" in refused("keys", "rotate", "intake")


@pytest.fixture
def deployed(kafka: str, store: Store, tmp_path: Path) -> Deployed:
    return Deployed(kafka, store, tmp_path)


async def rotated(deployed: Deployed, new: int, old: int) -> None:
    """What `keys rotate intake` does."""
    keys, deployment = deployed.directory.keys, deployed.deployment
    operator = keyring.operator_key(keys)
    key = make(keys, new).to_bytes()
    commands = [OpenEpoch(new, key), CloseEpoch(old, 0)]
    kit = ProducerKit.read(keyring.kit_path(keys, CONTROL_PRODUCER))
    sent = [
        (chain, signed_key_command(operator, deployment.id, generate_id(new, n), command))
        for chain in range(deployment.chains)
        for n, command in enumerate(commands)
    ]
    await send_commands(kit, deployed.kafka, sent)
    statement = IntakeStatement(kit.deployment, new, key, 0)
    publish(keys, deployed.signer(), statement)
    renew_kits(keys, statement)


def generate_id(new: int, n: int) -> Any:
    from uuid import UUID

    return UUID(int=(new << 8 | n) << 40)


async def test_what_was_sealed_in_a_destroyed_epoch_can_be_opened_by_nobody(deployed: Deployed) -> None:
    await deployed.make_topics()
    await deployed.emit(EVENTS[:20])
    await rotated(deployed, 2, 1)
    deployed.kit = ProducerKit.read(keyring.kit_path(deployed.directory.keys, "local"))
    await deployed.emit(EVENTS[20:40])
    await deployed.processed()
    assert len(deployed.event_ids()) == 40

    keys, now = deployed.directory.keys, time.time_ns() // 1_000_000
    raw = await deployed.recorded()
    keeper = KeyKeeper(keys, deployed.ledger, deployed.deployment, deployed.kafka)
    times = due(told(deployed.ledger, deployed.deployment).values(), DEFAULT_RETENTION_MS)
    assert list(times) == [1]
    assert await retention_ms(deployed.kafka, deployed.topic) == DEFAULT_RETENTION_MS <= MAX_RETENTION_MS
    assert 0 <= times[1] - now - GRACE_MS - DEFAULT_RETENTION_MS + 60_000 < 120_000
    await keeper.look(times[1] - 1)
    assert keyring.epochs(keys) == [1, 2]
    await keeper.look(times[1])
    assert keyring.epochs(keys) == [2]
    await keeper.look(times[1] + DAY)  # the rows are still on their way: the same commands again
    await deployed.processed()
    gone = [extra_of(row) for row in deployed.rows("keys") if extra_of(row)["change"] == "destroyed"]
    assert gone == [{"change": "destroyed", "epoch": 1, "what": "intake"}] * 2
    assert len(deployed.rows("duplicate")) == 2
    await keeper.look(times[1] + DAY)
    await deployed.processed()
    assert len(deployed.rows("duplicate")) == 2

    left = keyring.read(keys).intake
    assert set(left) == {2}
    closed = {row.chain: row.offset for row in deployed.rows("keys") if extra_of(row)["change"] == "closed"}
    by = opener(deployed.deployment, keyring.read(keys), keys)
    opened: Counter[str] = Counter()
    for records in raw.values():
        for record in records:
            content = by.open(record)
            assert content.claim is not None
            unread = isinstance(content, Refusal) and content.reason == "unknown_epoch"
            assert unread is (content.claim.epoch == 1)
            if unread:
                for key in left.values():
                    header = record.value[2 : 2 + int.from_bytes(record.value[:2])]
                    with pytest.raises(ValueError, match="not sealed to this intake key"):
                        key.open(
                            header[-(1168 + 64) : -64], b"ansvar/session/v1" + header[: -(1168 + 64 + 2)]
                        )
            opened["unread" if unread else "read"] += 1
    assert min(opened.values()) > 0
    assert set(closed) == {0, 1}
    for chain in (0, 1):
        end = deployed.ledger.last_seq(chain) + 1
        epochs = remember(deployed.ledger, chain, end, 100).registry.epochs
        assert epochs[1].destroyed_at is not None
        assert epochs[2].closed_at is None
    assert deployed.intact()


async def test_a_stranger_s_statement_is_not_followed(deployed: Deployed, caplog: Any) -> None:
    """Nor is one for another deployment; the emitter goes on with its kit's key."""
    await deployed.make_topics()
    keys = deployed.directory.keys
    stated = current(keys)
    assert stated is not None
    pinned = (keys / "log-0.vkey").read_text().strip()
    forged = replace(stated, epoch=5)
    source = keys / "forged.json"
    source.write_bytes(forged.encode())
    kit = replace(deployed.kit, log_key=pinned, intake_source=str(source))
    async with Emitter(kit, KafkaSettings(bootstrap=deployed.kafka.bootstrap)) as emitter:
        await emitter.emit(EVENTS[0])
    await deployed.processed()
    assert len(deployed.event_ids()) == 1
    assert "the signature on the intake key does not verify" in caplog.text
