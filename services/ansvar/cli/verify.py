"""`ansvar verify`: recompute the ledger and say whether it is what was sealed and signed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ansvar.cli.asking import ask
from ansvar.cli.ledger import opened
from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, Format, FormatOption, console, print_rows
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.accountability.report import Report
    from ansvar.embedded.owning import StackNote


_COLUMNS: Final = ("chain", "rows", "root", "state", "checkpoint", "uncovered")


def verify(
    bundle: Annotated[
        Path | None, typer.Argument(metavar="[BUNDLE.zip]", help="An evidence bundle; verified offline.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="VKEY|FILE",
            help="Of a bundle: its log's key, or a file of keys, which you have from elsewhere. Repeatable.",
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of a bundle: a C2SP tlog-policy of witnesses to demand."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole report as one JSON object.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Recompute every row, by SQL, whatever was verified before.")
    ] = False,
    anchor: Annotated[
        list[Path] | None,
        typer.Option(
            "--anchor",
            metavar="FILE",
            help="A file of checkpoints that you kept. May be given several times.",
            show_default="those in DIR/anchors",
        ),
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Recompute leaves, links and Merkle trees from the raw rows, and compare them with every checkpoint.

    A ledger of up to 2,000,000 rows is recomputed whole, by SQL inside ClickHouse and independently in
    Python; a larger one from its last verification on, which is signed. Prints chain, seq and kind of what
    does not hold, and exits with 1. While a stack runs on the data directory, it is asked to do it.

    An evidence bundle needs no ledger, no network and no data directory, only the keys of its logs.

    Example: ansvar verify --full --json

    Example: ansvar verify case.zip --key log-0.vkey
    """
    if bundle is not None:
        from ansvar.cli.verify_bundle import verify_bundle

        if full or anchor or data_dir != DEFAULT_DATA_DIR or format_ is not Format.TABLE:
            raise typer.BadParameter(
                "--full, --anchor, --data-dir and --format go with a ledger, not with an evidence bundle"
            )
        raise typer.Exit(verify_bundle(bundle, key or [], policy, as_json))
    if key or policy is not None:
        raise typer.BadParameter(
            "--key and --policy go with an evidence bundle: ansvar verify case.zip --key VKEY"
        )
    from ansvar.accountability.report import fault_lines, to_json

    report = _report(DataDirectory(data_dir), full, anchor or [])
    if as_json:
        sys.stdout.write(json.dumps(to_json(report), indent=2) + "\n")
    else:
        rows = [(c.chain, c.rows, c.root, c.state, c.checkpoint, c.uncovered) for c in report.chains]
        print_rows(_COLUMNS, rows, format_)
    for line in (*fault_lines(report), *report.remarks):
        sys.stderr.write(line + "\n")
    if not report.chains:
        sys.stderr.write("the ledger has no row yet: ansvar up processes what was emitted\n")
    elif not report.intact:
        sys.stderr.write(
            "rows counts those before a chain's first fault; root is that of the tree over them\n"
        )
    if not report.intact:
        raise typer.Exit(1)


def _report(directory: DataDirectory, full: bool, anchors: list[Path]) -> Report:
    from ansvar.accountability.verification import rows_total
    from ansvar.embedded.checked import verified
    from ansvar.embedded.stack import running_stack
    from ansvar.settings import settings

    note = running_stack(directory)
    if note is not None:
        return _asked(note, full, anchors)
    chosen = settings()
    with opened(directory) as store, _bar() as bar:
        task = bar.add_task("", total=rows_total(store))
        seen: dict[int, int] = {}

        def advance(chain: int, rows: int) -> None:
            seen[chain] = rows
            bar.update(task, completed=sum(seen.values()))

        return verified(directory, chosen, store, advance, full=full, anchors=anchors)


def _bar() -> Progress:
    return Progress(
        TextColumn("verifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def _asked(note: StackNote, full: bool, anchors: list[Path]) -> Report:
    """Let the running stack verify."""
    from urllib.parse import urlencode

    import msgspec

    from ansvar.accountability.report import from_json
    from ansvar.embedded.errors import EmbeddedError

    query = urlencode([("full", str(full).lower()), *[("anchor", str(path.resolve())) for path in anchors]])
    try:
        return from_json(ask(note, f"/v1/verify?{query}"))
    except msgspec.ValidationError as error:
        raise EmbeddedError(
            f"the running stack gave an answer that cannot be read ({error}); is it another version?"
        ) from error


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("verify")(verify)
