"""Numbered SQL migrations, applied once each and remembered with their checksum.

`migrations/NNNN_name.sql` holds statements separated by `;` at the end of a line; `{database}` is replaced.
A migration that was applied with another checksum stops everything: history is not edited.
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources

from msgspec import Struct

from ansvar.store.client import Store
from ansvar.store.errors import SchemaMismatch

_TABLE = """
CREATE TABLE IF NOT EXISTS {database}.migrations
(number UInt32, name String, sha256 String, applied_at DateTime64(3, 'UTC'))
ENGINE = MergeTree ORDER BY number SETTINGS non_replicated_deduplication_window = 1000
"""


class Migration(Struct, frozen=True):
    """One file: its number, name, SQL and the SHA-256 of that SQL in hex."""

    number: int
    name: str
    sql: str
    sha256: str


def migrations() -> list[Migration]:
    """All migrations of this version, in order."""
    found = []
    for entry in resources.files("ansvar.store").joinpath("migrations").iterdir():
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name)
        if match:
            sql = entry.read_text(encoding="utf-8")
            digest = hashlib.sha256(sql.encode()).hexdigest()
            found.append(Migration(int(match[1]), match[2], sql, digest))
    return sorted(found, key=lambda m: m.number)


def migrate(store: Store, applied_at: int) -> list[Migration]:
    """Bring the database up to this version; returns what was applied now. `applied_at` in ms since 1970.

    Raises SchemaMismatch when the database has a migration that this version does not know or knows
    otherwise.
    """
    store.command("CREATE DATABASE IF NOT EXISTS {database}")
    store.command(_TABLE)
    done = dict(store.query("SELECT number, sha256 FROM {database}.migrations"))
    known = migrations()
    for migration in known:
        if done.get(migration.number, migration.sha256) != migration.sha256:
            raise SchemaMismatch(
                f"migration {migration.number:04} was applied with other text than this version has. "
                "Run the version that made this database."
            )
    newer = set(done) - {m.number for m in known}
    if newer:
        raise SchemaMismatch(
            f"the database has migration {max(newer):04}, which this version does not know. Upgrade Ansvar."
        )
    fresh = [m for m in known if m.number not in done]
    for migration in fresh:
        for statement in _statements(migration.sql):
            store.command(statement)
        store.command(
            "INSERT INTO {database}.migrations SELECT {number:UInt32}, {name:String}, {sha:String}, "
            "fromUnixTimestamp64Milli({at:Int64}, 'UTC')",
            {"number": migration.number, "name": migration.name, "sha": migration.sha256, "at": applied_at},
        )
    return fresh


def _statements(sql: str) -> list[str]:
    bare = "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return [part.strip() for part in re.split(r";\s*$", bare, flags=re.MULTILINE) if part.strip()]
