"""The stack is told to stop while it starts, and while it works: always clean, nothing lost or doubled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ansvar.embedded.java import find_orphan
from ansvar.sample.company import generate
from commands import (
    Running,
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


def logged(text: str) -> Callable[[Running, Path], bool]:
    """Whether the log says something."""

    def said(_: Running, data: Path) -> bool:
        log = data / "logs" / "ansvar.log"
        return log.exists() and text in log.read_text(encoding="utf-8")

    return said


MOMENTS: dict[str, Callable[[Running, Path], bool]] = {
    "the log is open": lambda up, data: (data / "logs" / "ansvar.log").exists(),
    "the directory is taken": lambda up, data: (data / "stack.lock").exists(),
    "the worker starts": lambda up, data: "Starting the worker" in up.output,
    "Faust starts": logged("[^App]: Starting"),
    "a chain is being read": logged("partition 0: continuing"),
    "rows are being appended": lambda up, data: _appended(up),
}


def _appended(up: Running) -> bool:
    return "Running: " in up.output and judged(up.port) > 0


def test_ctrl_c_at_any_moment(kafka: str, tmp_path: Path) -> None:
    """Each time a clean stop; and after all of them nothing is lost or doubled."""
    data, settings = tmp_path / "data", own_settings(kafka)
    assert run("emit", "-", "--data-dir", data, text=json_lines(EVENTS[0:1_400]), **settings).returncode == 0
    output = tmp_path / "out"
    for name, moment in MOMENTS.items():
        for trace in ("logs/ansvar.log", "stack.lock"):
            (data / trace).unlink()
        with started("up", "--port", "0", "--data-dir", data, output=output, **settings) as up:
            wait_until(lambda up=up, m=moment: m(up, data), name)
            assert up.stop() == 0, f"{name}: {up.output}"
            assert up.output.endswith("Stopped.\n"), name
            assert "Traceback" not in up.output, name
    assert run("verify", "--data-dir", data, **settings).returncode == 0
    assert (
        run("emit", "-", "--data-dir", data, text=json_lines(EVENTS[1_400:1_500]), **settings).returncode == 0
    )
    left = 1_500 - kept_events(data).total()
    assert 0 < left < 1_500
    with started("up", "--port", "0", "--data-dir", data, output=tmp_path / "out", **settings) as up:
        port = up.port
        wait_until(lambda: judged(port) == left, "what is left is judged")
        assert up.stop() == 0
    assert kept_events(data) == event_ids(EVENTS[0:1_500])


def test_ctrl_c_while_the_broker_starts(tmp_path: Path) -> None:
    with data_directory(tmp_path / "data") as data:
        with started("up", "--port", "0", "--data-dir", data, output=tmp_path / "out") as up:
            up.says("Starting Apache Kafka")
            assert up.stop() == 0, up.output
        assert find_orphan((data / "kafka").resolve(), None, None) is None
