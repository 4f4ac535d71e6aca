"""The data directory of one machine: where everything lies, under names that do not change."""

from __future__ import annotations

from pathlib import Path

from ansvar.keyfiles import KeyFileError, make_private_directory

_OURS = frozenset({"clickhouse", "keys", "logs", "kafka", "stack.lock", "vault.db", "demo.json"})


class DataDirectory:
    """The paths below `--data-dir`. Nothing is made before `make`."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()

    def make(self) -> None:
        """Make the directory and its parts, owner only.

        Raises KeyFileError where that is not possible, or where the directory holds other things and none of
        ours: it is then somebody's folder, named by mistake.
        """
        if self.path.is_dir() and self._is_foreign():
            raise KeyFileError(
                f"{self.path} holds other files and nothing of Ansvar's; choose an empty or a new directory"
            )
        for part in (self.path, self.clickhouse, self.keys, self.logs):
            make_private_directory(part)

    def _is_foreign(self) -> bool:
        names = {entry.name for entry in self.path.iterdir()}
        return bool(names) and names.isdisjoint(_OURS)

    @property
    def kafka(self) -> Path:
        """The embedded broker's data and settings."""
        return self.path / "kafka"

    @property
    def clickhouse(self) -> Path:
        """The embedded store's files (chDB)."""
        return self.path / "clickhouse"

    @property
    def vault(self) -> Path:
        """The embedded vault (SQLite)."""
        return self.path / "vault.db"

    @property
    def keys(self) -> Path:
        """Secrets and producer kits."""
        return self.path / "keys"

    @property
    def anchors(self) -> Path:
        """Checkpoints to copy away, in append-only files."""
        return self.path / "anchors"

    @property
    def logs(self) -> Path:
        """Log files."""
        return self.path / "logs"

    @property
    def lock(self) -> Path:
        """Held by the one process that has the embedded store open."""
        return self.path / "stack.lock"

    @property
    def stack(self) -> Path:
        """How other commands reach the running stack: port and token, owner only."""
        return self.path / "stack.json"
