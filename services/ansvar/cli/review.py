"""`ansvar review`: findings that wait for an answer, and the data protection officer's answers."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Literal
from uuid import uuid4

import typer

from ansvar.cli.options import (
    DEFAULT_BUNDLE,
    DEFAULT_DATA_DIR,
    DataDir,
    Format,
    FormatOption,
    console,
    print_rows,
)
from ansvar.cli.policy.reading import Ledger
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
    found = Ledger(DataDirectory(data_dir)).open_findings(severity, limit)
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
    directory = DataDirectory(data_dir)
    if chain not in {policy.chain for policy in Ledger(directory).in_force()}:
        raise typer.BadParameter(f"chain {chain} is not fed from Kafka here; only its chains can be answered")
    asyncio.run(_send(directory, chain, seq, verdict, text, by))
    console().print(f"answered: chain {chain}, seq {seq}: {verdict}")


async def _send(directory: DataDirectory, chain: int, seq: int, verdict: Answer, text: str, by: str) -> None:
    from ansvar.embedded.reaching import reached
    from ansvar.emitter.commanding import send_commands
    from ansvar.emitter.kit import ProducerKit
    from ansvar.events.control import AnswerFinding, Control
    from ansvar.initiation import CONTROL_PRODUCER
    from ansvar.settings import settings
    from ansvar.vault import keyring

    say = console(stderr=True).print
    async with reached(directory, settings(), DEFAULT_BUNDLE, say) as there:
        kit = ProducerKit.read(keyring.kit_path(directory.keys, CONTROL_PRODUCER))
        command = Control(uuid4(), AnswerFinding(chain, seq, verdict, text, by))
        await send_commands(kit, there.kafka, [(chain, command)])
        if not there.processed:
            sys.stderr.write("nothing is running here: ansvar up (or worker) will record it\n")


def register(program: typer.Typer) -> None:
    """Add the group of commands to the program."""
    program.add_typer(_program, name="review")
