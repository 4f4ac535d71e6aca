"""What a verification says, as plain data: the same for a person, a script and the API."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct


class Found(Struct, frozen=True):
    """One fault: its kind, the row it names, and what was seen."""

    kind: str
    seq: int
    message: str


class ChainResult(Struct, frozen=True):
    """One chain: rows that passed, the root over them in hex, and what was found, in order of seq.

    `verified_from` is the number of rows that an earlier, signed verification vouches for (0: every row was
    recomputed), `checkpoint` the size of the newest signed checkpoint that the rows meet, and `uncovered` how
    many rows no checkpoint covers yet, which is no fault.
    """

    chain: int
    rows: int
    root: str
    faults: tuple[Found, ...] = ()
    verified_from: int = 0
    checkpoint: int = 0
    uncovered: int = 0

    @property
    def state(self) -> str:
        """One word for a table."""
        return self.faults[0].kind if self.faults else "intact"


class Report(Struct, frozen=True):
    """All chains, what is wrong beside them (bundles, deployment record), and what could not be done."""

    chains: tuple[ChainResult, ...]
    beside: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.beside and not any(chain.faults for chain in self.chains)

    @property
    def rows(self) -> int:
        """All rows that passed."""
        return sum(chain.rows for chain in self.chains)


def fault_lines(report: Report) -> list[str]:
    """One line for each thing found, naming chain, seq and kind."""
    lines = [f"chain {c.chain}, seq {f.seq}: {f.kind}: {f.message}" for c in report.chains for f in c.faults]
    return [*lines, *report.beside]


def to_json(report: Report) -> dict[str, Any]:
    """The report as a JSON object: `intact`, `rows`, `chains` (with their `faults`), `beside`, `remarks`."""
    return {"intact": report.intact, "rows": report.rows, **msgspec.to_builtins(report)}


def from_json(data: dict[str, Any]) -> Report:
    """The inverse of `to_json`; raises msgspec.ValidationError on anything else."""
    return msgspec.convert({name: data.get(name) for name in Report.__struct_fields__}, Report)
