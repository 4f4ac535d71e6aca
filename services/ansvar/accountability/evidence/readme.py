"""The texts of an evidence bundle for people: what it is, what it shows, what it does not, how to verify it.

The words stand in `texts/`, one file a document; here they get the bundle's own figures. Nothing in them
names a person, and nothing in them is proved by the bundle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from string import Template
from typing import Any, Final

from ansvar.enforcement.rows import EPOCH
from ansvar.verifier.manifest import DOCUMENTS, ChainEntry, Listed

_TEXTS: Final = "texts"


class Told:
    """What the documents say of the rows, gathered row by row."""

    def __init__(self) -> None:
        self.policies: set[bytes] = set()
        self.versions: set[int] = set()
        self.first: int | None = None
        self.last: int | None = None

    def took(self, row: Mapping[str, Any], *, selected: bool) -> None:
        """Take note of a row's columns; the period is that of the selected rows."""
        self.policies.add(row["policy"])
        self.versions.add(row["version"])
        if not selected:
            return
        at: int = row["occurred_at"]
        self.first = at if self.first is None else min(at, self.first)
        self.last = at if self.last is None else max(at, self.last)


def documents(
    told: Told, chains: Mapping[int, ChainEntry], rows: Sequence[Listed], made_at: datetime
) -> dict[str, bytes]:
    """The documents by file name."""
    why = Counter(row.why for row in rows)
    figures = {
        "made_at": _moment(made_at),
        "rows": str(len(rows)),
        "selected": str(why["selected"]),
        "state": str(why["state"]),
        "policy_rows": str(why["policy"]),
        "first": _time(told.first),
        "last": _time(told.last),
        "origins": "\n".join(f"- `{entry.origin}`" for entry in chains.values()),
        "policies": "\n".join(f"- `{sha256.hex()}`" for sha256 in sorted(told.policies) if any(sha256))
        or "-",
        "keys": " ".join(f"--key log-{chain}.vkey" for chain in chains),
    }
    texts = files(__package__) / _TEXTS
    return {
        name: Template((texts / name).read_text(encoding="utf-8")).substitute(figures).encode()
        for name in DOCUMENTS
    }


def _time(microseconds: int | None) -> str:
    if microseconds is None:
        return "-"
    try:
        return _moment(EPOCH + timedelta(microseconds=microseconds))
    except OverflowError:  # a producer may state any number
        return "-"


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
