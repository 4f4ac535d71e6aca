"""A vault's tables: as the code says them, on both databases, and clear words where they cannot be made."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from ansvar.vault import schema
from ansvar.vault.errors import VaultError, VaultUnavailable
from ansvar.vault.vault import NONE_YET
from postgres import PostgreSQL
from vaults import Place, resolved


def test_the_migrations_make_the_tables_of_the_code(place: Place) -> None:
    place()
    with place.database().reading() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), schema.metadata) == []
        assert schema.version(connection) == schema.HEAD


def test_a_vault_of_a_later_form_is_left_alone(place: Place) -> None:
    place().close()
    place.sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(VaultError, match=f"is at schema 9999, this Ansvar knows {schema.HEAD}"):
        place()


def test_a_vault_of_the_first_form_is_left_alone(place: Place) -> None:
    place.database()
    place.sql("CREATE TABLE subjects (tag INTEGER)")
    with pytest.raises(VaultError, match="from before key-encryption keys"):
        place()
    assert place.sql("SELECT * FROM subjects") == []
    assert not place.keys.exists()


@pytest.fixture
def worker_url(postgresql: PostgreSQL, place: Place) -> str:
    """The same PostgreSQL vault for a user who owns nothing."""
    admin = postgresql.connect("postgres")
    if not admin.run("SELECT 1 FROM pg_roles WHERE rolname = 'worker'"):
        admin.run("CREATE ROLE worker LOGIN")
    admin.close()
    return str(place.spot.where).replace("//ansvar@", "//worker@")


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_worker_needs_no_right_to_make_tables(place: Place, worker_url: str) -> None:
    theirs = Place(worker_url, place.keys)
    with pytest.raises(VaultError, match="Open the vault once as one who may make tables"):
        theirs()
    assert not place.keys.exists()
    people = resolved(place(), 1)
    with pytest.raises(VaultError, match="grant this user"):
        theirs()
    place.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO worker")
    vault = theirs()
    assert resolved(vault, 1) == people
    resolved(vault, 2)
    vault.advance(0, NONE_YET, 3)
    assert vault.destroy(0, 4) == []
    theirs.close()


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_cut_off_connections_are_made_anew(place: Place) -> None:
    vault = place()
    people = resolved(vault, 1)
    place.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    with pytest.raises(VaultUnavailable, match="did not answer"):
        resolved(vault, 1)
    assert resolved(vault, 1) == people


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_plain_url_takes_our_driver(place: Place) -> None:
    people = resolved(place(), 1)
    plain = Place(str(place.spot.where).replace("postgresql+pg8000:", "postgresql:"), place.keys)
    assert resolved(plain(), 1) == people
    plain.close()
