"""`ansvar policy show`: what each chain judges by, and what that policy says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, Format, FormatOption, LangOption, print_rows
from ansvar.cli.policy.active import active
from ansvar.cli.policy.checked import checked
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.policy.bundle import Bundle
    from ansvar.policy.clocks import Clock
    from ansvar.policy.rule import Language, Rule

_NOTHING = "no chain has a row yet; the first start of ansvar up or worker founds them"


def show(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A bundle, instead of the one in force.")
    ] = None,
    lang: LangOption = "en",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Print the policy of each chain, and the effective bundle with its clauses.

    Exits with 1 when chains judge by different policies: an activation was cut short; activate it again.

    Example: ansvar policy show --lang sv
    """
    from ansvar.accountability.policies import mixed, to_json

    policies, bundle = (
        active(DataDirectory(data_dir), _NOTHING) if directory is None else ([], checked(directory)[1])
    )
    entries, rules = _entries(bundle, lang), _rules(bundle, lang)
    if format_ is Format.JSON:
        told = {"chains": to_json(policies), "bundle": bundle.sha256.hex(), "name": bundle.name}
        sys.stdout.write(
            json.dumps({**told, "version": bundle.version, "entries": entries, "rules": rules}) + "\n"
        )
    else:
        if policies:
            rows = [(p.chain, p.bundle[:16], p.engine, p.since.isoformat(), p.seq) for p in policies]
            print_rows(("chain", "bundle", "engine", "since", "seq"), rows, format_)
        title = f"{bundle.name} {bundle.version} ({bundle.sha256.hex()[:16]})"
        print_rows(("part", "id", "clause", "what"), [tuple(e.values()) for e in entries], format_, title)
        columns = ("rule or clock", "clause", "severity", "article", "what")
        print_rows(columns, [tuple(rule.values()) for rule in rules], format_)
    if mixed(policies):
        sys.stderr.write("chains judge by different policies; run ansvar policy activate again\n")
        raise typer.Exit(1)


def _entries(bundle: Bundle, lang: Language) -> list[dict[str, Any]]:
    """What the policy declares, clause by clause."""
    parts: tuple[tuple[str, Any], ...] = (
        ("purpose", bundle.purposes.values()),
        ("category", bundle.categories.values()),
        ("legal basis", [basis for basis in bundle.bases.values() if basis.clause is not None]),
    )
    return [
        {"part": part, "id": entry.id, "clause": entry.clause, "what": entry.label.get(lang, "")}
        for part, entries in parts
        for entry in entries
    ]


def _rules(bundle: Bundle, lang: Language) -> list[dict[str, Any]]:
    """Every rule of the newest engine and every clock, with the severity that the bundle's switches give."""
    from ansvar.policy.clocks import CLOCKS
    from ansvar.policy.rules import RULES

    told: tuple[Rule | Clock, ...] = (*RULES, *CLOCKS)
    return [
        {
            "rule": rule.id,
            "clause": rule.clause,
            "severity": bundle.severities.get(rule.id, rule.severity),
            "article": rule.article,
            "what": rule.title_sv if lang == "sv" else rule.title_en,
        }
        for rule in told
    ]


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("show")(show)
