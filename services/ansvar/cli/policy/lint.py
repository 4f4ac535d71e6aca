"""`ansvar policy lint`: look a policy bundle through for what a data protection officer would change.

Invariants: exit code 0 is nothing as grave as --fail-on, 1 is something, 2 is wrong use or a bundle that
cannot be read; the findings are on standard output alone, in one format.

Not handled here: the checks (`policy.lint`), the problems of a bundle that cannot be read (`policy.errors`).
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from ansvar.cli.options import console
from ansvar.sample import SAMPLE_BUNDLE

if TYPE_CHECKING:
    from ansvar.policy.lint import Finding


class Form(StrEnum):
    """How findings are printed."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"


class Tongue(StrEnum):
    """The language of the findings."""

    EN = "en"
    SV = "sv"


class Grave(StrEnum):
    """From which severity on the command fails."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


_HEADS = {
    "en": ("severity", "clause", "finding", "where"),
    "sv": ("allvar", "punkt", "fynd", "var"),
}
_LEVELS = {
    "en": {"error": "error", "warning": "warning", "note": "note"},
    "sv": {"error": "fel", "warning": "varning", "note": "notis"},
}


def lint(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The policy bundle.", show_default="the sample company's")
    ] = SAMPLE_BUNDLE,
    form: Annotated[Form, typer.Option("--format", help="How findings are printed.")] = Form.TABLE,
    lang: Annotated[Tongue, typer.Option("--lang", help="The language of the findings.")] = Tongue.EN,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", metavar="DATE", help="The day as of which the policy is judged.", show_default="today"
        ),
    ] = None,
    fail_on: Annotated[
        Grave, typer.Option("--fail-on", help="From which severity on the exit code is 1.")
    ] = Grave.ERROR,
) -> None:
    """Look a policy through: against the law's own lists, the company's registers, and time.

    Example: ansvar policy lint policy/ --format sarif > lint.sarif
    """
    from ansvar.policy.canonical import canonical
    from ansvar.policy.lint import lint as look_through
    from ansvar.policy.lint import reaching
    from ansvar.policy.loader import read_source

    day = _today() if as_of is None else _day(as_of)
    source = read_source(canonical(directory))
    findings = look_through(source, day)
    if form is Form.TABLE:
        _print_table(findings, lang.value)
    elif form is Form.JSON:
        _print_json(_report(findings, lang.value, day, source.sha256))
    else:
        _print_json(_sarif(findings, lang.value, day, source.sha256, directory))
    counts = Counter(finding.level for finding in findings)
    sys.stderr.write(", ".join(_count(counts[level.value], level.value) for level in Grave))
    sys.stderr.write(f" as of {day}\n")
    if reaching(findings, fail_on.value):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("lint")(lint)


def _print_table(findings: tuple[Finding, ...], lang: str) -> None:
    if not findings:
        return
    table = Table(show_lines=True)
    severity, clause, what, where = _HEADS[lang]
    table.add_column(severity, no_wrap=True)
    table.add_column(clause, max_width=10)
    table.add_column(what, overflow="fold")
    table.add_column(where, max_width=26, overflow="fold")
    for finding in findings:
        text = f"{finding.message[lang]} ({finding.article})\n→ {finding.remedy[lang]}"
        place = f"{finding.file}:{finding.line}\n{finding.field}"
        table.add_row(_LEVELS[lang][finding.level], finding.clause, f"{finding.check}\n{text}", place)
    console().print(table)


def _report(findings: tuple[Finding, ...], lang: str, day: date, policy: bytes) -> dict[str, Any]:
    rows = [
        {
            "check": finding.check,
            "severity": finding.level,
            "clause": finding.clause,
            "article": finding.article,
            "message": finding.message[lang],
            "remedy": finding.remedy[lang],
            "file": finding.file,
            "line": finding.line,
            "field": finding.field,
        }
        for finding in findings
    ]
    return {"policy": policy.hex(), "as_of": day.isoformat(), "findings": rows}


def _sarif(
    findings: tuple[Finding, ...], lang: str, day: date, policy: bytes, directory: Path
) -> dict[str, Any]:
    from importlib import metadata

    from ansvar.policy.lint.sarif import to_sarif

    return to_sarif(
        findings,
        root=_uri(directory),
        language="sv" if lang == "sv" else "en",
        as_of=day,
        policy=policy,
        version=metadata.version("ansvar"),
    )


def _uri(directory: Path) -> str:
    """The bundle's place as seen from the working directory (a repository's root, in CI), else in full."""
    whole = directory.resolve()
    if whole.is_relative_to(Path.cwd()):
        relative = whole.relative_to(Path.cwd()).as_posix()
        return "" if relative == "." else quote(relative)
    return whole.as_uri()


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _today() -> date:
    from ansvar.policy.calendar import stockholm_date

    return stockholm_date(datetime.now(UTC))


def _day(text: str) -> date:
    import msgspec

    try:
        return msgspec.convert(text, date)
    except msgspec.ValidationError:
        raise typer.BadParameter("--as-of is not a date as YYYY-MM-DD, such as 2026-03-02") from None
