"""What the commands about policies look at: bundles by directory, and what the ledger's chains judge by."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from ansvar.cli.asking import ask
from ansvar.directory import DataDirectory
from ansvar.policy.errors import BundleError

if TYPE_CHECKING:
    from ansvar.accountability.findings import Open
    from ansvar.accountability.policies import InForce
    from ansvar.store.client import Store


def canonical_of(directory: Path) -> bytes:
    """A bundle's canonical form, checked; a broken one is told problem by problem, and ends the command."""
    from ansvar.policy.canonical import canonical
    from ansvar.policy.loader import bundle_from_bytes

    try:
        content = canonical(directory)
        bundle_from_bytes(content)
    except BundleError as fault:
        for problem in fault.problems:
            sys.stderr.write(f"{directory}: {problem}\n")
        raise typer.Exit(2) from None
    return content


class Ledger:
    """The policies of a data directory's ledger, by the running stack or from its store."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory

    def in_force(self) -> list[InForce]:
        """What each chain judges by; empty before the first row."""
        from ansvar.accountability.policies import from_json, in_force
        from ansvar.embedded.stack import running_stack
        from ansvar.store.ledger import LedgerStore

        note = running_stack(self._directory)
        if note is not None:
            return from_json(ask(note, "/v1/policy"))
        with self.opened() as store:
            return in_force(LedgerStore(store))

    def bundle(self, sha256: str) -> bytes:
        """The canonical form of a bundle that rows name. Raises EmbeddedError or UnknownBundle."""
        from ansvar.embedded.stack import running_stack
        from ansvar.store.catalogue import Catalogue

        note = running_stack(self._directory)
        if note is not None:
            return str(ask(note, f"/v1/policy/bundles/{sha256}")).encode()
        with self.opened() as store:
            return Catalogue(store).bundle(bytes.fromhex(sha256))

    def open_findings(self, least: Literal["flag", "deny"], limit: int) -> list[Open]:
        """The newest rows whose findings nobody has answered."""
        from ansvar.accountability.findings import from_json, open_findings
        from ansvar.embedded.stack import running_stack

        note = running_stack(self._directory)
        if note is not None:
            return from_json(ask(note, f"/v1/violations?severity={least}&limit={limit}"))
        with self.opened() as store:
            return open_findings(store, least, limit)

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """The store itself. Raises EmbeddedError where there is none, or a stack has it."""
        from ansvar.embedded.errors import EmbeddedError
        from ansvar.embedded.stack import running_stack
        from ansvar.enforcement.wiring import open_store
        from ansvar.settings import settings

        chosen = settings()
        there = (self._directory.clickhouse / "metadata").exists()
        if chosen.clickhouse is None and not there:
            raise EmbeddedError(
                f"there is no ledger in {self._directory.path}; run ansvar init, up or demo first"
            )
        if chosen.clickhouse is None and running_stack(self._directory) is not None:
            raise EmbeddedError("the running stack has the store; stop it first")
        store = open_store(self._directory, chosen)
        try:
            yield store
        finally:
            store.close()
