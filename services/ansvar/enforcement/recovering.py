"""Rebuilding a chain's memory from the ledger, at any row: the fold over everything before it.

Invariant: `remember(chain, end_seq)` equals the memory of a worker that judged every row below `end_seq`
itself, in every question that memory answers, with a snapshot or without. Reads only; each part is one query.
"""

from __future__ import annotations

from ansvar.deployment import FORWARDER
from ansvar.enforcement.errors import EnforcementError
from ansvar.enforcement.memory import HOUR_MS, REFUSED_HOURS, SESSION_MEMORY_MS, ChainMemory, Numbers
from ansvar.enforcement.registering import REGISTERING
from ansvar.enforcement.snapshotting import load_subjects
from ansvar.ledger.row import ZERO16, Row
from ansvar.store.ledger import LedgerStore
from ansvar.store.snapshots import Snapshots

_LOOK_BACK = 1_000  # rows read at once in search of the last authenticated record


def remember(ledger: LedgerStore, chain: int, end_seq: int, recent_events: int) -> ChainMemory:
    """The memory of a chain whose rows below `end_seq` (at least the genesis) stand in the ledger.

    Raises EnforcementError when the row before `end_seq` is not there, StoreError when the store fails.
    """
    last = next(iter(ledger.rows(chain, end_seq - 1, end_seq)), None)
    if last is None:
        raise EnforcementError(f"chain {chain} has no row {end_seq - 1}; run: ansvar verify")
    row, leaf = last
    memory = ChainMemory(chain, recent_events)
    _fold_bookkeeping(memory, ledger, row, end_seq)
    for seq, event_id, digest in ledger.recent_events(chain, max(0, end_seq - recent_events), end_seq):
        memory.recent.add(seq, event_id, digest)
    memory.subjects = load_subjects(ledger, Snapshots(ledger.store), chain, end_seq)
    memory.next_seq, memory.leaf, memory.offset, memory.stream = end_seq, leaf, row.offset, row.stream
    return memory


def _fold_bookkeeping(memory: ChainMemory, ledger: LedgerStore, last: Row, end_seq: int) -> None:
    chain = memory.chain
    for row in ledger.rows_of_kind(chain, ("genesis", "policy"), 0, end_seq):
        memory.policy, memory.engine = row.policy, row.engine
    for row in ledger.rows_of_kind(chain, REGISTERING, 0, end_seq):
        memory.registry.took(row)
    memory.clock = _clock(ledger, chain, end_seq)
    since = memory.clock - SESSION_MEMORY_MS
    for stretch in ledger.batch_ranges(chain, since, end_seq, always=FORWARDER):
        numbers = memory.sessions.setdefault((stretch.producer, stretch.session), Numbers())
        numbers.add_range(stretch.first, stretch.last)
        numbers.last_at = max(numbers.last_at, stretch.last_at)
    memory.sent = ledger.sent(chain, end_seq)
    for row in ledger.rows_of_kind(chain, ("session",), since, end_seq):
        memory.closed[row.producer, row.session] = row.recorded_at
    hour = last.recorded_at // HOUR_MS - (REFUSED_HOURS - 1)
    for at, rows in ledger.refused_by_hour(chain, hour * HOUR_MS, end_seq):
        memory.count_refused(at, rows)


def _clock(ledger: LedgerStore, chain: int, end_seq: int) -> int:
    """Broker time of the last authenticated record, 0 when there is none; nearly always in the first look."""
    while end_seq > 0:
        first = max(0, end_seq - _LOOK_BACK)
        times = [row.recorded_at for row, _ in ledger.rows(chain, first, end_seq) if row.session != ZERO16]
        if times:
            return times[-1]
        end_seq = first
    return 0
