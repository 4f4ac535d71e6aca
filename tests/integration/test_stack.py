"""`ansvar up`: one owner of a directory, health, a clean stop at any moment, and the next start goes on."""

from __future__ import annotations

import json
import signal
import stat
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from ansvar.embedded.java import find_orphan
from ansvar.embedded.ports import accepts_connections, free_ports
from ansvar.sample.company import generate
from commands import (
    ask,
    data_directory,
    event_ids,
    json_lines,
    judged,
    kept_events,
    own_settings,
    run,
    started,
    wait_until,
)

EVENTS = generate(1_500).events


def test_a_stack_from_start_to_stop_and_again(tmp_path: Path) -> None:
    """On a broker of its own: health, one owner, verify and emit through it, Ctrl-C, a second start."""
    (port,) = free_ports((0,))
    with data_directory(tmp_path / "data") as data:
        with started("up", "--port", str(port), "--data-dir", data, output=tmp_path / "out") as up:
            wait_until(lambda: accepts_connections(port), "the API listens")
            status, text = ask(port, "/healthz")
            assert status == 503
            assert json.loads(text)["reason"].startswith("starting")
            wait_until(lambda: ask(port, "/healthz")[0] == 200, "events are being processed")
            assert json.loads(ask(port, "/healthz")[1]) == {
                "partitions": 4,
                "processing": True,
                "reason": "",
            }
            _one_owner(data, port, tmp_path)
            done = run("emit", "-", "--data-dir", data, text=json_lines(EVENTS[0:300]))
            assert done.returncode == 0, done.stderr
            wait_until(lambda: judged(port) == 300, "all is judged")
            asked = run("verify", "--json", "--data-dir", data)
            assert asked.returncode == 0, asked.stderr
            assert ask(port, "/v1/verify")[0] == 401
            _read_through_the_stack(data)
            assert up.stop() == 0
        assert "Traceback" not in up.output
        assert find_orphan((data / "kafka").resolve(), None, None) is None
        own = run("verify", "--json", "--data-dir", data)
        assert own.returncode == 0
        after, during = json.loads(own.stdout), json.loads(asked.stdout)
        assert after["rows"] == during["rows"] or after["rows"] > 300  # the sessions' ends may come between

        # emitted to a broker that lives as long as the command; taken by the next start
        assert run("emit", "-", "--data-dir", data, text=json_lines(EVENTS[300:400])).returncode == 0
        assert find_orphan((data / "kafka").resolve(), None, None) is None
        with started("up", "--port", str(port), "--data-dir", data, output=tmp_path / "out") as up:
            wait_until(lambda: judged(port) == 100, "what was emitted meanwhile is judged")
            up.signal(signal.SIGTERM)
            assert up.ended() == 0
        assert kept_events(data) == event_ids(EVENTS[0:400])
        assert run("verify", "--data-dir", data).returncode == 0


def _one_owner(data: Path, port: int, tmp_path: Path) -> None:
    second = run("up", "--port", "0", "--data-dir", data)
    assert second.returncode == 2
    assert len(second.stderr.splitlines()) == 1
    assert "in use by process" in second.stderr
    other = run("up", "--port", str(port), "--data-dir", tmp_path / "other")
    assert other.returncode == 2
    assert len(other.stderr.splitlines()) == 1
    assert f"port {port}" in other.stderr
    assert not list((tmp_path / "other" / "clickhouse").iterdir())  # nothing was founded
    mode = stat.S_IMODE((data / "stack.json").stat().st_mode)
    assert mode == 0o600


def _read_through_the_stack(data: Path) -> None:
    """Commands that read the ledger ask the process that has it open."""
    shown = run("policy", "show", "--format", "json", "--data-dir", data)
    assert shown.returncode == 0, shown.stderr
    assert [chain["chain"] for chain in json.loads(shown.stdout)["chains"]] == [0, 1, 2, 3]
    again = run("sweep", "--replay", "--data-dir", data)
    assert (again.returncode, again.stderr) == (0, "300 verdicts recomputed, 0 differ\n")
    _sweep_through_the_stack(data)
    why = run("explain", str(EVENTS[0].event_id), "--data-dir", data)
    assert why.returncode == 0, why.stderr
    assert str(EVENTS[0].event_id) in why.stdout


def _sweep_through_the_stack(data: Path) -> None:
    later = ("--as-of", "2030-01-01T00:00:00Z", "--format", "json", "--data-dir", data)
    dry = run("sweep", "--dry-run", *later)
    first = run("sweep", *later)
    assert (dry.returncode, dry.stdout) == (1, first.stdout)
    assert first.returncode == 1, first.stderr
    found = [json.loads(line) for line in first.stdout.splitlines()]
    assert {"guarantees.expiring", "retention.overdue"} <= {one["rule"] for one in found}
    second = run("sweep", *later)
    assert (second.returncode, second.stdout) == (0, "")
    waiting = run(
        "review", "list", "--severity", "flag", "--limit", "10000", "--format", "json", "--data-dir", data
    )
    assert sum(json.loads(line)["kind"] == "finding" for line in waiting.stdout.splitlines()) == len(found)


async def test_a_recreated_topic_ends_the_command(kafka: str, tmp_path: Path) -> None:
    data, settings = tmp_path / "data", own_settings(kafka)
    assert run("emit", "-", "--data-dir", data, text=json_lines(EVENTS[0:50]), **settings).returncode == 0
    with started("up", "--port", "0", "--data-dir", data, output=tmp_path / "out", **settings) as up:
        port = up.port
        wait_until(lambda: judged(port) == 50, "all is judged")
        assert up.stop() == 0
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([settings["ANSVAR_TOPIC"]])
    finally:
        await admin.close()
    done = run("worker", "--data-dir", data, **settings)  # makes the topic anew
    assert done.returncode == 2
    told = [line for line in done.stderr.splitlines() if line.startswith("ansvar: ")]
    assert len(told) == 1
    assert "adopt the new one" in told[0]
    assert "Traceback" not in done.stderr
    assert kept_events(data) == event_ids(EVENTS[0:50])


def test_the_broker_dies_under_the_stack(tmp_path: Path) -> None:
    """Nobody starts the embedded one again: the stack ends and says so in one line."""
    with (
        data_directory(tmp_path / "data") as data,
        started("up", "--port", "0", "--data-dir", data, output=tmp_path / "out") as up,
    ):
        port = up.port
        wait_until(lambda: ask(port, "/healthz")[0] == 200, "it processes")
        broker = find_orphan((data / "kafka").resolve(), None, None)
        assert broker is not None
        broker.end()
        assert up.ended() == 2
        assert "the Kafka broker ended" in up.output
        assert "Traceback" not in up.output
        assert "stopping without it" not in up.output


@pytest.mark.parametrize("command", ["verify", "doctor", "emit"])
def test_a_lock_without_a_note(command: str, tmp_path: Path) -> None:
    """Somebody has the directory and tells nothing, as while it starts: others stay out with one line."""
    from ansvar.embedded.filelock import FileLock

    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    lock = FileLock(data / "stack.lock")
    assert lock.try_acquire()
    try:
        arguments = [command, *(["-"] if command == "emit" else []), "--data-dir", data]
        done = run(*arguments, text="")
        assert done.returncode in {1, 2}
        assert "Traceback" not in done.stderr
        assert "try again" in done.stderr + done.stdout.replace("\n", " ")
    finally:
        lock.release()
