"""A real PostgreSQL for tests: a server on a socket in a temporary directory, ended by its fixture.

The server refuses to run as root, so it then runs as the user that its package made.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pg8000.native
import pytest

_numbers = itertools.count(1)


class PostgreSQL:
    """A running server; every test gets databases of its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket / ".s.PGSQL.5432"

    def connect(self, database: str) -> pg8000.native.Connection:
        """A connection past everything that is tested."""
        return pg8000.native.Connection("ansvar", unix_sock=str(self._socket), database=database)

    def new_database(self) -> str:
        """The name of an empty database."""
        name = f"test_{next(_numbers)}"
        connection = self.connect("postgres")
        connection.run(f"CREATE DATABASE {name}")
        connection.close()
        return name

    def url(self, database: str, user: str = "ansvar") -> str:
        """Its SQLAlchemy URL."""
        return f"postgresql+pg8000://{user}@/{database}?unix_sock={self._socket}"


def binaries() -> Path:
    """Where the newest server's programs are; skips where there are none."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not found and (there := shutil.which("initdb")) is not None:
        found = [Path(there).parent]
    if not found:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    return max(found, key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0)


def _user() -> str | None:
    """The user to run as, None for ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")


@contextmanager
def server() -> Iterator[PostgreSQL]:
    """A server for as long as the context lasts."""
    programs, user = binaries(), _user()
    home = Path(tempfile.mkdtemp(prefix="ansvar-pg-"))  # short: a socket's path has 107 bytes at most
    as_user = {"user": user, "group": user, "extra_groups": []} if user is not None else {}

    def run(program: str, *options: str) -> None:
        with (home / "log").open("ab") as log:
            done = subprocess.run(
                [programs / program, "-D", home / "data", *options],
                cwd=home,
                stdout=log,
                stderr=log,
                **as_user,
            )
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {(home / 'log').read_text()}")

    try:
        if user is not None:
            shutil.chown(home, user, user)
        run("initdb", "-U", "ansvar", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8")
        run("pg_ctl", "-w", "start", "-o", f"-k {home} -c listen_addresses= -c fsync=off")
        try:
            yield PostgreSQL(home)
        finally:
            run("pg_ctl", "-w", "-m", "fast", "stop")  # whoever is still connected is cut off
    finally:
        shutil.rmtree(home)
