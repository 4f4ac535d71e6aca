"""Options that several commands share, and how they print."""

from __future__ import annotations

import csv
import json
import logging
import sys
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from ansvar.directory import DataDirectory
from ansvar.policy.rule import Language
from ansvar.sample import SAMPLE_BUNDLE

DataDir = Annotated[Path, typer.Option("--data-dir", metavar="DIR", help="Where everything is kept.")]
_LOG_BYTES, _LOGS_KEPT = 10 << 20, 5

DEFAULT_DATA_DIR = Path(".ansvar")
Bundle = Annotated[
    Path,
    typer.Option(
        "--bundle",
        metavar="DIR",
        help="The policy bundle that a new deployment starts with.",
        show_default="the sample company's",
    ),
]
DEFAULT_BUNDLE = SAMPLE_BUNDLE


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


LangOption = Annotated[Language, typer.Option("--lang", help="The language of labels and titles.")]
FormatOption = Annotated[Format, typer.Option("--format", help="How rows are printed.")]


def console(*, stderr: bool = False) -> Console:
    """Where a person reads: colour only on a terminal, width of the terminal or 100."""
    width = None if (sys.stderr if stderr else sys.stdout).isatty() else 100
    return Console(stderr=stderr, width=width, highlight=False, markup=False)  # a path may hold brackets


def print_rows(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], format_: Format, title: str = ""
) -> None:
    """Print rows in the chosen format on standard output."""
    if format_ is Format.JSON:
        for row in rows:
            sys.stdout.write(json.dumps(dict(zip(columns, row, strict=True)), default=str) + "\n")
        return
    if format_ is Format.CSV:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(rows)
        return
    table = Table(title=title or None, title_justify="left", title_style="bold")
    for column in columns:
        numeric = bool(rows) and all(isinstance(row[columns.index(column)], int) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    console().print(table)


def refuse(message: str) -> NoReturn:
    """One line on standard error, and the exit code for wrong use or bad input."""
    typer.echo(f"ansvar: {' '.join(message.split())}", err=True)
    raise typer.Exit(2)


def time_of(text: str, option: str) -> datetime:
    """The time that an option gives; one without an offset, or no time at all, ends the command."""
    try:
        at = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        at = None
    if at is None or at.tzinfo is None:
        refuse(f"{option} is not an RFC 3339 time with offset, such as 2026-03-02T12:00:00Z")
    return at


def log_to(directory: DataDirectory) -> None:
    """Everything goes to a log file; what a person must know also to standard error."""
    directory.make()
    whole = RotatingFileHandler(directory.logs / "ansvar.log", maxBytes=_LOG_BYTES, backupCount=_LOGS_KEPT)
    whole.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    urgent = logging.StreamHandler()
    urgent.setLevel(logging.WARNING)
    urgent.addFilter(logging.Filter("ansvar"))
    urgent.setFormatter(logging.Formatter("ansvar: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[whole, urgent], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it names every request to a witness
