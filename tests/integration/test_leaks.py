"""Nothing on disk names anyone: identifiers go everywhere an event can carry them, and are searched for.

A stack of its own takes good events, words that hold identifiers, refused and repeated ones and bad lines,
under a policy that masks and then under one that refuses. Then every file that it left is searched, with
everything that commands printed, exported and answered, and with topics and tables as they read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ansvar.directory import DataDirectory
from ansvar.embedded.owning import running_stack
from ansvar.events.model import Identifier
from ansvar.policy.canonical import canonical, decode
from ansvar.sample import SAMPLE_BUNDLE
from commands import ask, data_directory, kept, run, started, wait_until
from leaks import Search, dump_tables, dump_topics, forms

WHO = [
    Identifier("personnummer", "640823-3234"),
    Identifier("personnummer", "19701063-2391"),  # a samordningsnummer
    Identifier("email", "Anna.Berg@Example.com"),
    Identifier("phone_number", "070-174 06 05"),
    Identifier("customer_number", "K-QX90817-leak"),
    Identifier("employee_number", "E-QX4471-leak"),
]
NUMBER, _, ADDRESS, PHONE, CUSTOMER, EMPLOYEE = (who.value for who in WHO)
KEPT = "said"  # the directory of what commands said


def event(number: int, who: Identifier, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "processing",
        "event_id": str(UUID(int=number, version=4)),
        "occurred_at": "2026-03-02T14:00:00Z",
        "subject": {"type": who.type, "value": who.value},
        "system": "crm",
        "operation": "use",
        "purpose": "hunting",  # nobody declared it: an alert
        "legal_basis": "legal_obligation",
        "data_categories": ["name"],
        **changes,
    }


def events(first: int) -> list[dict[str, Any]]:
    """Events about everyone, and such as hold identifiers where there should be none."""
    texts = {"details": f"{NUMBER} wrote from {ADDRESS}", "compelling_grounds": f"{PHONE} {CUSTOMER}"}
    words = [
        {"system": ADDRESS, "actor": NUMBER},
        {"purpose": f"for {PHONE}", "legal_basis": ADDRESS},
        {"data_categories": ["name", f"of {NUMBER}"], "controller": ADDRESS},
        {"source_name": f"told by {PHONE}", "cookie": NUMBER, "nix_checked_at": ADDRESS},
        {"actor": {"type": "employee_number", "value": EMPLOYEE}, **texts},
        {"correlation_id": f"{CUSTOMER}/{NUMBER}", **texts},
    ]
    who = WHO[0]
    handed = {"recipient": f"to {ADDRESS}", "via": PHONE, "safeguard_reference": NUMBER, "country": "US"}
    return [
        *(event(first + place, each) for place, each in enumerate(WHO)),
        *(event(first + 20 + place, who, **change) for place, change in enumerate(words)),
        _handed(event(first + 40, who, kind="transfer", **handed)),
        _handed(event(first + 41, who, kind="disclosure", reference=f"dnr {NUMBER}", **handed)),
        _handed(
            event(first + 42, who, kind="rights", right="access", phase="received", request_id=NUMBER),
            scope=f"all about {ADDRESS}",
            method=f"call from {PHONE}",
            reason=f"{NUMBER} asked",
        ),
        _handed(event(first + 43, who, kind="contract", contract_id=CUSTOMER, phase="started")),
        _handed(event(first + 44, who, kind="notice", topic="source", version=f"sent to {ADDRESS}")),
    ]


def _handed(made: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in made.items() if name != "operation"} | changes


def lines(first: int) -> str:
    """The events as JSON Lines, with bad lines among them and one event id used twice."""
    good = events(first)
    bad = [
        event(first + 60, WHO[0], operation=NUMBER),
        event(first + 61, WHO[0], **{ADDRESS: 1}),
        event(first + 62, WHO[0], **{"070-174-06-05": 1}),
        event(first + 63, Identifier("email", f"{NUMBER} at home")),
        event(first + 64, Identifier("phone_number", ADDRESS)),
        event(first + 65, WHO[0], event_id=CUSTOMER),
        event(first + 66, WHO[0], occurred_at=NUMBER),
        event(first + 67, WHO[0], kind=ADDRESS),
        {"kind": "processing", PHONE: {NUMBER: ADDRESS}},
    ]
    reused = event(first, WHO[0], system="billing", details=f"not {ADDRESS} but {PHONE}")
    texts = [*map(json.dumps, (*good, *bad, reused)), f'{{"system": "{ADDRESS}", {NUMBER}', f'"{NUMBER}"']
    return "\n".join(texts) + "\n"


HOLDING = 8  # events that hold some in their words


class Said:
    """What commands print and answer, kept in files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def run(self, *arguments: str | Path, expect: int = 0, text: str | None = None) -> None:
        done = run(*arguments, text=text)
        number = len(list(self.path.iterdir()))
        (self.path / f"{number}-{arguments[0]}").write_text(done.stdout + done.stderr, encoding="utf-8")
        assert done.returncode == expect, (arguments, done.stderr)


def refusing(path: Path) -> Path:
    """The sample bundle with the switch on refuse."""
    for name, text in decode(canonical(SAMPLE_BUNDLE)).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        changed = text.replace("settings:\n", "settings:\n  personal_data_in_words: refuse\n")
        (path / name).write_text(changed if name == "bundle.yaml" else text, encoding="utf-8")
    return path


def metrics(port: int) -> str:
    return ask(port, "/metrics")[1]


@pytest.mark.timeout(600)
async def test_no_identifier_is_left_anywhere(tmp_path: Path) -> None:
    said = Said(tmp_path / KEPT)
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    search = Search(WHO)
    with data_directory(tmp_path / "data") as data:
        here = ("--data-dir", data)
        with started("up", "--port", "0", *here, output=said.path / "up") as up:
            port = up.port
            said.run("emit", "-", *here, text=lines(1000), expect=2)
            wait_until(lambda: 'ansvar_refused_total{reason="event_id_reused"} 1.0' in metrics(port), "all")
            said.run("policy", "activate", refusing(tmp_path / "refusing"), "--yes", *here)
            said.run("emit", "-", *here, text=lines(2000), expect=2)
            wait_until(lambda: 'reason="event_id_reused"} 2.0' in metrics(port), "all is judged again")
            for path in ("/metrics", "/healthz"):
                (said.path / path[1:]).write_text(ask(port, path)[1], encoding="utf-8")
            for chain in range(4):
                said.run("export-tiles", "--chain", str(chain), said.path / f"tiles-{chain}", *here)
            said.run("evidence", "--verdict", "deny", "-o", said.path / "evidence.zip", *here)
            said.run("verify", "--json", *here)
            note = running_stack(DataDirectory(data))
            assert note is not None
            topics = await dump_topics(note.kafka, dumps)
            assert {"ansvar.events", "ansvar.alerts", "ansvar.deadletter"} <= topics
            assert up.stop() == 0
        file = tmp_path / "lines.jsonl"
        file.write_text(lines(3000), encoding="utf-8")
        said.run("ingest", file, *here, expect=2)
        said.run("evaluate", file, expect=2)
        said.run("evaluate", file, "--bundle", tmp_path / "refusing", expect=2)
        rows = kept(data)
        assert "ledger" in dump_tables(data / "clickhouse", dumps)

        masked = [json.loads(row.extra)["masked"] for row in rows if '"masked"' in row.extra]
        refused = [json.loads(row.extra)["reason"] for row in rows if row.kind == "refused"]
        assert len(masked) == HOLDING
        assert refused.count("personal_data") == 2 * HOLDING  # through Kafka and, by the same law, ingested
        found = search.below(data, said.path, dumps)
        assert found == []
        assert search.bytes > 1_000_000
        # and had there been one, it would have been found
        planted = data / "kafka" / "planted.log"
        planted.write_bytes(bytes(100) + forms("+46701740605")["utf-8 base64 +2"] + bytes(5000))
        assert {leak.identifier for leak in search.below(data)} == {3}
