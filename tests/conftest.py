"""What every test can use: the hypothesis profiles and one real Kafka broker for the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from ansvar.embedded.broker import EmbeddedBroker

# Two cores shared with brokers: a slow example is no failure. In CI the same examples every time, and half as
# many; `make test` by hand draws others.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, max_examples=50)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses the broker is marked so; nobody has to remember it."""
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.broker)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of a real broker, shared by the run: use topics of your own names."""
    directory: Path = tmp_path_factory.mktemp("session-broker")
    with EmbeddedBroker(directory / "kafka", logs=directory / "logs") as broker:
        yield broker.bootstrap
