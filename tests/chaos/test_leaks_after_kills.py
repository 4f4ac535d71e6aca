"""What kill -9 leaves on disk names nobody either: half-written files, journals, logs of lives cut short."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from ansvar.events import to_json
from ansvar.events.model import Identifier
from ansvar.sample.company import generate
from commands import data_directory, judged, run, started, wait_until
from leaks import Search, dump_tables

EVENTS = 300
LIVES = 4


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_killed_again_and_again(tmp_path: Path) -> None:
    said, dumps = tmp_path / "said", tmp_path / "dumps"
    said.mkdir()
    dumps.mkdir()
    events = generate(EVENTS, 5).events
    counted: dict[Identifier, int] = {}
    for event in events:
        if event.subject is not None:
            counted[event.subject] = counted.get(event.subject, 0) + 1
    who = sorted(counted, key=lambda each: (-counted[each], each.type, each.value))[:12]
    file = tmp_path / "events.jsonl"
    with data_directory(tmp_path / "data") as data:
        for life in range(LIVES):
            part = events[life::LIVES]
            texts = ", ".join(each.value for each in who)
            lines = [json.loads(to_json(event)) | {"details": texts} for event in part]
            file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
            with started("up", "--port", "0", "--data-dir", data, output=said / f"up-{life}") as up:
                port = up.port
                done = run("emit", file, "--data-dir", data)
                (said / f"emit-{life}").write_text(done.stdout + done.stderr, encoding="utf-8")
                assert done.returncode == 0, done.stderr
                wait_until(partial(_some, port, 10 * (life + 1)), "some are judged")
                up.kill()
        dump_tables(data / "clickhouse", dumps)
        search = Search(who)
        assert search.below(data, said, dumps) == []


def _some(port: int, wanted: int) -> bool:
    return judged(port) >= wanted
