"""Art. 12(3): a month to answer, three when extended in time and with a reason, past days off."""

from __future__ import annotations

from typing import Any

import pytest

from ansvar.events.model import Event
from boundaries import begins
from judging import RuleCase, fires, just_before, rights, silent

LATE, EXTENSION = "rights.late", "rights.extension_late"


def access(phase: str, when: str, request: str = "R1", **changes: Any) -> Event:
    told = {"recipient": "mailing-house"} if phase == "recipients_notified" else {}
    return rights("access", phase, when, request, **told, **changes)


def asked(when: str, **changes: Any) -> Event:
    return access("received", when, **changes)


def answer(when: str, phase: str = "fulfilled", right: str = "access") -> Event:
    return rights(right, phase, when, reason="as the law says")


def extended(when: str, reason: str | None = "many records") -> Event:
    return access("extended", when, reason=reason)


# Day of receipt, the last day, and the day after it (at which 24:00 of the last day is).
DEADLINES = [
    ("2026-03-02", "2026-04-02", "2026-04-03"),
    ("2026-03-02 23:59:59.999999", "2026-04-02", "2026-04-03"),
    ("2026-03-03 00:00", "2026-04-07", "2026-04-08"),  # Good Friday to Easter Monday
    ("2025-01-31", "2025-02-28", "2025-03-01"),
    ("2026-01-31", "2026-03-02", "2026-03-03"),  # a Saturday in February
    ("2024-01-31", "2024-02-29", "2024-03-01"),  # a leap day
    ("2024-02-29", "2024-04-02", "2024-04-03"),  # Easter again
    ("2026-05-19", "2026-06-22", "2026-06-23"),  # Midsummer Eve
    ("2025-11-24", "2025-12-29", "2025-12-30"),  # Christmas Eve to a Sunday
    ("2025-11-30", "2025-12-30", "2025-12-31"),
    ("2025-12-01", "2026-01-02", "2026-01-03"),
    ("2026-09-30", "2026-10-30", "2026-10-31"),  # summer time ends on the way
    ("2026-02-27", "2026-03-27", "2026-03-28"),
]
EXTENDED_DEADLINES = [
    ("2026-03-02", "2026-06-02", "2026-06-03"),
    ("2025-11-30", "2026-03-02", "2026-03-03"),  # 28 February is a Saturday
    ("2023-11-30", "2024-02-29", "2024-03-01"),
    ("2026-03-19", "2026-06-22", "2026-06-23"),  # Midsummer Eve
]

ANSWERS = [
    *(
        case
        for received, last, after in DEADLINES
        for case in (
            silent(LATE, f"received {received}, on the day", answer(last + " 09:00"), asked(received)),
            silent(LATE, f"received {received}, last instant", answer(just_before(after)), asked(received)),
            fires(LATE, f"received {received}, at midnight", answer(after), asked(received)),
            fires(LATE, f"received {received}, next day", answer(after + " 09:00"), asked(received)),
        )
    ),
    *(
        case
        for received, last, after in EXTENDED_DEADLINES
        for case in (
            silent(
                LATE, f"extended, {received}, on the day", answer(last), asked(received), extended(received)
            ),
            silent(
                LATE,
                f"extended, {received}, last instant",
                answer(just_before(after)),
                asked(received),
                extended(received),
            ),
            fires(
                LATE, f"extended, {received}, at midnight", answer(after), asked(received), extended(received)
            ),
        )
    ),
    *(
        fires(LATE, right, answer("2026-04-03", right=right), rights(right, "received", "2026-03-02"))
        for right in ("access", "rectification", "restriction", "erasure", "portability", "objection")
    ),
    fires(LATE, "refused", answer("2026-04-03", "refused"), asked("2026-03-02")),
    silent(LATE, "refused in time", answer("2026-04-02", "refused"), asked("2026-03-02")),
    silent(
        LATE,
        "a complaint",
        answer("2027-04-03", right="complaint"),
        rights("complaint", "received", "2026-03-02"),
    ),
    *(
        silent(LATE, phase, access(phase, "2026-09-01"), asked("2026-03-02"))
        for phase in ("received", "identified", "extended", "withdrawn", "recipients_notified")
    ),
    silent(LATE, "never received", answer("2026-04-03")),
    silent(LATE, "another request", answer("2026-04-03"), access("received", "2026-03-02", "R2")),
    silent(LATE, "another right", answer("2026-04-03"), rights("erasure", "received", "2026-03-02")),
    fires(
        LATE,
        "received twice, the first counts",
        answer("2026-04-03"),
        asked("2026-03-20"),
        asked("2026-03-02"),
    ),
    silent(
        LATE,
        "withdrawn and made anew",
        answer("2026-04-03"),
        asked("2026-03-02"),
        access("withdrawn", "2026-03-05"),
        asked("2026-03-10"),
    ),
    fires(
        LATE,
        "withdrawn and answered all the same",
        answer("2026-04-03"),
        asked("2026-03-02"),
        access("withdrawn", "2026-03-05"),
    ),
    fires(LATE, "a second answer", answer("2026-04-03"), asked("2026-03-02"), answer("2026-03-05")),
    fires(
        LATE,
        "the receipt arrived last",
        answer("2026-04-03"),
        access("identified", "2026-03-03"),
        asked("2026-03-02"),
    ),
    # Only an extension with a reason and in the first month counts.
    silent(
        LATE,
        "extended in the last instant",
        answer("2026-06-02"),
        asked("2026-03-02"),
        extended(just_before("2026-04-03")),
    ),
    fires(LATE, "extended at midnight", answer("2026-06-02"), asked("2026-03-02"), extended("2026-04-03")),
    fires(
        LATE,
        "extended without a reason",
        answer("2026-06-02"),
        asked("2026-03-02"),
        extended("2026-03-10", None),
    ),
    silent(
        LATE,
        "extended without and with a reason",
        answer("2026-06-02"),
        asked("2026-03-02"),
        extended("2026-03-10", None),
        extended("2026-03-11"),
    ),
    fires(
        LATE,
        "extended before it was received",
        answer("2026-06-02"),
        asked("2026-03-02"),
        extended("2026-03-01"),
    ),
    fires(
        LATE,
        "another request extended",
        answer("2026-06-02"),
        asked("2026-03-02"),
        access("extended", "2026-03-10", "R2", reason="many records"),
    ),
    silent(
        LATE, "extended, arrived first", answer("2026-06-02"), extended("2026-03-10"), asked("2026-03-02")
    ),
    silent(
        LATE,
        "a first month past Easter",
        answer("2026-06-03"),
        asked("2026-03-03"),
        extended("2026-04-07 23:00"),
    ),
    fires(
        LATE,
        "a first month past Easter, day after",
        answer("2026-06-03"),
        asked("2026-03-03"),
        extended("2026-04-08"),
    ),
]

EXTENSIONS = [
    *(
        case
        for received, last, after in DEADLINES
        for case in (
            silent(EXTENSION, f"received {received}, on the day", extended(last), asked(received)),
            silent(
                EXTENSION, f"received {received}, last instant", extended(just_before(after)), asked(received)
            ),
            fires(EXTENSION, f"received {received}, at midnight", extended(after), asked(received)),
        )
    ),
    fires(EXTENSION, "without a reason", extended("2026-03-10", None), asked("2026-03-02")),
    fires(EXTENSION, "without a reason, never received", extended("2026-03-10", None)),
    silent(EXTENSION, "with a reason, never received", extended("2026-03-10")),
    silent(EXTENSION, "another phase", access("identified", "2027-01-01"), asked("2026-03-02")),
    fires(
        EXTENSION,
        "again, after the first month",
        extended("2026-04-10"),
        asked("2026-03-02"),
        extended("2026-03-10"),
    ),
]

CASES = ANSWERS + EXTENSIONS

# By the day; those of receipt hold leap days and the last of January.
CASES += [
    case
    for received, _, after in DEADLINES
    for rule, make in ((LATE, answer), (EXTENSION, extended))
    for case in begins(rule, f"received {received}, by the day", after, make, asked(received))
]
CASES += [
    case
    for received, _, after in EXTENDED_DEADLINES
    for case in begins(
        LATE, f"extended, {received}, by the day", after, answer, asked(received), extended(received)
    )
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            fires(LATE, "", answer("2026-04-08"), asked("2026-03-03")),
            "fulfilled at 2026-04-08 00:00, received 2026-03-03, last day 2026-04-07",
        ),
        (
            fires(LATE, "", answer("2026-06-03", "refused"), asked("2026-03-02"), extended("2026-03-10")),
            "refused at 2026-06-03 00:00, received 2026-03-02, extended, last day 2026-06-02",
        ),
        (
            fires(EXTENSION, "", extended("2026-04-08", None), asked("2026-03-03")),
            "extended at 2026-04-08 00:00, received 2026-03-03, last day 2026-04-07, no reason stated",
        ),
    ],
    ids=["late", "late though extended", "late extension"],
)
def test_messages_state_the_days(case: RuleCase, message: str) -> None:
    finding = case.check()
    assert finding is not None
    assert finding.message == message
