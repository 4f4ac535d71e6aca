"""What a clock is: a rule that the passing of time makes fire, not an event; and what it reports.

Invariants: a clock is immutable. A finding's `key` follows from the facts that began it and never from the
time of asking, so a sweep that runs again finds the same finding under the same key. Neither key nor message
holds an identifier of a person: a key is a hash, and unique within one subject (or the deployment, where the
clock is not about a subject).

Not handled here: the clocks themselves, and which findings are recorded already (the sweep).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from hashlib import sha256

from msgspec import Struct

from ansvar.events.model import Right
from ansvar.policy.bundle import Bundle
from ansvar.policy.verdict import Severity

_KEY_DIGITS = 32  # hexadecimal: 128 bits


class Clock(Struct, frozen=True):
    """One line of the policy that time alone can break. Fields as those of `rule.Rule`."""

    id: str
    clause: str
    article: str
    severity: Severity
    title_en: str
    title_sv: str
    meaning: str  # what the clause or article asks, in plain words

    def switched_off(self, bundle: Bundle) -> bool:
        """Whether the bundle does not want to hear of it."""
        return bundle.severities.get(self.id) == "off"


class About(Struct, frozen=True):
    """What a finding is about, so that the sweep can name a row. What does not apply is None."""

    at: datetime | None = None  # `occurred_at` of the row whose passing set the clock going
    right: Right | None = None
    request: bytes | None = None  # the key under which the state holds the request
    recipient: str | None = None
    row: tuple[int, int] | None = None  # chain and seq, where the row itself was asked about


class ClockFinding(Struct, frozen=True):
    """A clock that has run out, or soon will."""

    rule: str
    clause: str
    article: str
    severity: Severity
    message: str
    since: datetime  # from when it holds
    key: str  # the same on every run
    about: About = About()


def finding(
    clock: Clock,
    bundle: Bundle,
    message: str,
    since: datetime,
    parts: tuple[str | bytes | int | datetime, ...],
    about: About,
    severity: Severity | None = None,
) -> ClockFinding:
    """A finding with a key made of `parts`. The bundle's switch outranks `severity`, that the clock's own."""
    chosen = bundle.severities.get(clock.id) or severity or clock.severity
    graveness: Severity = "deny" if chosen == "deny" else "flag"
    return ClockFinding(
        clock.id, clock.clause, clock.article, graveness, message, since, _key(clock.id, parts), about
    )


def ordered(findings: list[ClockFinding]) -> list[ClockFinding]:
    """Findings of one clock in an order that does not depend on what arrived first."""
    return sorted(findings, key=lambda found: (found.since, found.key))


def shifted(day: date, days: int) -> date:
    """The day so many days later (or earlier), saturating at the ends of the calendar."""
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))


def _key(rule: str, parts: tuple[str | bytes | int | datetime, ...]) -> str:
    digest = sha256()
    for part in parts:
        written = _written(part)
        digest.update(len(written).to_bytes(4, "big") + written)
    return f"{rule}:{digest.hexdigest()[:_KEY_DIGITS]}"


def _written(part: str | bytes | int | datetime) -> bytes:
    if isinstance(part, bytes):
        return part
    if isinstance(part, datetime):
        return part.astimezone(UTC).isoformat().encode()
    return str(part).encode()
