"""`ansvar review`: findings that wait for an answer, and the data protection officer's answers."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Literal
from uuid import uuid4

import typer

from ansvar.cli.commanding import send
from ansvar.cli.ledger import opened
from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, Format, FormatOption, console, print_rows, refuse
from ansvar.directory import DataDirectory
from ansvar.events.control import Answer

_program = typer.Typer(help="List findings that wait for an answer, and answer them.")


@_program.command("list")
def list_(
    severity: Annotated[
        Literal["flag", "deny"], typer.Option(help="The least severity to be listed.")
    ] = "deny",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest first.")] = 100,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    format_: FormatOption = Format.TABLE,
) -> None:
    """List the rows whose findings nobody has answered. Exits with 1 when there are any.

    Example: ansvar review list --severity flag
    """
    from ansvar.accountability.findings import open_findings

    with opened(DataDirectory(data_dir)) as store:
        found = open_findings(store, severity, limit)
    rows = [
        (
            one.chain,
            one.seq,
            one.kind,
            one.occurred_at.isoformat(),
            one.system,
            one.verdict,
            " ".join(one.findings),
        )
        for one in found
    ]
    print_rows(("chain", "seq", "kind", "when", "system", "verdict", "findings"), rows, format_)
    if found:
        raise typer.Exit(1)


@_program.command("answer")
def answer(
    chain: Annotated[int, typer.Argument(min=0, help="The row's chain.")],
    seq: Annotated[int, typer.Argument(min=0, help="The row's place in it.")],
    verdict: Annotated[Answer, typer.Argument(help="What became of the findings.")],
    text: Annotated[str, typer.Option(help="Why, in words; sealed in the row.")] = "",
    by: Annotated[str, typer.Option(help="Who answers: a role, no person's name.")] = "dpo",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Answer the findings of one row; the answer becomes a row of its chain.

    Example: ansvar review answer 2 4711 remedied --text "The list was corrected on 3 March"
    """
    from ansvar.accountability.findings import has_findings
    from ansvar.events.control import AnswerFinding, Control
    from ansvar.ledger.position import MAX_PARTITIONS

    directory = DataDirectory(data_dir)
    with opened(directory) as store:
        if not has_findings(store, chain, seq):
            refuse(f"chain {chain} has no row {seq} with findings; see ansvar review list")
    command = Control(uuid4(), AnswerFinding(chain, seq, verdict, text, by))
    # an ingested file's chain is fed by no topic: its answers stand on the chain of the same partition
    processed = asyncio.run(send(directory, lambda _: [(chain % MAX_PARTITIONS, command)]))
    console().print(f"answered: chain {chain}, seq {seq}: {verdict}")
    if not processed:
        sys.stderr.write("nothing is running here: ansvar up (or worker) will record it\n")


def register(program: typer.Typer) -> None:
    """Add the group of commands to the program."""
    program.add_typer(_program, name="review")
