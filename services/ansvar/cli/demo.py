"""`ansvar demo`: the main job end to end, told to a person."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, console, log_to
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.embedded.demonstration import Outcome, Steps

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
    findings with those planted; answers some questions; verifies. Repeating it adds nothing but duplicates.

    Example: ansvar demo --events 5000 --seed 7
    """
    from ansvar.embedded.demonstration import Mark, claim
    from ansvar.settings import settings

    directory = DataDirectory(data_dir)
    chosen = settings()
    mark = Mark(events, seed, 2025)
    claim(directory, mark)
    log_to(directory)
    if not asyncio.run(_demo(directory, chosen, mark, serve)):
        raise typer.Exit(1)


async def _demo(directory: DataDirectory, settings: object, mark: object, serve: bool) -> bool:
    from ansvar.embedded.demonstration import demonstrated

    out = console()
    with _Bars() as bars:
        async with demonstrated(
            directory,
            settings,  # type: ignore[arg-type]
            mark,  # type: ignore[arg-type]
            bars.steps(),
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
    for answer in outcome.answers:
        answered = Table(title=f"\n{answer.question}", title_justify="left", title_style="bold")
        for column in answer.columns:
            answered.add_column(column)
        for row in answer.rows:
            answered.add_row(*map(str, row))
        out.print(answered)
    _summarise(outcome)


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


class _Bars:
    """Sentences as they come, and one bar for what can be counted; plain lines where there is no terminal."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._out = console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._out,
            disable=not self._terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the terminal to others."""
        self._progress.stop()

    def steps(self) -> Steps:
        """What the demonstration calls."""
        from ansvar.embedded.demonstration import Steps

        return Steps(self._out.print, self._count)

    def _count(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
            if not self._terminal:
                self._out.print(f"{what} …")
        self._progress.update(self._tasks[what], completed=done, total=total)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("demo")(demo)
