"""Clause 2.5: where data come from, and whether the person was told."""

from __future__ import annotations

from typing import Any

import pytest

from ansvar.events.model import Event
from judging import NOW, RuleCase, disclose, fires, process, silent

OTHERS = ("partner", "public_register", "activity")


def came(source: str, **changes: Any) -> Event:
    """Data collected from somebody."""
    return process("collect", source=source, **changes)


CASES = [
    *(fires("source.uninformed", f"{source}, not stated", came(source)) for source in OTHERS),
    *(
        fires("source.uninformed", f"{source}, not told", came(source, subject_informed=False))
        for source in OTHERS
    ),
    *(
        silent("source.uninformed", f"{source}, told", came(source, subject_informed=True))
        for source in OTHERS
    ),
    fires(
        "source.uninformed",
        "for a customer of ours too",
        came("partner", role="processor", controller="Alfa AB"),
    ),
    silent("source.uninformed", "the subject's own", came("data_subject", subject_informed=False)),
    silent("source.uninformed", "no source", process("collect")),
    silent("source.uninformed", "another operation", process("use", source="partner")),
    fires("source.missing", "no source", process("collect")),
    fires("source.missing", "though the subject was informed", process("collect", subject_informed=True)),
    fires("source.missing", "a name is no source", process("collect", source_name="Alfa AB")),
    *(silent("source.missing", source, came(source)) for source in ("data_subject", *OTHERS)),
    silent("source.missing", "another operation", process("store")),
    silent("source.missing", "a disclosure", disclose()),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


@pytest.mark.parametrize(("told", "word"), [(None, "not stated"), (False, "no")])
def test_messages_state_the_facts(told: bool | None, word: str) -> None:
    finding = fires("source.uninformed", "", came("partner", subject_informed=told)).check()
    assert finding is not None
    assert finding.message == f"collect at {NOW} from partner, the subject was informed: {word}"
