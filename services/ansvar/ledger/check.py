"""Checking a chain from its raw rows, independently of the database that stored them.

Pure. A `ChainChecker` is fed the stored bytes of one chain's rows in stored order (by seq) and raises the
first Fault: it recomputes each leaf from the bytes it is given and the leaf before, so an edited column, an
edited leaf, a missing, doubled or exchanged row cannot pass. It cannot see rows missing at the end; that
takes a checkpoint or another witness of the head.
"""

from __future__ import annotations

from ansvar.ledger.errors import Fault, MalformedRow
from ansvar.ledger.merkle import Range
from ansvar.ledger.row import ZERO32, Row, decode, leaf


class ChainChecker:
    """Follows one chain from its genesis; `size` and `root` describe what has passed."""

    def __init__(self, chain: int) -> None:
        self.chain = chain
        self.previous = ZERO32
        self.tree = Range()

    def feed(self, columns: bytes, stored_leaf: bytes) -> Row:
        """Check the next row: its stored columns (RowBinary, without leaf) and its stored leaf.

        Returns the row; raises Fault with kind missing, doubled or edited, naming the seq at fault.
        """
        expected = self.tree.size
        row = self._decoded(columns, expected)
        if row.chain != self.chain:
            raise Fault("edited", self.chain, expected, f"the row says it belongs to chain {row.chain}")
        if row.seq > expected:
            raise Fault("missing", self.chain, expected, f"the next row is {row.seq}")
        if row.seq < expected:
            raise Fault("doubled", self.chain, row.seq, "the sequence number is there twice")
        if leaf(columns + self.previous) != stored_leaf:
            raise Fault("edited", self.chain, expected, "the stored columns do not give the stored leaf")
        if (expected == 0) != (row.kind == "genesis"):
            raise Fault("edited", self.chain, expected, f"a row of kind {row.kind} stands here")
        self.previous = stored_leaf
        self.tree.append(stored_leaf)
        return row

    def _decoded(self, columns: bytes, expected: int) -> Row:
        try:
            row, end = decode(columns)
        except MalformedRow as error:
            raise Fault("edited", self.chain, expected, str(error)) from error
        if end != len(columns):
            raise Fault("edited", self.chain, expected, f"{len(columns) - end} bytes after the last column")
        return row
