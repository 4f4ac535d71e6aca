"""What a verification says, as plain data: the same for a person, a script and the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct


class ChainResult(Struct, frozen=True):
    """One chain: rows that passed, the root over them in hex, and the first fault if any."""

    chain: int
    rows: int
    root: str
    kind: str | None = None
    seq: int | None = None
    message: str | None = None


class Report(Struct, frozen=True):
    """All chains, and what is wrong beside them (bundles, deployment record)."""

    chains: tuple[ChainResult, ...]
    beside: tuple[str, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.beside and all(chain.kind is None for chain in self.chains)

    @property
    def rows(self) -> int:
        """All rows that passed."""
        return sum(chain.rows for chain in self.chains)


def fault_lines(report: Report) -> Sequence[str]:
    """One line for each thing found, naming chain, seq and kind."""
    lines = [
        f"chain {c.chain}, seq {c.seq}: {c.kind}: {c.message}" for c in report.chains if c.kind is not None
    ]
    return [*lines, *report.beside]


def to_json(report: Report) -> dict[str, Any]:
    """The report as a JSON object."""
    chains = [
        {
            "chain": c.chain,
            "rows": c.rows,
            "root": c.root,
            "fault": None if c.kind is None else {"kind": c.kind, "seq": c.seq, "message": c.message},
        }
        for c in report.chains
    ]
    return {"intact": report.intact, "rows": report.rows, "chains": chains, "beside": list(report.beside)}


def from_json(data: dict[str, Any]) -> Report:
    """The inverse of `to_json`."""
    chains = []
    for c in data["chains"]:
        fault = c["fault"] or {}
        chains.append(
            ChainResult(
                c["chain"], c["rows"], c["root"], fault.get("kind"), fault.get("seq"), fault.get("message")
            )
        )
    return Report(tuple(chains), tuple(data["beside"]))
