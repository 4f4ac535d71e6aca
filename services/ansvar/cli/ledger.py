"""The ledger of a data directory as commands read it: its own store, or the running stack's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ansvar.cli.asking import carry
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.store.client import Store


def there_is_one(directory: DataDirectory) -> bool:
    """Whether a store was ever made here, or is named by the settings."""
    from ansvar.settings import settings

    return settings().clickhouse is not None or (directory.clickhouse / "metadata").exists()


@contextmanager
def opened(directory: DataDirectory) -> Iterator[Store]:
    """The store, for reading. Raises EmbeddedError where there is none, StoreError where it fails."""
    from ansvar.embedded.errors import EmbeddedError
    from ansvar.embedded.owning import running_stack
    from ansvar.enforcement.wiring import open_store
    from ansvar.settings import settings
    from ansvar.store.remote import RemoteStore

    chosen = settings()
    note = running_stack(directory) if chosen.clickhouse is None else None
    if note is None and not there_is_one(directory):
        raise EmbeddedError(f"there is no ledger in {directory.path}; run ansvar demo, up or init first")
    store = open_store(directory, chosen) if note is None else RemoteStore(lambda asked: carry(note, asked))
    try:
        yield store
    finally:
        store.close()
