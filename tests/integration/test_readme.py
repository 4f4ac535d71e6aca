"""What the README shows is run, not believed."""

from __future__ import annotations

import json
import os
import re
import textwrap
import time
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ansvar.emitter.kafka import KafkaSettings
from ansvar.emitter.kit import ProducerKit
from ansvar.enforcement.kafka import KafkaReader
from ansvar.enforcement.opening import Batch, Opener
from ansvar.enforcement.topics import ensure_topics
from ansvar.events.boundary import parse_event
from ansvar.events.intake import PRIVATE_BYTES, IntakePrivateKey
from ansvar.events.model import ProcessingEvent
from ansvar.policy.evaluation import Evaluator
from ansvar.sample import sample_bundle

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    """The fenced block of a language that contains a text."""
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in b]
    assert len(found) == 1
    return str(found[0])


async def test_the_sdk_example_emits_one_sealed_event(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = block("python", "Emitter()")
    topic = f"readme-{uuid4().hex}.events"
    intake = IntakePrivateKey(os.urandom(PRIVATE_BYTES))
    kit = ProducerKit(
        deployment=uuid4(),
        topic=topic,
        chains=1,
        partition_key=os.urandom(32),
        epoch=1,
        intake_key=intake.public_key(),
        producer="crm",
        signing_key=Ed25519PrivateKey.generate(),
    )
    kit.write(tmp_path / "kit.json")
    settings = KafkaSettings(bootstrap=kafka)
    await ensure_topics(settings, partitions=1, events=topic, alerts=f"{topic}.a", deadletter=f"{topic}.d")
    monkeypatch.setenv("ANSVAR_KAFKA", kafka)
    monkeypatch.setenv("ANSVAR_PRODUCER", str(tmp_path / "kit.json"))

    names: dict[str, object] = {}
    body = textwrap.indent(example + "return delivery\n", "    ")
    exec(f"async def example():\n{body}", names)  # noqa: S102 - the README's own text
    before = time.time()
    delivery = await names["example"]()  # type: ignore[operator]

    reader = KafkaReader(settings, topic)
    await reader.start()
    records = await reader.records(0, 0, (await reader.bounds(0)).end)
    await reader.stop()
    opener = Opener(
        deployment=kit.deployment.bytes,
        topic=topic,
        producer_keys={"crm": kit.signing_key.public_key()},
        epoch_keys={1: intake},
        partition_key=kit.partition_key,
        chains=1,
    )
    assert b"C-1001" not in records[0].value
    opened = opener.open(records[0])
    assert isinstance(opened, Batch)
    (event,) = opened.events
    assert isinstance(event, ProcessingEvent)
    assert event.event_id == delivery.event_id
    assert event.operation == "call"
    assert event.occurred_at.timestamp() >= before - 1


def test_the_example_file_shows_every_verdict() -> None:
    assert "docs/examples/events.jsonl" in README
    evaluator = Evaluator(sample_bundle())
    lines = (ROOT / "docs/examples/events.jsonl").read_bytes().splitlines()
    verdicts = [evaluator.judge(parse_event(line)).verdict for line in lines]
    assert verdicts == ["permit", "permit", "flag", "deny"]


def test_the_json_example_is_an_event() -> None:
    event = parse_event(json.dumps(json.loads(block("json", "app-hosting-us"))))
    assert event.kind == "transfer"
