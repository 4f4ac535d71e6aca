"""`ansvar demo`: the main job end to end, told to a person."""

from __future__ import annotations

import asyncio
import signal
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ansvar.cli.bars import Bars
from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, console, log_to
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.embedded.demonstration import Outcome

_PORT = 8080


def demo(
    events: Annotated[
        int, typer.Option(min=260, max=2_000_000, help="How many events the year has.")
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same year, byte for byte.")] = 1,
    serve: Annotated[
        bool, typer.Option("--serve", help=f"Keep the stack and its API (port {_PORT}) running until Ctrl-C.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Send a year of a company's personal-data events through the real thing, and show what comes of it.

    Starts Kafka, worker, store and vault; emits; waits until all is judged, sealed and stored; compares the
    findings with those planted; sweeps for what fell due; lets a law end and sweeps again; answers some
    questions; verifies. The year ends yesterday, or at the end of what the sample company's register covers.
    Repeating the demo keeps its year and adds nothing but duplicates.

    Example: ansvar demo --events 5000 --seed 7
    """
    from ansvar.embedded.demonstration import claim
    from ansvar.policy.calendar import STOCKHOLM
    from ansvar.settings import settings

    directory = DataDirectory(data_dir)
    chosen = settings()
    mark = claim(directory, events, seed, datetime.now(STOCKHOLM).date())
    log_to(directory)
    if not asyncio.run(_demo(directory, chosen, mark, serve)):
        raise typer.Exit(1)


async def _demo(directory: DataDirectory, settings: object, mark: object, serve: bool) -> bool:
    from ansvar.embedded.demonstration import Steps, demonstrated

    out = console()
    with Bars() as bars:
        async with demonstrated(
            directory,
            settings,  # type: ignore[arg-type]
            mark,  # type: ignore[arg-type]
            Steps(bars.say, bars.count),
            port=_PORT if serve else None,
        ) as (outcome, stack):
            bars.stop()
            _tell(outcome)
            if serve:
                out.print(
                    f"\nServing: http://127.0.0.1:{_PORT}/healthz, Kafka {stack.kafka.bootstrap}. "
                    "Ctrl-C stops."
                )
                stop = asyncio.Event()
                for number in (signal.SIGINT, signal.SIGTERM):
                    asyncio.get_running_loop().add_signal_handler(number, stop.set)
                await stop.wait()
    return outcome.as_planted and outcome.report.intact


def _tell(outcome: Outcome) -> None:
    from ansvar.policy.rules import RULES

    out = console()
    table = Table(title="\nPlanted, found, alerted", title_justify="left", title_style="bold")
    for column, justify in (("rule", "left"), ("severity", "left"), ("what it catches", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for column in ("planted", "found", "alerts"):
        table.add_column(column, justify="right")
    for rule in RULES:
        planted, found = outcome.year.planted.get(rule.id, 0), outcome.found.get(rule.id, 0)
        style = None if planted == found else "bold red"
        table.add_row(
            rule.id,
            rule.severity,
            rule.title_en,
            str(planted),
            str(found),
            str(outcome.alerts.get(rule.id, "-")),
            style=style,
        )
    out.print(table)
    out.print("Only a deny raises an alert; some rules flag one case and deny another.", style="dim")
    _tell_clocks(outcome)
    for answer in (*outcome.answers, *outcome.looked_back.answers):
        answered = Table(title=f"\n{answer.question}", title_justify="left", title_style="bold")
        for column in answer.columns:
            answered.add_column(column)
        for row in answer.rows:
            answered.add_row(*map(str, row))
        out.print(answered)
    _summarise(outcome)


def _tell_clocks(outcome: Outcome) -> None:
    """What the passing of time showed; clocks that depend on the register have no planted number."""
    from ansvar.policy.clocks import CLOCKS

    table = Table(title="\nFell due by the end of the year", title_justify="left", title_style="bold")
    for column in ("clock", "severity", "what it catches"):
        table.add_column(column)
    for column in ("planted", "found"):
        table.add_column(column, justify="right")
    planted, found = outcome.year.clocks, outcome.looked_back.clocks
    for clock in CLOCKS:
        number = found.get(clock.id, 0)
        style = None if planted.get(clock.id, number) == number else "bold red"
        expected = str(planted.get(clock.id, "-"))
        table.add_row(clock.id, clock.severity, clock.title_en, expected, str(number), style=style)
    console().print(table)


def _summarise(outcome: Outcome) -> None:
    out = console()
    report = outcome.report
    planted, found = sum(outcome.year.planted.values()), sum(outcome.found.values())
    kinds = ", ".join(f"{number} {kind}" for kind, number in outcome.kinds.items())
    seconds = outcome.whole_seconds
    out.print("\nSummary", style="bold")
    out.print(f"Rows: {kinds}.")
    out.print(
        f"{len(outcome.year.events)} events emitted in {outcome.emit_seconds:.1f} s; judged, sealed and "
        f"stored {seconds:.1f} s after the first ({len(outcome.year.events) / seconds:,.0f} events/s)."
    )
    delay = outcome.alert_delay_ms
    heard = (
        f", {delay:.0f} ms (median) after their events reached Kafka all at once" if delay is not None else ""
    )
    missed = f"; {outcome.unheard} denials NOT HEARD OF" if outcome.unheard else ""
    out.print(f"{sum(outcome.alerts.values())} alerts heard{heard}{missed}.")
    verdict = "equal, event by event" if outcome.wrong == 0 else f"NOT EQUAL on {outcome.wrong} events"
    out.print(f"Planted {planted}, found {found}: {verdict}.")
    if outcome.others:
        out.print(f"{outcome.others} other events are in this ledger too; they are not counted above.")
    chains = len(report.chains)
    state = "intact" if report.intact else "DAMAGED"
    out.print(f"Ledger: {report.rows} rows in {chains} chains, {state}. Check it yourself: ansvar verify")
    out.print(
        f"Checkpoints over {outcome.published} of them are signed, and cosigned by a witness in another "
        "process; the rest follow when the stack stops."
    )


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("demo")(demo)
