"""Another policy in mid-log: on the real broker, by the worker; and the commands around it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from uuid import UUID

import pytest

from ansvar.accountability.policies import in_force, mixed
from ansvar.directory import DataDirectory
from ansvar.emitter.commanding import send_commands
from ansvar.emitter.kafka import KafkaSettings
from ansvar.emitter.kit import ProducerKit
from ansvar.enforcement.recovering import remember
from ansvar.enforcement.replaying import replay
from ansvar.enforcement.wiring import rules, scopes
from ansvar.events.control import Control, signed_activation
from ansvar.initiation import CONTROL_PRODUCER
from ansvar.policy.bundle import Bundle
from ansvar.policy.canonical import decode, encode
from ansvar.policy.decide import ENGINE
from ansvar.sample import SAMPLE_BUNDLE
from ansvar.sample.company import generate
from ansvar.store.client import Store
from ansvar.vault import keyring
from commands import json_lines, kept, own_settings, run
from workers import Deployed

EVENTS = generate(300).events
ID = UUID(int=7, version=4)


@pytest.fixture
def deployed(kafka: str, store: Store, tmp_path: Path) -> Deployed:
    return Deployed(kafka, store, tmp_path)


def other_bundle() -> bytes:
    """The sample's, without cookies, which no event of the sample needs to be permitted."""
    from ansvar.policy.canonical import canonical

    files = decode(canonical(SAMPLE_BUNDLE))
    return encode({**files, "bundle.yaml": files["bundle.yaml"].replace('"2026.1"', '"2026.2"')})


def activation(deployed: Deployed) -> Control:
    key = keyring.operator_key(deployed.directory.keys)
    return signed_activation(key, deployed.deployment.id, ID, other_bundle(), ENGINE)


async def command(deployed: Deployed, control: Control, *chains: int) -> None:
    kit = ProducerKit.read(keyring.kit_path(deployed.directory.keys, CONTROL_PRODUCER))
    await send_commands(kit, deployed.kafka, [(chain, control) for chain in chains])


async def test_a_policy_takes_effect_where_its_command_arrives(deployed: Deployed) -> None:
    await deployed.make_topics()
    await deployed.emit(EVENTS[:100], batch=10)
    await command(deployed, activation(deployed), 0)
    await deployed.emit(EVENTS[100:200], batch=10)
    await deployed.processed()
    assert mixed(in_force(deployed.ledger))

    await command(deployed, activation(deployed), 0, 1)  # resumed: chain 0 has it already
    await deployed.emit(EVENTS[200:], batch=10)
    await deployed.processed()
    assert not mixed(in_force(deployed.ledger))
    assert [policy.activation for policy in in_force(deployed.ledger)] == [ID.hex, ID.hex]
    assert len(deployed.rows("duplicate")) == 1
    assert deployed.intact()

    known = rules(deployed.store, deployed.ring)

    def as_it_was(policy: bytes, engine: int) -> tuple[Bundle, int]:
        return known.bundle(policy), engine

    policies = set()
    for chain in deployed.ledger.chains():
        rows = [row for row in deployed.rows() if row.chain == chain]
        (switch,) = [row for row in rows if row.kind == "policy"]
        before, after = rows[: rows.index(switch)], rows[rows.index(switch) :]
        assert {row.policy for row in before} == {deployed.deployment.bundle}
        assert {row.policy for row in after} == {switch.policy}
        policies.add(switch.policy)
        assert all(again.agrees for again in replay(rows, as_it_was, scopes(deployed.deployment)))
        end = deployed.ledger.last_seq(chain) + 1
        assert remember(deployed.ledger, chain, end, 1_000).policy == switch.policy
    assert len(policies) == 1


def test_the_commands(kafka: str, tmp_path: Path) -> None:
    settings = own_settings(kafka, chains=2)
    data = tmp_path / "data"
    bundle = tmp_path / "bundle"
    shutil.copytree(SAMPLE_BUNDLE, bundle)
    here = ("--data-dir", data)

    early = run("policy", "show", *here, **settings)
    assert (early.returncode, len(early.stderr.splitlines())) == (2, 1)
    assert run("emit", "-", *here, text=json_lines(EVENTS), **settings).returncode == 0
    first_sweep = run("sweep", "--format", "json", *here, **settings)  # takes what was emitted, and looks
    assert first_sweep.returncode == 1, first_sweep.stderr
    assert {"retention.overdue", "rights.overdue"} <= {
        json.loads(line)["rule"] for line in first_sweep.stdout.splitlines()
    }
    shown = run("policy", "show", "--format", "json", *here, **settings)
    assert shown.returncode == 0, shown.stderr
    first = json.loads(shown.stdout)
    assert [chain["bundle"] for chain in first["chains"]] == [first["bundle"]] * 2

    same = run("policy", "activate", bundle, "--yes", *here, **settings)
    assert same.returncode == 0, same.stderr
    assert "in force already; nothing was sent" in same.stdout

    text = (bundle / "bundle.yaml").read_text()
    (bundle / "bundle.yaml").write_text(
        text.replace('"2026.1"', '"2026.2"').replace("nix_days: 60", "nix_days: 61")
    )
    compared = run("policy", "diff", "active", bundle, "--format", "json", *here, **settings)
    assert compared.returncode == 1
    told = json.loads(compared.stdout)
    assert ["settings", ["nix_days"]] in [[c["part"], c["fields"]] for c in told["changes"]]
    assert told["judged"] == 300
    swept = run("sweep", "--replay", *here, **settings)
    assert swept.returncode == 0, swept.stderr
    assert "300 verdicts recomputed, 0 differ" in swept.stderr

    waiting = run("review", "list", "--format", "json", *here, **settings)
    assert waiting.returncode == 1
    found = [json.loads(line) for line in waiting.stdout.splitlines()]
    assert {one["verdict"] for one in found} == {"deny"}
    place = (str(found[0]["chain"]), str(found[0]["seq"]))
    text = "The list was corrected"
    answered = run("review", "answer", *place, "remedied", "--text", text, *here, **settings)
    assert answered.returncode == 0, answered.stderr

    unasked = run("policy", "activate", bundle, *here, **settings)
    assert unasked.returncode == 2
    assert "--yes" in unasked.stderr
    done = run("policy", "activate", bundle, "--yes", *here, **settings)
    assert done.returncode == 0, done.stderr
    assert "changed settings (nix_days)" in done.stdout
    assert "sent to 2 chains" in done.stdout
    twice = run("policy", "activate", bundle, "--yes", *here, **settings)  # nobody has taken it yet
    assert twice.stdout.splitlines()[-2:] == done.stdout.splitlines()[-2:]

    again = run("sweep", "--format", "json", *here, **settings)  # takes the answer and the activation
    assert (again.returncode, again.stdout) == (0, ""), again.stderr
    later = json.loads(run("policy", "show", "--format", "json", *here, **settings).stdout)
    assert later["version"] == "2026.2"
    assert {chain["bundle"] for chain in later["chains"]} == {later["bundle"]} != {first["bundle"]}
    left = run("review", "list", "--format", "json", *here, **settings)
    rest = [json.loads(line) for line in left.stdout.splitlines()]
    assert rest == found[1:]
    kinds = [row.kind for row in kept(data)]
    assert (kinds.count("policy"), kinds.count("review"), kinds.count("duplicate")) == (2, 1, 2)
    assert run("sweep", "--replay", *here, **settings).returncode == 0
    verified = run("verify", *here, **settings)
    assert verified.returncode == 0, verified.stderr

    (bundle / "bundle.yaml").write_text("format: 1\n")
    broken = run("policy", "activate", bundle, "--yes", *here, **settings)
    assert broken.returncode == 2
    assert "bundle.yaml" in broken.stderr
    assert "Traceback" not in broken.stderr


async def test_a_mixture_is_a_fault_until_it_is_activated_again(kafka: str, tmp_path: Path) -> None:
    """An activation that was cut short, as doctor and policy show tell it, and its resumption."""
    settings, data = own_settings(kafka, chains=2), tmp_path / "data"
    here = ("--data-dir", data)
    assert run("emit", "-", *here, text=json_lines(EVENTS[:20]), **settings).returncode == 0
    bundle = tmp_path / "bundle"
    shutil.copytree(SAMPLE_BUNDLE, bundle)
    text = (bundle / "bundle.yaml").read_text()
    (bundle / "bundle.yaml").write_text(text.replace('"2026.1"', '"2026.2"'))
    directory = DataDirectory(data)
    kit = ProducerKit.read(keyring.kit_path(directory.keys, CONTROL_PRODUCER))
    operator = keyring.operator_key(directory.keys)
    half = signed_activation(operator, kit.deployment.bytes, ID, other_bundle(), ENGINE)
    await send_commands(kit, KafkaSettings(bootstrap=kafka), [(0, half)])
    assert run("sweep", *here, **settings).returncode == 1

    doctor = run("doctor", *here, **settings)
    assert (doctor.returncode, "different policies" in doctor.stdout) == (1, True)
    assert run("policy", "show", *here, **settings).returncode == 1
    again = run("policy", "activate", bundle, "--yes", *here, **settings)
    assert f"activation {ID}: sent to 1 chains" in again.stdout
    assert run("sweep", *here, **settings).returncode == 0
    assert run("policy", "show", *here, **settings).returncode == 0
    assert "different policies" not in run("doctor", *here, **settings).stdout
