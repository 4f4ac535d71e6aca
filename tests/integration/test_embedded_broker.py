"""The embedded broker, as a real Java process: what is left after every kind of end, and whose it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ansvar.embedded import broker as broker_module
from ansvar.embedded.broker import EmbeddedBroker
from ansvar.embedded.errors import BrokerInUse, BrokerStartFailed, EmbeddedError
from ansvar.embedded.ports import free_ports
from ansvar.embedded.probe import answering_cluster

pytestmark = pytest.mark.broker

TOPIC = "kept"
# A program that starts the broker of a directory and then only lives; it is there to be killed.
OWNER = """
import sys, time
from pathlib import Path
from ansvar.embedded.broker import EmbeddedBroker
broker = EmbeddedBroker(Path(sys.argv[1]))
broker.start()
print(broker.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A directory whose name is no gift to Java or to property files; no process of it outlives the test."""
    home = tmp_path / "Försäkring, #1" / "kafka"
    yield home
    left = [process for process in psutil.process_iter() if str(home) in " ".join(_command_line(process))]
    for process in left:
        process.kill()
    assert not left


def test_data_survives_a_clean_stop_also_when_another_program_has_taken_the_port(directory: Path) -> None:
    logs = directory.parent / "logs"
    said: list[str] = []
    broker = EmbeddedBroker(directory, logs=logs)
    broker.start(said.append)
    try:
        address, cluster, port = broker.bootstrap, broker.cluster_id, int(broker.bootstrap.rpartition(":")[2])
        _send(address, b"one")
        with pytest.raises(BrokerInUse) as raised:
            EmbeddedBroker(directory).start()
        assert raised.value.pid == os.getpid()
        assert broker.alive
    finally:
        broker.stop()
    assert not broker.alive
    assert any("Preparing" in line for line in said)

    with socket.create_server(("127.0.0.1", port)), EmbeddedBroker(directory, logs=logs) as again:
        assert again.bootstrap != address
        assert (again.cluster_id, again.taken_over) == (cluster, False)
        assert answering_cluster(port) is None
        assert _read(again.bootstrap) == [b"one"]
        assert "Kafka Server started" in again.log_file.read_text()
        assert again.log_file.parent == logs
        _assert_shut_in(again.pid, directory)


def _assert_shut_in(pid: int, directory: Path) -> None:
    """Loopback only, private files, a session of its own, and nothing of our environment."""
    process = psutil.Process(pid)
    listening = [c.laddr.ip for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert len(listening) == 2
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
    assert os.getsid(pid) != os.getsid(0)
    assert set(process.environ()) == {"LC_ALL", "PATH"}
    for path in [directory, *directory.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_killed_broker_is_noticed_and_starts_again_with_its_data(directory: Path) -> None:
    with EmbeddedBroker(directory) as broker:
        _send(broker.bootstrap, b"acknowledged")
        os.kill(broker.pid, signal.SIGKILL)
        psutil.Process(broker.pid).wait(10)
        assert not broker.alive
        address = broker.bootstrap
        broker.stop()
        broker.start()
        assert broker.bootstrap == address
        assert _read(broker.bootstrap) == [b"acknowledged"]


def test_the_next_owner_takes_over_what_a_killed_one_left(directory: Path) -> None:
    pid = _start_and_kill_an_owner(directory)
    assert psutil.pid_exists(pid)
    with EmbeddedBroker(directory) as broker:
        assert broker.taken_over
        assert broker.pid == pid
        _send(broker.bootstrap, b"after")
        assert _read(broker.bootstrap) == [b"after"]
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_an_orphan_of_other_settings_is_found_without_its_pid_and_replaced(directory: Path) -> None:
    pid = _start_and_kill_an_owner(directory)
    state_file = directory / "broker.json"
    state = msgspec.json.decode(state_file.read_bytes())
    with _sleeper() as innocent:
        # As after a reboot: the pid now belongs to somebody else, who must not be harmed.
        state_file.write_bytes(msgspec.json.encode(state | {"pid": innocent.pid}))
        with EmbeddedBroker(directory, heap="256m") as broker:
            assert not broker.taken_over
            assert broker.pid != pid
            assert broker.cluster_id == state["cluster_id"]
            assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
            assert innocent.poll() is None


def test_another_kafka_that_takes_the_chosen_port_first_is_not_taken_for_ours(
    directory: Path, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = int(kafka.rpartition(":")[2])
    asked: list[tuple[int, ...]] = []

    def lose_the_race_once(preferred: tuple[int, int]) -> tuple[int, ...]:
        asked.append(preferred)
        return (taken, *free_ports((0,))) if len(asked) == 1 else free_ports(preferred)

    monkeypatch.setattr(broker_module, "free_ports", lose_the_race_once)
    with EmbeddedBroker(directory) as broker:
        assert len(asked) == 2
        assert broker.bootstrap != kafka
        assert answering_cluster(taken) not in (None, broker.cluster_id)


def test_a_failed_start_says_why_and_leaves_nothing(directory: Path) -> None:
    (directory / "data").mkdir(parents=True)
    (directory / "data" / "meta.properties").write_text("version=1\ncluster.id=ours\nnode.id=7\n")
    broker = EmbeddedBroker(directory)
    with pytest.raises(BrokerStartFailed) as raised:
        broker.start()
    assert "node id" in str(raised.value)
    assert str(broker.log_file) in str(raised.value)
    with pytest.raises(EmbeddedError, match="not started"):
        broker.bootstrap  # noqa: B018 - reading it is the test
    # The directory is free again.
    with pytest.raises(BrokerStartFailed):
        EmbeddedBroker(directory).start()


@contextlib.contextmanager
def _sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        try:
            yield process
        finally:
            process.kill()


def _start_and_kill_an_owner(directory: Path) -> int:
    """Start a broker from another process, kill that process, return the broker's pid."""
    with subprocess.Popen([sys.executable, "-c", OWNER, str(directory)], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.kill()
    return pid


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline()) if process.status() != psutil.STATUS_ZOMBIE else []
    except psutil.Error:
        return []


def _send(address: str, value: bytes) -> None:
    async def send() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        await admin.start()
        await admin.create_topics([NewTopic(TOPIC, 1, 1)])
        await admin.close()
        async with AIOKafkaProducer(
            bootstrap_servers=address, acks="all", enable_idempotence=True
        ) as producer:
            await producer.send_and_wait(TOPIC, value)

    asyncio.run(send())


def _read(address: str) -> list[bytes]:
    async def read() -> list[bytes]:
        async with AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
            partition = TopicPartition(TOPIC, 0)
            consumer.assign([partition])
            end = (await consumer.end_offsets([partition]))[partition]
            return [(await consumer.getone()).value for _ in range(end)]

    return asyncio.run(read())
