"""The vault's tables, and the migrations that make them.

Invariants: `migrations/` gives these tables, on SQLite and PostgreSQL alike; a vault is used at `HEAD`
only. Steps run in the caller's transaction, so they are done whole or not at all. Alembic is imported only
where there is a step to take.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

from ansvar.vault.errors import VaultError

HEAD: Final = "0001"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"

metadata = sa.MetaData()
subjects = sa.Table(
    "subjects",
    metadata,
    sa.Column("tag", sa.LargeBinary(32), primary_key=True),  # HMAC of the identifier under the pepper
    sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("chain", sa.BigInteger, nullable=False),  # the identifier's own
    sa.Column("kek", sa.Integer, nullable=False, index=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # reference 16 || data key 32, under the KEK
    sa.Column("reference_index", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("identifier", sa.LargeBinary, nullable=False),  # type || 0 || value, under the data key
    sa.Column("created_on", sa.Date, nullable=False),
    sa.Column("used_on", sa.Date, nullable=False),
    sa.Column("ended_seq", sa.BigInteger),  # the erasure row of its chain that ended it
)
sa.Index(
    "ix_subjects_ended",
    subjects.c.chain,
    subjects.c.ended_seq,
    sqlite_where=subjects.c.ended_seq.is_not(None),
    postgresql_where=subjects.c.ended_seq.is_not(None),
)
tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("suppression", sa.LargeBinary(32), primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),  # to be used next
    sa.Column("chain", sa.BigInteger, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),  # of the erasure row
    sa.Column("at", sa.BigInteger, nullable=False, index=True),  # ms since 1970
    sa.Column("facts", sa.LargeBinary, nullable=False),
)
keys = sa.Table(
    "keys",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # 0: the suppression key
    sa.Column("check_value", sa.LargeBinary(32), nullable=False),
    sa.Column("made_at", sa.BigInteger, nullable=False),  # ms since 1970, as the next two
    sa.Column("retired_at", sa.BigInteger),  # when a newer one took over
    sa.Column("destroyed_at", sa.BigInteger),
)
effects = sa.Table(
    "effects",
    metadata,
    sa.Column("chain", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("through", sa.BigInteger, nullable=False),
)
owner = sa.Table(
    "owner",
    metadata,
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),  # 0: there is one owner
    sa.Column("deployment", sa.LargeBinary(16), nullable=False),
)
_version = sa.table("alembic_version", sa.column("version_num"))


def version(connection: sa.Connection) -> str | None:
    """The migration at which this vault is, None for a new one."""
    if not sa.inspect(connection).has_table(_version.name):
        return None
    found = connection.execute(sa.select(_version.c.version_num)).scalar()
    return None if found is None else str(found)


def upgrade(connection: sa.Connection) -> None:
    """Take the steps that are missing. Raises VaultError on a vault that this version does not know."""
    found = version(connection)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise VaultError(f"the vault is at schema {found}, this Ansvar knows {HEAD}: use a newer Ansvar")
    if found is None and sa.inspect(connection).has_table(subjects.name):
        raise VaultError(
            "the vault is of a form from before key-encryption keys, which this Ansvar does not read: begin "
            "with a new data directory, or with a new vault and a new ledger database"
        )
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")
