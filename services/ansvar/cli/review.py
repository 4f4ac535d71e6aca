"""`ansvar review`: findings that wait for an answer, and the data protection officer's answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import uuid4

import typer

from ansvar.cli.commanding import send
from ansvar.cli.ledger import opened
from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, Format, FormatOption, console, print_rows, refuse
from ansvar.directory import DataDirectory
from ansvar.events.control import MAX_ANSWER, Answer, Role

if TYPE_CHECKING:
    from ansvar.accountability.findings import Open

_program = typer.Typer(help="List findings that wait for an answer, and answer them.")


_COLUMNS = ("chain", "seq", "kind", "when", "system", "verdict", "findings", "about", "message")


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

    `about` is the event's id, or for what a sweep found the row (chain/seq): ansvar explain takes both. With
    --format json or csv there is also the message of a sweep's finding.

    Example: ansvar review list --severity flag
    """
    from ansvar.accountability.findings import open_findings
    from ansvar.policy.case import moment

    with opened(DataDirectory(data_dir)) as store:
        found = open_findings(store, severity, limit)
    if format_ is Format.TABLE:
        rows = [
            (one.chain, one.seq, moment(one.occurred_at), one.verdict, " ".join(one.findings), one.about)
            for one in found
        ]
        print_rows(("chain", "seq", "when", "verdict", "findings", "about"), rows, format_)
    else:
        print_rows(_COLUMNS, [_row(one) for one in found], format_)
    if found:
        raise typer.Exit(1)


def _row(one: Open) -> tuple[object, ...]:
    told = " ".join(one.findings)
    when = one.occurred_at.isoformat()
    return (one.chain, one.seq, one.kind, when, one.system, one.verdict, told, one.about, one.message)


@_program.command("answer")
def answer(
    chain: Annotated[int, typer.Argument(min=0, help="The row's chain.")],
    seq: Annotated[int, typer.Argument(min=0, help="The row's place in it.")],
    verdict: Annotated[Answer, typer.Argument(help="What became of the findings.")],
    text: Annotated[str, typer.Option(help="Why, in words; sealed in the row.")] = "",
    by: Annotated[Role, typer.Option(help="Who answers: a role, no person's name.")] = "dpo",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Answer the findings of one row; the answer becomes a row of its chain.

    Example: ansvar review answer 2 4711 remedied --text "The list was corrected on 3 March"
    """
    from ansvar.accountability.findings import has_findings
    from ansvar.events.control import AnswerFinding, Control
    from ansvar.ledger.position import MAX_PARTITIONS

    if len(text) > MAX_ANSWER:
        refuse(f"--text has {len(text)} characters; at most {MAX_ANSWER} fit")
    directory = DataDirectory(data_dir)
    with opened(directory) as store:
        if not has_findings(store, chain, seq):
            refuse(f"chain {chain} has no row {seq} with findings; see ansvar review list")
    command = Control(uuid4(), AnswerFinding(chain, seq, verdict, text, by))
    # an ingested file's chain is fed by no topic: its answers stand on the chain of the same partition
    processed = asyncio.run(send(directory, lambda _: [(chain % MAX_PARTITIONS, command)]))
    done = "answered" if processed else "to be recorded by the next ansvar up or worker"
    console().print(f"{done}: chain {chain}, seq {seq}: {verdict}")


def register(program: typer.Typer) -> None:
    """Add the group of commands to the program."""
    program.add_typer(_program, name="review")
