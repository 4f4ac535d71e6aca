"""Looking back at a chain's rows: history that arrived late, and decisions that a new bundle ends.

Invariants: rows are read in pages; the verdict that a row holds stays as it is. An objection counts as late
for the rows before its own whose events happened at its receipt or later. Joining two references makes
nothing late: only an objection does that is recorded later, and then for all of them. All other history
(contracts, requests, collects) is late for such rows of its own reference alone: what arrives late under one
of two joined references is not looked for among the rows of the other. A row that is looked at is judged by
everything that is known of the person today, under whichever reference.

Not handled here: whether a row breaks the policy in hindsight (`policy.clocks`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import cast

from ansvar.enforcement.replaying import event_of_row
from ansvar.enforcement.rows import extra_of
from ansvar.enforcement.subjects import Subjects
from ansvar.enforcement.sweep.recording import Look, Shown
from ansvar.events.model import DisclosureEvent, TransferEvent
from ansvar.ledger.row import Row
from ansvar.policy.bundle import Bundle
from ansvar.policy.clocks import CLOCK, ClockFinding, annulled, ends_any, overtaken, retroactive
from ansvar.store.histories import MOST_REFERENCES

_HISTORY = CLOCK["history.retroactive"]

Bundles = Callable[[bytes], Bundle]  # by SHA-256


def objected_since(look: Look, subjects: Subjects, first_seq: int, bundle_of: Bundles) -> Iterator[Shown]:
    """Uses of data that an objection recorded from `first_seq` on forbade when they happened.

    Each is judged by the bundle and engine of its row. Raises StoreError where the store fails.
    """
    late: dict[bytes, list[tuple[int, int]]] = defaultdict(list)  # survivor -> seq and time of objections
    for seq, who, at in look.histories.objections(look.chain, first_seq, look.end_seq):
        late[subjects.survivor(who)].append((seq, at))
    if not late:
        return
    references = list(late)
    references += [joined for joined in subjects.survivors if subjects.survivor(joined) in late]
    waiting = iter(sorted(references))
    while some := list(islice(waiting, MOST_REFERENCES)):
        last = max(seq for who in some for seq, _ in late[subjects.survivor(who)])
        for row in look.histories.uses(look.chain, last, some):
            survivor = subjects.survivor(row.subject)
            if not any(row.seq < seq and row.occurred_at >= at for seq, at in late[survivor]):
                continue
            state, bundle = subjects.state(survivor), bundle_of(row.policy)
            place = row.chain, row.seq
            found = retroactive(event_of_row(row), row.findings, place, state, bundle, row.engine)
            if found is not None:
                yield from _shown(look, row, [found])


def overtaken_since(look: Look, subjects: Subjects, first_seq: int, bundle_of: Bundles) -> Iterator[Shown]:
    """Uses of data that break a rule by history, other than objections, recorded from `first_seq` on.

    Each is judged by the bundle and engine of its row. Raises StoreError where the store fails.
    """
    if _HISTORY.switched_off(look.bundle):
        return
    for row in look.histories.overtaken(look.chain, first_seq, look.end_seq):
        found = overtaken(
            event_of_row(row),
            row.findings,
            (row.chain, row.seq),
            subjects.state(row.subject),
            bundle_of(row.policy),
            row.engine,
            look.bundle,
            own_request=bool(extra_of(row).get("own_request")),
        )
        yield from _shown(look, row, found)


def decisions_ended(look: Look, bundle_of: Bundles) -> Iterator[Shown]:
    """Transfers and disclosures that rest on an adequacy decision which the bundle in force ends.

    Raises StoreError where the store fails.
    """
    for policy in look.histories.policies(look.chain, look.end_seq):
        old = bundle_of(policy)
        if policy == look.bundle.sha256 or not ends_any(old, look.bundle):
            continue
        for row in look.histories.handed_over_under(look.chain, look.end_seq, policy):
            event = cast("TransferEvent | DisclosureEvent", event_of_row(row))
            place = row.chain, row.seq
            yield from _shown(look, row, annulled(event, place, old, look.bundle, look.now))


def _shown(look: Look, row: Row, found: list[ClockFinding]) -> Iterator[Shown]:
    for finding in found:
        if look.recorded.lacks(finding.key, (row.chain,), (row.subject,)):
            yield Shown(finding, row.chain, row.seq, row.subject)
