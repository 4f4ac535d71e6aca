"""`ansvar explain`: why an event was judged as it was, rule by rule."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from ansvar.cli.ledger import opened
from ansvar.cli.options import DEFAULT_DATA_DIR, DataDir, Format, FormatOption, LangOption, refuse
from ansvar.cli.swedish import SWEDISH
from ansvar.directory import DataDirectory

if TYPE_CHECKING:
    from ansvar.accountability.circumstances import Fact
    from ansvar.accountability.explaining import Explanation
    from ansvar.policy.rule import Language
    from ansvar.store.client import Store


def explain(
    event: Annotated[
        str,
        typer.Argument(
            metavar="EVENT_ID|CHAIN/SEQ", help="The id that the event was sent with, or its row's place."
        ),
    ],
    lang: LangOption = "en",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    format_: FormatOption = Format.TABLE,
) -> None:
    """Print the facts that decided a verdict, and what every rule of its engine said.

    The row, the subject's state and the register entries are told as of the time of the event; times are
    Stockholm's (in JSON: UTC). Findings are in English; titles and labels are in the chosen language. With
    --format json one object a row.

    Example: ansvar explain 019c0000-0000-7000-8000-000000000004 --lang sv
    """
    if format_ is Format.CSV:
        raise typer.BadParameter("an explanation is no single table; choose table or json")
    from ansvar.accountability.explaining import to_json

    found = 0
    with opened(DataDirectory(data_dir)) as store:
        for explanation in _explanations(store, event, lang):
            found += 1
            if format_ is Format.JSON:
                sys.stdout.write(json.dumps(to_json(explanation), ensure_ascii=False) + "\n")
            else:
                _print(explanation, lang)
            if not explanation.agrees:
                place = f"chain {explanation.chain}, seq {explanation.seq}"
                sys.stderr.write(f"{place}: judged again, the row's verdict differs; run ansvar verify\n")
    if not found:
        refuse(f"no row of this ledger judges an event with the id or place {event}")


def _explanations(store: Store, event: str, lang: Language) -> Iterator[Explanation]:
    """Every row that judges that event, in the order of chains."""
    from ansvar.accountability.explaining import explain as explained
    from ansvar.enforcement.replaying import judged_again
    from ansvar.enforcement.wiring import as_recorded
    from ansvar.store.ledger import LedgerStore

    ledger = LedgerStore(store)
    judge, claims = as_recorded(store)
    for chain, seq in _places(store, event):
        again = judged_again(ledger, chain, seq, judge, claims)
        if again is not None:
            bundle, _ = judge(again.row.policy, again.row.engine)
            yield explained(again, bundle, again.scope, lang)


def _places(store: Store, event: str) -> list[tuple[int, int]]:
    """Where the rows of an event stand; it is named by its id, or by the place itself."""
    place = re.fullmatch(r"(\d{1,9})/(\d{1,18})", event)
    if place is not None:
        return [(int(place[1]), int(place[2]))]
    try:
        event_id = UUID(event)
    except ValueError:
        refuse("that is neither an event's id (a UUID) nor a row's place such as 2/4711")
    found = store.query(
        "SELECT chain, seq FROM {database}.ledger WHERE event_id = {id:UUID} AND verdict != '' "
        "ORDER BY chain, seq",
        {"id": str(event_id)},
    )
    return [(chain, seq) for chain, seq in found]


def _print(one: Explanation, lang: Language) -> None:
    """Lines for a person: the verdict, then fact by fact, then rule by rule."""
    from ansvar.policy.case import moment

    lines = [
        f"{_say('event', lang)}: {one.event_id} ({_say('chain', lang)} {one.chain}, seq {one.seq})",
        f"{_say('occurred', lang)}: {moment(one.occurred_at)}",
        f"{_say('recorded', lang)}: {moment(one.recorded_at)}",
        f"{_say('policy', lang)}: {one.policy_name}, {one.policy}",
        f"{_say('engine', lang)}: {one.engine}",
        f"{_say('judged', lang)}: {_say(one.recorded, lang)}",
    ]
    part = ""
    for fact in one.facts:
        if fact.part != part:
            part = fact.part
            lines += ["", _say(part, lang)]
        lines.append("  " + _fact(fact, lang))
    lines += ["", _say("rules", lang)]
    for rule in one.rules:
        answer = _say(rule.answer, lang)
        if rule.severity is not None:
            answer = f"{answer} ({_say(rule.severity, lang)})"
        lines.append(f"  {answer}: {rule.rule}, {rule.clause}; {rule.article}: {rule.title}")
        lines += [f"    {message}" for message in rule.messages]
    sys.stdout.write("\n".join(lines) + "\n")


def _fact(fact: Fact, lang: Language) -> str:
    """`name: what (from ..., until ...; held then: yes)`."""
    from ansvar.policy.case import moment

    what = SWEDISH.get(fact.what, fact.what) if lang == "sv" and fact.part == "state" else fact.what
    dates = [
        f"{_say(name, lang)} {moment(at)}"
        for name, at in (("from", fact.since), ("until", fact.until))
        if at is not None
    ]
    more = [", ".join(dates)] if dates else []
    if fact.holds is not None:
        more.append(f"{_say('held_then', lang)}: {_say('yes' if fact.holds else 'no', lang)}")
    return f"{_say(fact.name, lang)}: {what}" + (f" ({'; '.join(more)})" if more else "")


def _say(word: str, lang: Language) -> str:
    return SWEDISH.get(word, word) if lang == "sv" else word.replace("_", " ")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("explain")(explain)
