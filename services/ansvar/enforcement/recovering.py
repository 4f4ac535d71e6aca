"""Rebuilding a chain's memory from the ledger, at any row: the fold over everything before it.

Invariant: `remember(chain, end_seq)` equals the memory of a worker that judged every row below `end_seq`
itself, in every question that memory answers. Reads only; each part is one query.
"""

from __future__ import annotations

from ansvar.enforcement.errors import EnforcementError
from ansvar.enforcement.memory import HOUR_MS, SESSION_MEMORY_MS, ChainMemory
from ansvar.enforcement.rows import fact_of_row
from ansvar.ledger.row import Row
from ansvar.policy.state import SubjectState, observe
from ansvar.store.ledger import LedgerStore


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
    for earlier in ledger.state_rows(chain, end_seq):
        fact = fact_of_row(earlier)
        if fact is not None:
            observe(memory.subjects.setdefault(earlier.subject, SubjectState()), fact)
    memory.next_seq, memory.leaf, memory.offset, memory.stream = end_seq, leaf, row.offset, row.stream
    return memory


def _fold_bookkeeping(memory: ChainMemory, ledger: LedgerStore, last: Row, end_seq: int) -> None:
    chain, now = memory.chain, last.recorded_at
    for row in ledger.rows_of_kind(chain, ("genesis", "policy"), 0, end_seq):
        memory.policy, memory.engine = row.policy, row.engine
    for session, number, at in ledger.batch_numbers(chain, now - SESSION_MEMORY_MS, end_seq):
        memory.saw_batch(session, number, at)
    for row in ledger.rows_of_kind(chain, ("session",), now - SESSION_MEMORY_MS, end_seq):
        memory.closed[row.session] = row.recorded_at
    hour = now // HOUR_MS * HOUR_MS
    for row in ledger.rows_of_kind(chain, ("refused",), hour, end_seq):
        memory.count_refused(row.recorded_at)
