"""Looking back at rows: history that arrived late, and decisions that transfers rest on and that end.

Invariants: pure, one row at a time. An event is what its row says of it. The verdict that the row holds is
not changed; what is found is said beside it. Objections have a clock of their own, so a rule is found by one
of the two clocks of late history, never by both.

Not handled here: finding the rows to look at (the sweep).
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import UTC, datetime

from ansvar.events.model import DisclosureEvent, Event, Right, TransferEvent
from ansvar.policy.bundle import AdequacyDecision, Bundle, Instrument
from ansvar.policy.case import Case, Destination, moment, quoted
from ansvar.policy.clocks.clock import About, Clock, ClockFinding, finding, ordered
from ansvar.policy.clocks.protection import covering
from ansvar.policy.decide import decide
from ansvar.policy.pattern import resolve
from ansvar.policy.rule import USES_OF_DATA
from ansvar.policy.rules.safeguard import instruments_in_force, third_countries
from ansvar.policy.state import SubjectState

_OBJECTION: Right = "objection"
_OF_OBJECTIONS = frozenset({"marketing.objected", "objection.in_force", "objection.overridden"})
_HAPPENED = frozenset({"done", "fail_open"})
# What no history brings about: when and by whom an event was recorded, and that something is not known.
_OF_THE_RECORDING = frozenset({"event.late", "event.future", "producer.out_of_scope"})
_NO_MATTER_OF_HISTORY = _OF_OBJECTIONS | _OF_THE_RECORDING | {"purpose.no_collection_record"}

OBJECTION_RETROACTIVE = Clock(
    "objection.retroactive",
    "4.2, 9.5",
    "GDPR Art. 21",
    "deny",
    "Data were processed in spite of an objection that became known later",
    "Uppgifter behandlades trots en invändning som blev känd senare",
    "An objection holds from its receipt, also for what was recorded before the log heard of it.",
)
HISTORY_RETROACTIVE = Clock(
    "history.retroactive",
    "3.2, 5.2, 8.2, 9.3, Art. 18",
    "GDPR Art. 5(1)(b), 5(1)(e), 6(1), 17(1), 18(2)",
    "deny",
    "Data were used in spite of what became known later",
    "Uppgifter användes trots något som blev känt senare",
    "The end of a contract, an erasure, a restriction and the purpose of a collection count from when they "
    "happened, also for uses that were recorded before the log heard of them.",
)
ADEQUACY_ANNULLED = Clock(
    "adequacy.annulled",
    "6.3",
    "GDPR Art. 45(3), 45(5), 46(1)",
    "flag",
    "A transfer rests on an adequacy decision that ends",
    "En överföring vilar på ett adekvansbeslut som upphör",
    "When an adequacy decision ends, every transfer that rests on it needs another ground or stops.",
)


def retroactive(
    event: Event,
    recorded: Container[str],
    row: tuple[int, int],
    state: SubjectState,
    bundle: Bundle,
    engine: int,
) -> ClockFinding | None:
    """An objection that was in force when a recorded event happened, and that its judgement did not know.

    `recorded` are the rule ids that the row holds, `row` its chain and seq, `state` what is known of the
    subject today; `bundle` and `engine` are those by which the row was judged.
    """
    if (
        OBJECTION_RETROACTIVE.switched_off(bundle)
        or event.kind not in USES_OF_DATA
        or event.stage not in _HAPPENED
        or _OBJECTION not in state.requests
    ):
        return None
    verdict = decide(event, state, bundle, engine, recorded_at=event.occurred_at)
    missed = [f for f in verdict.findings if f.rule in _OF_OBJECTIONS and f.rule not in recorded]
    if not missed:
        return None
    return finding(
        OBJECTION_RETROACTIVE,
        bundle,
        f"{missed[0].message}; the objection was recorded after the event",
        event.occurred_at,
        (*row, missed[0].rule),
        About(event.occurred_at, row=row),
        severity=missed[0].severity,
    )


def overtaken(
    event: Event,
    recorded: Container[str],
    row: tuple[int, int],
    state: SubjectState,
    bundle: Bundle,
    engine: int,
    in_force: Bundle,
    *,
    own_request: bool = False,
) -> list[ClockFinding]:
    """The rules that a recorded use of data breaks by history that arrived after it, one finding a rule.

    As `retroactive`, for all history but objections; `own_request` is as the row has it. `in_force` is the
    bundle of today, whose switch of the clock counts: the row's own may never have heard of it.
    """
    if (
        HISTORY_RETROACTIVE.switched_off(in_force)
        or event.kind not in USES_OF_DATA
        or event.stage not in _HAPPENED
    ):
        return []
    verdict = decide(event, state, bundle, engine, recorded_at=event.occurred_at, own_request=own_request)
    return [
        finding(
            HISTORY_RETROACTIVE,
            in_force,
            f"{missed.message}; this was recorded after the event",
            event.occurred_at,
            (*row, missed.rule),
            About(event.occurred_at, row=row),
            severity=missed.severity,
        )
        for missed in verdict.findings
        if missed.rule not in _NO_MATTER_OF_HISTORY and missed.rule not in recorded
    ]


def rests_on(
    event: TransferEvent | DisclosureEvent, bundle: Bundle, recipient: str, country: str, decision: str
) -> bool:
    """Whether a recorded transfer brought data to a country with a recipient on an adequacy decision.

    `bundle` is the one by which it was judged, `decision` an id. False where an instrument carried it.
    """
    if event.stage not in _HAPPENED:
        return False
    at = event.occurred_at
    return any(
        destination.country == country
        and destination.holder is not None
        and destination.holder.id == recipient
        and any(ground.id == decision for ground in _grounds(destination, bundle, at))
        for destination in _destinations(event, bundle)
    )


def annulled(
    event: TransferEvent | DisclosureEvent, row: tuple[int, int], old: Bundle, new: Bundle, now: datetime
) -> list[ClockFinding]:
    """The decisions on which a recorded transfer rests, by the bundle that judged it, and that `new` ends.

    Flagged is what happened before the decision ends, denied what happened since. Each message names what
    the new bundle has in its place, as of the end or of `now`, whichever is later. A decision that another
    one follows at once has not ended.
    """
    if ADEQUACY_ANNULLED.switched_off(new) or event.stage not in _HAPPENED:
        return []
    return ordered(list(_annulled(event, row, old, new, now)))


def ends_any(old: Bundle, new: Bundle) -> bool:
    """Whether `new` ends a decision of `old` earlier; where it does not, no transfer need be looked at."""
    return any(
        _ended(decision, new) is not None for decisions in old.decisions.values() for decision in decisions
    )


def _annulled(
    event: TransferEvent | DisclosureEvent, row: tuple[int, int], old: Bundle, new: Bundle, now: datetime
) -> Iterator[ClockFinding]:
    at = event.occurred_at
    for destination in _destinations(event, old):
        country, holder = destination.country, destination.holder
        for decision in _grounds(destination, old, at):
            ended = _ended(decision, new)
            if ended is None:
                continue
            holder_now = None if holder is None else new.recipients.get(holder.id)
            if covering(new, country, holder_now, max(ended, at)):
                continue
            name = "the recipient" if holder is None else quoted(holder.id)
            yield finding(
                ADEQUACY_ANNULLED,
                new,
                f"{event.kind} at {moment(at)} reaches {country} with {name} under {decision.citation}, "
                f"which ends {moment(ended)}; "
                f"{_replacement(instruments_in_force(new, holder_now, max(ended, now)))}",
                ended,
                (*row, country, "" if holder is None else holder.id, decision.id, ended),
                About(at, recipient=None if holder is None else holder.id, row=row),
                severity="deny" if at >= ended else "flag",
            )


def _destinations(event: TransferEvent | DisclosureEvent, bundle: Bundle) -> tuple[Destination, ...]:
    """The third countries that an event reaches, as the bundle has them at its time."""
    at = event.occurred_at
    return third_countries(Case(event, SubjectState(), resolve(event, bundle), at, at, False, None, []))


def _grounds(destination: Destination, old: Bundle, at: datetime) -> list[AdequacyDecision]:
    """The decisions on which data in one third country rest; the frameworks count under their own words."""
    if destination.adequacy == "covers":
        return [decision for decision, _ in covering(old, destination.country, destination.holder, at)]
    return [
        decision
        for decision in old.decisions.get(destination.country, ())
        if decision.word == destination.safeguard != "adequacy" and decision.period.holds(at)
    ]


def _ended(decision: AdequacyDecision, new: Bundle) -> datetime | None:
    """When the new bundle ends a decision earlier than the old one; None where it does not.

    One that the new bundle no longer knows never was, so it ended with its beginning.
    """
    for known in new.decisions.get(decision.country, ()):
        if known.id == decision.id:
            end, before = known.period.end, decision.period.end
            return end if end is not None and (before is None or end < before) else None
    return decision.period.start or datetime.min.replace(tzinfo=UTC)


def _replacement(held: list[Instrument]) -> str:
    if not held:
        return "no instrument could replace it"
    return "could rest on " + ", ".join(f"{i.tool} {quoted(i.reference)}" for i in held)
