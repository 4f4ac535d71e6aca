"""`ansvar witness` as a process of its own: keys, memory across a kill, signals, and wrong use."""

from __future__ import annotations

import http.client
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ansvar.ledger.checkpoint import open_checkpoint
from ansvar.ledger.trust import TrustPolicy
from ansvar.ledger.witness_protocol import origin_hash, parse_size
from ansvar.verifier.witness_store import WitnessStore
from commands import Running, run, started
from small_logs import ORIGIN, SmallLog

LOG = SmallLog()
NAME = "witness.example/w1"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    file = tmp_path / "logs.policy"
    file.write_text(LOG.policy())
    return file


@contextmanager
def serving(tmp_path: Path, logs: Path, *more: str) -> Iterator[tuple[Running, TrustPolicy]]:
    """A witness on any free port, and the policy that its lines make."""
    arguments = ["witness", "--logs", logs, "--data-dir", tmp_path / "w", "--port", "0", *more]
    with started(*arguments, output=tmp_path / "output") as running:
        running.says("Ctrl-C stops.")
        lines = [line for line in running.output.splitlines() if line.startswith("witness ")]
        policy = "\n".join([*lines, f"quorum {lines[1].split()[1]}", ""])
        yield running, TrustPolicy.parse(policy.encode())


def asked(policy: TrustPolicy, body: bytes) -> tuple[int, bytes]:
    """The answer of the policy's witness to add-checkpoint."""
    [url] = {witness.url for witness in policy.witnesses}
    assert url is not None
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)) as connection:
        if body:
            connection.request("POST", "/add-checkpoint", body)
        else:
            connection.request("GET", f"/{origin_hash(ORIGIN)}/checkpoint")
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_it_remembers_after_a_kill_and_refuses_a_rollback(tmp_path: Path, logs: Path) -> None:
    with serving(tmp_path, logs, "--name", NAME) as (running, policy):
        assert asked(policy, LOG.request(0, 300))[0] == 200
        running.kill()
    with serving(tmp_path, logs) as (running, again):
        assert again.witness_keys == policy.witness_keys
        assert {key.name for key in again.witness_keys} == {NAME}
        status, body = asked(again, LOG.request(0, 200))
        assert (status, parse_size(body)) == (409, 300)
        assert asked(again, LOG.request(300, 301))[0] == 200
        status, body = asked(again, b"")
        opened = open_checkpoint(body, LOG.keys, again.witness_keys, ORIGIN)
        assert opened.checkpoint == LOG.checkpoint(301)
        again.check(opened)
        assert asked(again, SmallLog("a@299").request(301, 301))[0] == 422
        assert running.stop() == 0
        assert "Stopped." in running.output
        assert "in conflict with size 301 (two-roots)" in running.output
        assert "Traceback" not in running.output
    with closing(WitnessStore(tmp_path / "w" / "witness.db")) as store:
        assert [one.kind for one in store.conflicts()] == ["two-roots"]
    with serving(tmp_path, logs) as (running, _):
        assert "Conflicts kept as evidence: 1" in running.output
        running.signal(signal.SIGTERM)
        assert running.ended() == 0


def test_a_new_witness_makes_private_keys_and_a_name_that_stay(tmp_path: Path, logs: Path) -> None:
    directory = tmp_path / "w"
    with serving(tmp_path, logs) as (running, policy):
        [name] = {key.name for key in policy.witness_keys}
        assert name.startswith("witness.invalid/")
        assert directory.stat().st_mode & 0o777 == 0o700
        files = sorted(directory.iterdir())
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        assert running.stop() == 0
    other = refused(tmp_path, logs, "--name", "witness.example/w2")
    assert f"is {name}, and keeps that name" in other
    (directory / "witness.db").unlink()
    assert "would cosign a log that was rolled back" in refused(tmp_path, logs)


def test_lost_keys_are_not_replaced(tmp_path: Path, logs: Path) -> None:
    with serving(tmp_path, logs) as (running, _):
        assert running.stop() == 0
    seed = tmp_path / "w" / "witness-mldsa44.seed"
    kept = seed.read_bytes()
    seed.unlink()
    assert f"cannot read {seed}" in refused(tmp_path, logs)
    seed.write_bytes(b"A" * 43 + b"=\n")
    seed.chmod(0o600)
    assert "belongs to a witness with other keys" in refused(tmp_path, logs)
    seed.write_bytes(kept)
    seed.chmod(0o644)
    assert "chmod 600" in refused(tmp_path, logs)


def test_wrong_use_is_one_line(tmp_path: Path, logs: Path) -> None:
    assert "cannot read" in refused(tmp_path, tmp_path / "none")
    empty = tmp_path / "empty"
    empty.write_text("quorum none\n")
    assert "no log line" in refused(tmp_path, empty)
    empty.write_text("log nonsense\n")
    assert "trust policy, line 1" in refused(tmp_path, empty)
    assert "witness, --name" in refused(tmp_path, logs, "--name", "two words")
    assert "cannot listen on 192.0.2.1" in refused(tmp_path, logs, "--host", "192.0.2.1")


def refused(tmp_path: Path, logs: Path, *more: str) -> str:
    """The one line that a witness ends with which does not start."""
    done = run("witness", "--logs", logs, "--data-dir", tmp_path / "w", "--port", "0", *more)
    assert done.returncode == 2, done
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    return line


def test_help_has_an_example() -> None:
    assert "Example: ansvar witness" in run("witness", "--help").stdout
