"""Settings: defaults that work, and a message that names the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansvar.settings import SettingsError, external_kafka, settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLICKHOUSE", "CLICKHOUSE_PASSWORD_FILE", "VAULT", "CHAINS", "TOPIC", "RECENT_EVENTS"):
        monkeypatch.delenv(f"ANSVAR_{name}", raising=False)
    for name in ("ALERT_ON", "GROUP", "KAFKA"):
        monkeypatch.delenv(f"ANSVAR_{name}", raising=False)


def test_defaults_are_the_embedded_stack() -> None:
    found = settings()
    assert (found.clickhouse, found.vault, found.chains) == (None, None, 4)
    assert (found.recent_events, found.alert_on, found.group) == (200_000, "deny", "ansvar")
    assert not external_kafka()


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CLICKHOUSE": "https://ansvar@db:8443",
        "CLICKHOUSE_PASSWORD_FILE": "/run/secrets/clickhouse",
        "CHAINS": "64",
        "ALERT_ON": "flag",
        "KAFKA": "broker:9092",
    }.items():
        monkeypatch.setenv(f"ANSVAR_{name}", value)
    found = settings()
    assert found.clickhouse == "https://ansvar@db:8443"
    assert found.clickhouse_password_file == Path("/run/secrets/clickhouse")
    assert (found.chains, found.alert_on) == (64, "flag")
    assert external_kafka()


@pytest.mark.parametrize(
    ("topic", "beside"), [("ansvar.events", "ansvar"), ("audit", "audit"), ("a.events.b", "a.events.b")]
)
def test_topics_beside(monkeypatch: pytest.MonkeyPatch, topic: str, beside: str) -> None:
    monkeypatch.setenv("ANSVAR_TOPIC", topic)
    found = settings()
    assert (found.alerts_topic, found.deadletter_topic, found.verdicts_topic) == (
        f"{beside}.alerts",
        f"{beside}.deadletter",
        f"{beside}.verdicts",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHAINS", "0"),
        ("CHAINS", "65537"),
        ("CHAINS", "four"),
        ("TOPIC", "no spaces"),
        ("TOPIC", ""),
        ("TOPIC", "a" * 201),
        ("TOPIC", "line\n"),
        ("RECENT_EVENTS", "0"),
        ("ALERT_ON", "permit"),
    ],
)
def test_what_is_no_setting(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ANSVAR_{name}", value)
    with pytest.raises(SettingsError, match=f"^ANSVAR_{name}: ") as caught:
        settings()
    assert "\n" not in str(caught.value)
