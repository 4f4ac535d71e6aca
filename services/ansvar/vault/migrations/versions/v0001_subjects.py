"""People under key-encryption keys, tombstones, keys, effects, owner."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "subjects",
        sa.Column("tag", sa.LargeBinary(32), primary_key=True),
        sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("chain", sa.BigInteger, nullable=False),
        sa.Column("kek", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("reference_index", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("identifier", sa.LargeBinary, nullable=False),
        sa.Column("created_on", sa.Date, nullable=False),
        sa.Column("used_on", sa.Date, nullable=False),
        sa.Column("ended_seq", sa.BigInteger),
    )
    op.create_index("ix_subjects_kek", "subjects", ["kek"])
    ended = sa.text("ended_seq IS NOT NULL")
    op.create_index(
        "ix_subjects_ended", "subjects", ["chain", "ended_seq"], sqlite_where=ended, postgresql_where=ended
    )
    op.create_table(
        "tombstones",
        sa.Column("suppression", sa.LargeBinary(32), primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("chain", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_tombstones_at", "tombstones", ["at"])
    op.create_table(
        "keys",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("check_value", sa.LargeBinary(32), nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("retired_at", sa.BigInteger),
        sa.Column("destroyed_at", sa.BigInteger),
    )
    op.create_table(
        "effects",
        sa.Column("chain", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("through", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "owner",
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("deployment", sa.LargeBinary(16), nullable=False),
    )
