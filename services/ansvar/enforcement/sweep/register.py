"""The clocks that are about no subject: the register of recipients, and breaches.

A breach is told by events of kind `notice` with topic `breach` and no subject; those that share a correlation
id tell of one, and one without stands alone. The first of them by the time at which it happened says when
the breach became known; one of version `authority_notified` says that the authority was told.

Invariants: a finding is recorded once for the deployment, whichever chain's row it was recorded about.

Not handled here: the clocks themselves (`policy.clocks`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from ansvar.enforcement.rows import extra_of
from ansvar.enforcement.sweep.recording import Look, Shown, instant
from ansvar.ledger.row import ZERO16, Row
from ansvar.policy.clocks import CLOCK, Breach, ClockFinding, due_of_breaches, due_of_bundle

_GUARANTEES = CLOCK["guarantees.expiring"]
_TOLD = "authority_notified"


def of_register(look: Look, in_force: Row, chains: Iterable[int]) -> Iterator[Shown]:
    """What runs out in the register of the chain looked at.

    Of guarantees it names `in_force`, the row by which the bundle came into force; of a missing fallback the
    first transfer to the recipient, and where there is none nothing rests on the decision. Raises StoreError.
    """
    everywhere = list(chains)
    for finding in due_of_bundle(look.bundle, look.now):
        if not look.recorded.lacks(finding.key, everywhere):
            continue
        row = _row_of(look, finding, in_force)
        if row is not None:
            yield Shown(finding, *row)


def _row_of(look: Look, finding: ClockFinding, in_force: Row) -> tuple[int, int] | None:
    if finding.rule == _GUARANTEES.id or finding.about.recipient is None:
        return in_force.chain, in_force.seq
    return look.histories.first_handover(finding.about.recipient)


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
