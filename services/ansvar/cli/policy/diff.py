"""`ansvar policy diff`: what changes from one bundle to another, and which verdicts would change."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ansvar.cli.ledger import opened, there_is_one
from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, Format, FormatOption, print_rows
from ansvar.cli.policy.active import active
from ansvar.cli.policy.checked import checked
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.enforcement.replaying import Replayed
    from ansvar.policy.bundle import Bundle
    from ansvar.store.client import Store

_ACTIVE = "active"


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A bundle's directory, or `active`.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    events: Annotated[
        int, typer.Option(min=0, help="So many of each chain's newest events are judged under both; 0: none.")
    ] = 10_000,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    format_: FormatOption = Format.TABLE,
) -> None:
    """List what differs between two bundles, and the recorded events whose verdict would change.

    The newest events of each chain are judged with what was known of their subjects then, by this program's
    newest rules. Without a ledger in the data directory only the bundles are compared. Exits with 1 when
    anything differs.

    Example: ansvar policy diff active ./policy-2026.2
    """
    from ansvar.policy.difference import differences

    directory = DataDirectory(data_dir)
    old, new = (_bundle(name, directory) for name in (before, after))
    changes = differences(old, new)
    there = events > 0 and there_is_one(directory)
    judged, verdicts = _verdicts(directory, old, new, events) if there else (0, [])
    if format_ is Format.JSON:
        parts = [{"part": c.part, "id": c.id, "what": c.what, "fields": c.fields} for c in changes]
        sys.stdout.write(json.dumps({"changes": parts, "judged": judged, "verdicts": verdicts}) + "\n")
    else:
        rows = [(c.what, c.part, c.id, ", ".join(c.fields)) for c in changes]
        print_rows(("what", "part", "id", "fields"), rows, format_)
        if there:
            print_rows(
                ("chain", "seq", "before", "after", "findings before", "findings after"),
                [tuple(v.values()) for v in verdicts],
                format_,
                f"{len(verdicts)} of {judged} verdicts would change",
            )
    if changes or verdicts:
        raise typer.Exit(1)


def _bundle(name: str, directory: DataDirectory) -> Bundle:
    if name != _ACTIVE:
        return checked(Path(name))[1]
    return active(directory, "no policy is in force here yet; name two directories")[1]


def _verdicts(
    directory: DataDirectory, old: Bundle, new: Bundle, events: int
) -> tuple[int, list[dict[str, Any]]]:
    """How many events were judged under both, and those with different answers."""
    from ansvar.enforcement.replaying import replay
    from ansvar.policy.decide import ENGINE
    from ansvar.store.ledger import LedgerStore

    judged, found = 0, []
    with opened(directory) as store:
        rows = LedgerStore(store)
        for chain in rows.chains():
            end = rows.last_seq(chain) + 1
            earlier = max(0, _judged(store, chain) - events)  # only their subjects' state counts
            first = replay((row for row, _ in rows.rows(chain, 0, end)), lambda *_: (old, ENGINE), None)
            second = replay((row for row, _ in rows.rows(chain, 0, end)), lambda *_: (new, ENGINE), None)
            for a, b in islice(zip(first, second, strict=True), earlier, None):
                judged += 1
                if _told(a) != _told(b):  # a message alone may name another limit
                    found.append(
                        {
                            "chain": chain,
                            "seq": a.row.seq,
                            "before": a.verdict.verdict,
                            "after": b.verdict.verdict,
                            "findings_before": " ".join(f.rule for f in a.verdict.findings),
                            "findings_after": " ".join(f.rule for f in b.verdict.findings),
                        }
                    )
    return judged, found


def _told(again: Replayed) -> tuple[str, list[tuple[str, str]]]:
    return again.verdict.verdict, [(found.rule, found.severity) for found in again.verdict.findings]


def _judged(store: Store, chain: int) -> int:
    """How many rows of a chain judge an event."""
    found = store.query(
        "SELECT count() FROM {database}.ledger "
        "WHERE chain = {chain:UInt32} AND verdict != '' AND stage != ''",
        {"chain": chain},
    )
    return int(found[0][0])


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("diff")(diff)
