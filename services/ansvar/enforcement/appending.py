"""Making rows part of the ledger, whatever fails in between: one history under faults.

Invariants:
- After an error nothing is known, so the same block goes out again under the same token, until an answer.
- A reported success is believed only when the rows are read back and are ours. Read back empty after a
  success, the token was burned without rows: only then does `attempt` rise.
- ClickHouse forgets tokens after some thousand inserts, so before every send the place is looked at: a
  worker that slept longer than that finds out before it doubles rows.
- Other rows at our position mean that another worker appended: HeadMoved, and nothing of ours counts.

Blocking; the caller runs it in a thread and decides how long to wait between tries.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansvar.enforcement.errors import Forked, HeadMoved
from ansvar.enforcement.sheet import Judged
from ansvar.store.ledger import MAX_BLOCK_ROWS, LedgerStore


class Append:
    """One block on its way into one chain. `step` is repeated until it returns True or raises HeadMoved."""

    def __init__(self, ledger: LedgerStore, rows: Sequence[Judged]) -> None:
        if not 0 < len(rows) <= MAX_BLOCK_ROWS:
            raise ValueError(f"an append holds 1 to {MAX_BLOCK_ROWS} rows, not {len(rows)}")
        self._ledger = ledger
        self._chain = rows[0].row.chain
        self._first = rows[0].row.seq
        self._leaves = [(judged.row.seq, judged.leaf) for judged in rows]
        self._block = b"".join(judged.stored for judged in rows)
        self._attempt = 0

    def step(self) -> bool:
        """Send the block and read back; True when confirmed, False when it must be sent again.

        Raises StoreError (nothing known: call again) and HeadMoved.
        """
        if self._stands():
            return True
        self._ledger.append(self._chain, self._first, self._block, attempt=self._attempt)
        if self._stands():
            return True
        self._attempt += 1
        return False

    def _stands(self) -> bool:
        """Whether our rows stand at their place and nothing after them; raises HeadMoved when others do."""
        found = self._ledger.leaves(self._chain, self._first, len(self._leaves) + 1)
        if found and found != self._leaves:
            raise HeadMoved(f"chain {self._chain}: other rows stand at seq {self._first}")
        return bool(found)


def check_covered(ledger: LedgerStore, rows: Sequence[Judged]) -> None:
    """Rows that the ledger already has must be those that we recomputed; raises Forked at the first other."""
    if not rows:
        return
    chain = rows[0].row.chain
    found = dict(ledger.leaves(chain, rows[0].row.seq, len(rows)))
    for judged in rows:
        if found.get(judged.row.seq) != judged.leaf:
            raise Forked(
                f"chain {chain}, seq {judged.row.seq}: forked: the ledger holds another row than this "
                "record gives. Stop all workers and run: ansvar verify"
            )
