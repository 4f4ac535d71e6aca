"""When events are said to have happened, against when they were recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.policy.bundle import PROFILES, Settings
from ansvar.policy.decide import decide
from ansvar.policy.state import SubjectState
from ansvar.sample import sample_bundle
from boundaries import begins, ends
from judging import (
    NOW,
    RuleCase,
    at,
    changed,
    contract,
    disclose,
    fires,
    just_before,
    process,
    rights,
    silent,
    transfer,
)

AHEAD = "2026-03-02 14:05"  # five minutes after NOW
STRICT = changed(settings=PROFILES["strict"])
AT_ONCE = changed(settings=Settings(future_minutes=0, late_days=0))


def just_after(text: str) -> str:
    return (datetime.fromisoformat(text) + timedelta(microseconds=1)).isoformat(" ")


CASES = [
    silent("event.future", "as it happens", process(), recorded=NOW),
    silent("event.future", "at the limit", process(when=AHEAD), recorded=NOW),
    fires("event.future", "beyond the limit", process(when=just_after(AHEAD)), recorded=NOW),
    fires("event.future", "a day ahead", process(when="2026-03-03 14:00"), recorded=NOW),
    fires("event.future", "erasing", process("erase", "2027-01-01"), recorded=NOW),
    silent("event.future", "without a time of recording", process(when="2199-01-01")),
    fires("event.future", "a transfer", transfer(when="2026-03-03"), recorded=NOW),
    fires("event.future", "a disclosure", disclose(when="2026-03-03"), recorded=NOW),
    fires("event.future", "a contract", contract("started", "2026-03-03"), recorded=NOW),
    fires("event.future", "a request", rights("access", "received", "2026-03-03"), recorded=NOW),
    silent("event.future", "no patience, at once", process(), recorded=NOW, bundle=AT_ONCE),
    fires("event.future", "no patience", process(when=just_after(NOW)), recorded=NOW, bundle=AT_ONCE),
    # 400 days before 2 March 2026 is 26 January 2025.
    silent("event.late", "a day within the limit", process(when="2025-01-27 14:00"), recorded=NOW),
    silent("event.late", "at the limit", process(when="2025-01-26 14:00"), recorded=NOW),
    fires("event.late", "beyond the limit", process(when=just_before("2025-01-26 14:00")), recorded=NOW),
    fires("event.late", "a day beyond", process(when="2025-01-25 14:00"), recorded=NOW),
    fires("event.late", "a transfer", transfer(when="2024-01-01"), recorded=NOW),
    fires("event.late", "a disclosure", disclose(when="2024-01-01"), recorded=NOW),
    fires("event.late", "a contract", contract("ended", "2024-01-01"), recorded=NOW),
    fires("event.late", "a request", rights("access", "received", "2024-01-01"), recorded=NOW),
    silent("event.late", "without a time of recording", process(when="2001-01-01")),
    silent("event.late", "ahead", process(when="2026-03-03"), recorded=NOW),
    silent("event.late", "strict, at it", process(when="2026-02-23 14:00"), recorded=NOW, bundle=STRICT),
    fires(
        "event.late",
        "strict, beyond it",
        process(when=just_before("2026-02-23 14:00")),
        recorded=NOW,
        bundle=STRICT,
    ),
    # A day is 24 hours, whatever the clocks do: 2026-03-29 has 23, 2026-10-25 has 25.
    silent(
        "event.late",
        "over the short night",
        process(when="2026-03-23 13:00"),
        recorded="2026-03-30 14:00",
        bundle=STRICT,
    ),
    fires(
        "event.late",
        "over the long night",
        process(when="2026-10-19 14:00"),
        recorded="2026-10-26 14:00",
        bundle=STRICT,
    ),
    silent("event.late", "no patience, at once", process(), recorded=NOW, bundle=AT_ONCE),
    fires("event.late", "no patience", process(when=just_before(NOW)), recorded=NOW, bundle=AT_ONCE),
]

# By the day, a leap day on the way: 400 days before 29 February 2024 is 25 January 2023.
CASES += [
    *ends(
        "event.late",
        "recorded at midnight of a leap day",
        "2023-01-25",
        lambda when: process(when=when),
        recorded="2024-02-29",
    ),
    *begins(
        "event.future",
        "recorded five minutes before midnight of a leap day",
        "2024-03-01",
        lambda when: process(when=when),
        recorded=just_before("2024-02-29 23:55"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def test_messages_state_both_times_and_the_limit() -> None:
    finding = fires("event.future", "", process(when="2026-03-02 14:06"), recorded=NOW).check()
    assert finding is not None
    assert finding.message == "occurred at 2026-03-02 14:06, recorded at 2026-03-02 14:00, limit 5 minutes"
    finding = fires("event.late", "", process(when="2024-02-29"), recorded=NOW).check()
    assert finding is not None
    assert finding.message == "occurred at 2024-02-29 00:00, recorded at 2026-03-02 14:00, limit 400 days"


@given(st.integers(-(10**9), 10**9), st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_limits_are_lengths_of_time(seconds: int, minutes: int, days: int) -> None:
    bundle = replace(sample_bundle(), settings=Settings(future_minutes=minutes, late_days=days))
    event = process(when="2015-06-01")
    recorded = event.occurred_at + timedelta(seconds=seconds)
    verdict = decide(event, SubjectState(), bundle, 2, recorded_at=recorded)
    fired = {finding.rule for finding in verdict.findings}
    assert ("event.future" in fired) == (-seconds > minutes * 60)
    assert ("event.late" in fired) == (seconds > days * 86_400)


@pytest.mark.parametrize("far", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_judged(far: datetime) -> None:
    event = replace(process(), occurred_at=far)
    (finding,) = decide(event, SubjectState(), sample_bundle(), 2, recorded_at=at(NOW)).findings
    assert finding.rule == ("event.late" if far.year == 1 else "event.future")
