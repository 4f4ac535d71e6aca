"""Settings from the environment, `ANSVAR_*`. Kafka's own are read by `emitter.kafka`.

Invariants: every setting has a default with which the embedded stack works; a secret is given by file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ansvar.ledger.position import MAX_PARTITIONS


class SettingsError(Exception):
    """A setting is not what it may be; the message names it."""


class Settings(BaseSettings):
    """What a process of Ansvar's may be told."""

    model_config = SettingsConfigDict(env_prefix="ANSVAR_", extra="ignore", frozen=True)

    clickhouse: str | None = Field(
        None, description="ClickHouse DSN; default: embedded in the data directory"
    )
    clickhouse_password_file: Path | None = Field(None, description="file with ClickHouse's password")
    vault: str | None = Field(
        None, description="SQLAlchemy URL of the vault; default: SQLite in the data directory"
    )
    chains: int = Field(4, ge=1, le=MAX_PARTITIONS, description="partitions of a new deployment's topic")
    topic: str = Field("ansvar.events", pattern=r"^[a-zA-Z0-9._-]{1,200}$", description="the events topic")
    recent_events: int = Field(200_000, ge=1, description="rows in which repeated event ids are recognised")
    alert_on: Literal["deny", "flag"] = Field("deny", description="least severity that raises an alert")
    checkpoint_seconds: float = Field(10, gt=0, description="longest time from a row to its checkpoint")
    checkpoint_rows: int = Field(100_000, ge=1, description="rows after which a checkpoint is signed sooner")
    witness_policy: Path | None = Field(
        None, description="C2SP tlog-policy: who must cosign a checkpoint before it is published"
    )
    unwitnessed_seconds: float = Field(
        300, gt=0, description="how long a checkpoint may lack its witnesses before an alert says so"
    )
    self_check_seconds: float = Field(3600, gt=0, description="how often a worker verifies its ledger")
    log_key_passphrase_file: Path | None = Field(
        None, description="file with the passphrase that the log keys are encrypted under"
    )
    group: str = Field("ansvar", description="Kafka consumer group of the workers")

    @property
    def alerts_topic(self) -> str:
        """The topic of alerts beside the events topic."""
        return self._beside("alerts")

    @property
    def deadletter_topic(self) -> str:
        """The topic of dead letters beside the events topic."""
        return self._beside("deadletter")

    @property
    def verdicts_topic(self) -> str:
        """The topic of verdicts beside the events topic."""
        return self._beside("verdicts")

    def _beside(self, name: str) -> str:
        return f"{self.topic.removesuffix('.events')}.{name}"


def settings() -> Settings:
    """Read the environment. Raises SettingsError naming the variable and what it may be."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"ANSVAR_{str(first['loc'][0]).upper()}"
        raise SettingsError(f"{name}: {first['msg']}") from error


def external_kafka() -> bool:
    """Whether ANSVAR_KAFKA names a broker, so that none is started here."""
    return bool(os.environ.get("ANSVAR_KAFKA"))
