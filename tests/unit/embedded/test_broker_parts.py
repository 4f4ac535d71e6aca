"""The parts of the embedded broker that need no Java."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ansvar.embedded import java
from ansvar.embedded.diagnosis import LogMark
from ansvar.embedded.errors import EmbeddedError
from ansvar.embedded.filelock import FileLock
from ansvar.embedded.jars import cache_directory, required_jars
from ansvar.embedded.java import find_orphan, spawn
from ansvar.embedded.layout import BrokerLayout, new_cluster_id
from ansvar.embedded.ports import free_ports
from ansvar.embedded.probe import answering_cluster
from ansvar.embedded.state import BrokerState, read_state, write_state

STATE = BrokerState(cluster_id="id", port=1, controller_port=2, launch="f", pid=3, started=4.5)


def test_the_list_of_jars_is_whole() -> None:
    jars = required_jars()
    assert len({jar.filename for jar in jars}) == len(jars) == 46
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in jars)
    # Kafka's own parts are of one version; a mixture does not start.
    assert {
        j.coordinate.rpartition(":")[2] for j in jars if j.coordinate.startswith("org.apache.kafka:")
    } == {"4.1.1"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"ANSVAR_CACHE": "/own"}, "/own/kafka-4.1.1"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/ansvar/kafka-4.1.1"),
        ({"ANSVAR_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own/kafka-4.1.1"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/somebody/.cache/ansvar/kafka-4.1.1"),
        ({"ANSVAR_CACHE": ""}, "/home/somebody/.cache/ansvar/kafka-4.1.1"),
    ],
)
def test_where_the_cache_is(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name in ("ANSVAR_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_directory() == Path(expected).resolve()


def test_a_lock_excludes_others_until_it_is_released(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.try_acquire()
    assert not second.try_acquire()
    assert second.owner() == os.getpid()
    first.release()
    first.release()
    assert second.try_acquire()
    second.release()


def test_a_killed_holder_loses_its_lock_though_its_child_lives(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\nfrom pathlib import Path\n"
        "from ansvar.embedded.filelock import FileLock\n"
        "assert FileLock.try_acquire(lock := FileLock(Path(sys.argv[1])))\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], stdin=0)\n"
        "print('held', flush=True); time.sleep(600)"
    )
    lock = FileLock(tmp_path / "lock")
    # The child lives until its standard input, which is ours to close, ends.
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert not lock.try_acquire()
        assert lock.owner() == holder.pid
        holder.kill()
        holder.wait()
        assert lock.try_acquire()
    lock.release()


def test_free_ports_keep_what_is_free_and_avoid_what_is_not() -> None:
    one, two = free_ports((0, 0))
    assert one != two
    assert free_ports((one, two)) == (one, two)
    with socket.create_server(("127.0.0.1", one)):
        other, same = free_ports((one, two))
    assert other != one
    assert same == two


def test_a_port_that_speaks_no_kafka_has_no_cluster() -> None:
    (port,) = free_ports((0,))
    assert answering_cluster(port) is None


def test_state_is_private_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "broker.json"
    assert read_state(path) is None
    write_state(path, STATE)
    assert read_state(path) == STATE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for damage in (b"", b"{", b"[]", b'{"cluster_id": 1}', b"\xff\xfe", b'{"cluster_id": "id"}'):
        path.write_bytes(damage)
        assert read_state(path) is None


def test_a_process_is_ours_by_its_command_line_not_by_its_pid(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    sleeping = "import sys; sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", sleeping, f"-Dansvar.broker={tmp_path / 'a'}"], stdin=subprocess.PIPE
    ) as process:
        for pid, started in ((None, None), (process.pid, 0.0), (os.getpid(), 0.0)):
            found = find_orphan(tmp_path / "a", pid, started)
            assert found is not None
            assert (found.pid, found.is_broker, found.alive) == (process.pid, False, True)
        assert find_orphan(tmp_path / "b", process.pid, found.started) is None
        assert find_orphan(tmp_path, process.pid, found.started) is None


@pytest.mark.parametrize(("reaction", "ended_by_itself"), [("SIG_DFL", True), ("SIG_IGN", False)])
def test_a_process_that_does_not_end_when_asked_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reaction: str, ended_by_itself: bool
) -> None:
    monkeypatch.setattr(java, "_TERM_SECONDS", 0.5)
    program = (
        "import pathlib, signal, time\n"
        f"signal.signal(signal.SIGTERM, signal.{reaction})\n"
        "pathlib.Path('ready').touch(); time.sleep(600)"
    )
    process = spawn([sys.executable, "-c", program], tmp_path, tmp_path / "out")
    while not (tmp_path / "ready").exists():
        assert process.alive
    assert process.end() is ended_by_itself
    assert not process.alive
    assert process.end()  # gone already


def test_the_layout_is_private_and_its_settings_are_complete(tmp_path: Path) -> None:
    layout = BrokerLayout(tmp_path / "kafka", tmp_path / "logs", "512m")
    layout.make_directories()
    layout.write_settings(1234, 1235)
    settings = (tmp_path / "kafka" / "server.properties").read_text()
    assert "listeners=CLIENTS://127.0.0.1:1234,CONTROLLER://127.0.0.1:1235" in settings
    assert "${" not in settings
    assert str(tmp_path) not in settings
    for path in (tmp_path / "kafka", tmp_path / "logs", tmp_path / "kafka" / "server.properties"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert layout.cluster_id() is None


def test_the_fingerprint_follows_settings_and_jars(tmp_path: Path) -> None:
    layout = BrokerLayout(tmp_path / "kafka", tmp_path / "logs", "512m")
    other_heap = BrokerLayout(tmp_path / "kafka", tmp_path / "logs", "1g")
    jars = [Path("/cache/a.jar")]
    assert layout.fingerprint(jars) == layout.fingerprint([Path("/elsewhere/a.jar")])
    assert layout.fingerprint(jars) != other_heap.fingerprint(jars)
    assert layout.fingerprint(jars) != layout.fingerprint([Path("/cache/b.jar")])


@pytest.mark.parametrize("heap", ["", "512", "0m", "-1g", "512mb", "512m -Xint"])
def test_a_heap_that_is_no_size_is_refused(tmp_path: Path, heap: str) -> None:
    with pytest.raises(EmbeddedError, match="512m"):
        BrokerLayout(tmp_path, tmp_path, heap)


def test_a_cluster_id_is_what_kafka_takes() -> None:
    ids = {new_cluster_id() for _ in range(300)}
    assert len(ids) == 300
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", drawn) for drawn in ids)


def test_a_failure_tells_the_new_lines_without_stack_frames(tmp_path: Path) -> None:
    log, output = tmp_path / "kafka.log", tmp_path / "kafka.out"
    log.write_text("yesterday: Address already in use\n")
    output.write_text("")
    mark = LogMark.at_end(log, output)
    assert not mark.port_was_taken()
    with log.open("a") as stream:
        stream.write("java.io.IOException: No space left on device\n\tat kafka.Kafka.main(Kafka.scala)\n")
    message = str(mark.failure("its process ended"))
    assert "No space left on device" in message
    assert "free disk space" in message
    assert "yesterday" not in message
    assert "Kafka.scala" not in message


def test_what_java_printed_is_told_when_there_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "kafka.out").write_text("Error: Could not create the Java Virtual Machine.\n")
    mark = LogMark.at_end(tmp_path / "kafka.log", tmp_path / "kafka.out")
    assert "Virtual Machine" in str(mark.failure("its process ended"))
