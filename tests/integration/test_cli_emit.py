"""`ansvar emit`: good lines are sent, bad ones told by number; what was sent is taken by the next worker."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from ansvar.events import to_json
from ansvar.sample.company import generate
from commands import judged, kept_events, own_settings, run, started, wait_until

EVENTS = generate(260).events


def lines(start: int, end: int) -> list[str]:
    return [to_json(event).decode() for event in EVENTS[start:end]]


def places(text: str) -> list[str]:
    """What comes first in every line of standard error: where a fault is."""
    return [re.split("[:,]", line)[0] for line in text.splitlines()]


@pytest.fixture
def settings(kafka: str) -> dict[str, str]:
    return own_settings(kafka)


def test_emit_without_a_stack_then_a_worker(settings: dict[str, str], tmp_path: Path) -> None:
    """Bad lines are told by number, the rest is sent; a strict emit sends nothing; - is standard input."""
    data = tmp_path / "data"
    good, more = lines(0, 40), lines(40, 60)
    bad = ["", "no JSON", '{"kind": "party"}', good[0].replace('"system"', '"sytsem"'), "\x00\xff"]
    file = tmp_path / "events.jsonl"
    text = "\n".join([*good[:20], *bad, *good[20:]])
    file.write_text(text, encoding="utf-8")

    strict = run("emit", "--strict", file, "--data-dir", data, **settings)
    assert strict.returncode == 2
    assert strict.stdout == ""
    assert places(strict.stderr) == ["line 22", "line 23", "line 24", "line 25", "nothing was sent"]
    assert not data.exists()

    done = run("emit", file, "--data-dir", data, **settings)
    assert done.returncode == 2
    assert done.stdout.startswith("emitted 40 events in ")
    assert done.stdout.rstrip().endswith("4 lines refused")
    assert len(done.stdout.splitlines()) == 1
    assert places(done.stderr) == ["line 22", "line 23", "line 24", "line 25"]
    assert "sytsem" in done.stderr
    piped = run("emit", "-", "--data-dir", data, text="\n".join(more), **settings)
    assert (piped.returncode, piped.stderr) == (0, "")
    assert piped.stdout.startswith("emitted 20 events in ")

    with started("worker", "--data-dir", data, output=tmp_path / "worker.out", **settings) as worker:
        worker.says("Running")
        # a worker has no API: whoever wants to verify is told what to do
        refused = run("verify", "--data-dir", data, **settings)
        assert refused.returncode == 2
        assert "ansvar up" in refused.stderr
        # emitting goes on while it runs
        again = run("emit", "-", "--data-dir", data, text="\n".join(lines(60, 70)), **settings)
        assert again.returncode == 0, again.stderr
        assert worker.stop() == 0
    before = kept_events(data).total()
    with started("up", "--port", "0", "--data-dir", data, output=tmp_path / "up.out", **settings) as up:
        port = up.port
        wait_until(lambda: judged(port) == 70 - before, "what was left is judged")
        assert up.stop() == 0
    assert kept_events(data) == Counter(str(event.event_id) for event in EVENTS[:70])
    assert run("verify", "--data-dir", data, **settings).returncode == 0
