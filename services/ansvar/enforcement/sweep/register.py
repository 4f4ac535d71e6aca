"""The clocks that are about no subject: the register of recipients, and breaches.

A breach is told by events of kind `notice` with topic `breach` and no subject; those that share a correlation
id tell of one, and one without stands alone. The first of them by the time at which it happened says when
the breach became known; one of version `authority_notified` says that the authority was told.

Invariants: a finding is recorded once for the deployment, whichever chain's row it was recorded about.
Transfers are read in pages, and no further than to the first that is looked for.

Not handled here: the clocks themselves (`policy.clocks`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import cast

from ansvar.enforcement.replaying import event_of_row
from ansvar.enforcement.rows import extra_of
from ansvar.enforcement.sweep.recording import Look, Shown, instant
from ansvar.events.model import DisclosureEvent, TransferEvent
from ansvar.ledger.row import ZERO16, Row
from ansvar.policy.bundle import Bundle
from ansvar.policy.clocks import AboutDecision, Breach, due_of_breaches, due_of_bundle, rests_on

_TOLD = "authority_notified"


def of_register(
    look: Look, in_force: Row, ends: Mapping[int, int], bundle_of: Callable[[bytes], Bundle]
) -> Iterator[Shown]:
    """What runs out in the register of the chain looked at; `ends` has the first seq beyond every chain.

    Of guarantees it names `in_force`, the row by which the bundle came into force; of a missing fallback the
    first transfer to the recipient that rested on the decision, by the bundle that judged it (`bundle_of`
    takes a SHA-256). Where there is none, nothing falls with the decision. Raises StoreError.
    """
    for finding in due_of_bundle(look.bundle, look.now):
        if not look.recorded.lacks(finding.key, ends):
            continue
        row: Row | None = in_force
        if isinstance(finding.about, AboutDecision):
            row = _first_resting(look, finding.about, ends, bundle_of)
        if row is not None:
            yield Shown(finding, row.chain, row.seq)


def _first_resting(
    look: Look, about: AboutDecision, ends: Mapping[int, int], bundle_of: Callable[[bytes], Bundle]
) -> Row | None:
    """The transfer or disclosure recorded first, of all chains, that rested on a decision."""
    recipient = about.recipient or ""

    def rested(row: Row) -> bool:
        event = cast("TransferEvent | DisclosureEvent", event_of_row(row))
        return rests_on(event, bundle_of(row.policy), recipient, about.country, about.decision)

    found = [
        row
        for chain, end_seq in ends.items()
        for row in islice(filter(rested, look.histories.handed_over_to(chain, end_seq, recipient)), 1)
    ]
    return min(found, key=lambda row: (row.recorded_at, row.chain, row.seq), default=None)


def of_breaches(look: Look, notices: Iterable[Row]) -> Iterator[Shown]:
    """The breaches of which the authority was not told in time; `notices` are those of all chains."""
    told: dict[str, list[Row]] = defaultdict(list)
    for row in notices:
        named = row.event_id.hex if row.correlation_id == ZERO16 else row.correlation_id.hex()
        told[named].append(row)
    for reference, rows in sorted(told.items()):
        rows.sort(key=lambda row: (row.occurred_at, row.chain, row.seq))
        notified = [row for row in rows if extra_of(row).get("version") == _TOLD]
        breach = Breach(
            reference,
            instant(rows[0].occurred_at),
            instant(notified[0].occurred_at) if notified else None,
        )
        chains = sorted({row.chain for row in rows})
        for finding in due_of_breaches([breach], look.bundle, look.now):
            if look.recorded.lacks(finding.key, chains):
                yield Shown(finding, rows[0].chain, rows[0].seq)
