"""Clause 6.3: the company's own systems, where they are and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansvar.events.boundary import event_from_object
from ansvar.events.model import Event
from ansvar.policy.bundle import Bundle, Period, System
from boundaries import begins, ends
from judging import (
    NOW,
    RuleCase,
    at,
    changed,
    contract,
    days,
    disclose,
    fires,
    just_before,
    process,
    rights,
    silent,
    transfer,
)


def notice(**changes: Any) -> Event:
    defaults = {"kind": "notice", "occurred_at": at(NOW), "system": "crm", "topic": "policy_version"}
    return event_from_object({**defaults, **changes})


def running(*places: tuple[str, Period]) -> Bundle:
    """The sample bundle with `crm` in these places."""
    return changed(
        systems={"crm": tuple(System("crm", country, False, period=time) for country, time in places)}
    )


EVERY_KIND: dict[str, Callable[..., Event]] = {
    "processing": process,
    "transfer": transfer,
    "disclosure": disclose,
    "rights": lambda **changes: rights("access", "received", NOW, **changes),
    "contract": lambda **changes: contract("started", NOW, **changes),
    "notice": notice,
}


LATER = running(("SE", days("2026-01-01", "2026-06-01")))
MOVED = running(("US", days(None, "2026-01-01")), ("SE", days("2026-01-01")))
BRITISH = running(("GB", days()))
DISPUTED = running(("NC", days()))

CASES = [
    *(
        case
        for kind, make in EVERY_KIND.items()
        for case in (
            fires("system.unregistered", kind, make(system="somewhere")),
            silent("system.unregistered", kind, make(system="billing")),
            fires("system.outside_eea", kind, make(system="legacy_backup")),
            silent("system.outside_eea", kind, make(system="billing")),
            silent("system.outside_eea", f"{kind} of an unknown one", make(system="somewhere")),
        )
    ),
    fires("system.unregistered", "before its dates", process(when=just_before("2026-01-01")), bundle=LATER),
    silent("system.unregistered", "on its first day", process(when="2026-01-01"), bundle=LATER),
    silent(
        "system.unregistered", "in its last moment", process(when=just_before("2026-06-01")), bundle=LATER
    ),
    fires("system.unregistered", "after its dates", process(when="2026-06-01"), bundle=LATER),
    fires("system.unregistered", "erasing", process("erase", system="somewhere")),
    *(
        silent("system.unregistered", f"moved, {when}", process(when=when), bundle=MOVED)
        for when in (just_before("2026-01-01"), "2026-01-01")
    ),
    silent("system.outside_eea", "erasing there", process("erase", system="legacy_backup")),
    fires("system.outside_eea", "rectifying there", process("rectify", system="legacy_backup")),
    fires("system.outside_eea", "until it moved", process(when=just_before("2026-01-01")), bundle=MOVED),
    silent("system.outside_eea", "once it moved", process(when="2026-01-01"), bundle=MOVED),
    silent("system.outside_eea", "inside then", process(when=just_before("2021-06-28")), bundle=BRITISH),
    fires("system.outside_eea", "inside no more", process(when="2021-06-28"), bundle=BRITISH),
    silent(
        "system.outside_eea",
        "outside its dates there is no such system",
        process(when="2025-12-31"),
        bundle=running(("US", days("2026-01-01"))),
    ),
    fires("system.outside_eea", "of disputed status", process(), bundle=DISPUTED, severity="flag"),
]

LEAP = running(("SE", days("2024-02-29", "2025-06-01")))
MOVED_ON_A_LEAP_DAY = running(("US", days(None, "2024-02-29")), ("SE", days("2024-02-29")))
# By the day, also a leap day.
CASES += [
    *ends("system.unregistered", "in use", "2026-01-01", lambda when: process(when=when), bundle=LATER),
    *begins("system.unregistered", "retired", "2026-06-01", lambda when: process(when=when), bundle=LATER),
    *ends(
        "system.unregistered",
        "in use on a leap day",
        "2024-02-29",
        lambda when: process(when=when),
        bundle=LEAP,
    ),
    *ends("system.outside_eea", "moved", "2026-01-01", lambda when: process(when=when), bundle=MOVED),
    *ends(
        "system.outside_eea",
        "moved on a leap day",
        "2024-02-29",
        lambda when: process(when=when),
        bundle=MOVED_ON_A_LEAP_DAY,
    ),
    *begins(
        "system.outside_eea", "inside no more", "2021-06-28", lambda when: process(when=when), bundle=BRITISH
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def test_messages_state_place_and_time() -> None:
    outside = fires("system.outside_eea", "", transfer(system="legacy_backup")).check()
    assert outside is not None
    assert outside.message == (f"transfer at {NOW} in 'legacy_backup', which is in US, outside the EU/EEA")
    unknown = fires("system.unregistered", "", process(system="somewhere")).check()
    assert unknown is not None
    assert unknown.message == f"system 'somewhere' is not in the register of systems at {NOW}"


def test_a_name_that_may_be_a_person_is_not_repeated() -> None:
    finding = fires("system.unregistered", "", process(system="kim.svensson@example.com")).check()
    assert finding is not None
    assert "kim" not in finding.message
