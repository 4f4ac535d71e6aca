"""Checking a chain from its raw rows, independently of the database that stored them.

Pure. A `ChainChecker` is fed the stored bytes of one chain's rows in stored order (by seq) and raises a Fault
for each row that is not what was sealed: it recomputes each leaf from the bytes it is given and the leaf
before, so an edited column, an edited leaf, a missing, doubled or exchanged row cannot pass. It cannot see
rows missing at the end; that takes a checkpoint or another witness of the head.

After a Fault the checker stands behind the row it named and may be fed on, so that one look finds every row
at fault. A later row is not accused of what an earlier one did: it may link to the stored leaf before it, to
the leaf that the columns before it really give, or, after a doubled row, to either of the two.
"""

from __future__ import annotations

from typing import Final

from ansvar.ledger.canonical import ZERO32, kind_code, leaf, place
from ansvar.ledger.columns import KIND_CODES
from ansvar.ledger.errors import Fault, MalformedRow
from ansvar.ledger.merkle import Range
from ansvar.ledger.row import decode

_MOST_LINKS: Final = 8  # bounds the work where one row after another was rewritten


class ChainChecker:
    """Follows one chain; `tree` covers the rows that passed before the first fault.

    It begins with the genesis, or with row `first` after the row whose leaf is `link`; then `tree` is the
    tree over the rows before, or is not to be asked for.
    """

    def __init__(self, chain: int, first: int = 0, link: bytes = ZERO32, tree: Range | None = None) -> None:
        self.chain = chain
        self.next_seq = first
        self.tree = Range() if tree is None else tree
        self._intact = True
        self.link = link
        self._links: tuple[bytes, ...] = (link,)  # the leaves that the next row may link to
        self._before: tuple[bytes, ...] = ()  # the leaves that the last row was allowed to link to

    def feed(self, columns: bytes, stored_leaf: bytes) -> None:
        """Check the next row: its stored columns (RowBinary, without leaf) and its stored leaf.

        Raises Fault with kind missing, doubled or edited, naming the seq at fault.
        """
        try:
            self._check(columns, stored_leaf)
        except Fault:
            self._intact = False
            raise
        if self._intact:
            self.tree.append(stored_leaf)

    def _check(self, columns: bytes, stored_leaf: bytes) -> None:
        expected = self.next_seq
        try:
            chain, seq = place(columns)
        except MalformedRow as error:
            self._step(expected, columns, stored_leaf)
            raise Fault("edited", self.chain, expected, str(error)) from error
        if seq > expected:
            self._links = ()  # what the row links to is gone, so its columns cannot be checked
            self._step(seq, columns, stored_leaf)
            raise Fault("missing", self.chain, expected, f"the next row is {seq}")
        if seq < expected:
            if seq == expected - 1:
                self._allow(stored_leaf, *_leaves(columns, self._before))
            raise Fault("doubled", self.chain, seq, "the sequence number is there twice")
        if not self._step(seq, columns, stored_leaf):
            raise Fault("edited", self.chain, seq, _what_is_wrong(columns))
        if chain != self.chain:
            raise Fault("edited", self.chain, seq, f"the row says it belongs to chain {chain}")
        if (seq == 0) != (kind_code(columns) == KIND_CODES["genesis"]):
            raise Fault("edited", self.chain, seq, "the first row of a chain, and no other, is its genesis")

    def _step(self, seq: int, columns: bytes, stored_leaf: bytes) -> bool:
        """Go behind a row; returns whether its columns give its leaf."""
        leaves = _leaves(columns, self._links)
        follows = stored_leaf in leaves
        self.next_seq = seq + 1
        self._before, self._links = self._links, (stored_leaf,)
        if not follows:
            self._allow(*leaves)
        return follows

    def _allow(self, *leaves: bytes) -> None:
        self._links = (self._links + leaves)[:_MOST_LINKS]


def _what_is_wrong(columns: bytes) -> str:
    """Why columns do not give their leaf, as far as they show it themselves."""
    try:
        _, end = decode(columns)
    except MalformedRow as error:
        return str(error)
    if end != len(columns):
        return f"{len(columns) - end} bytes after the last column"
    return "the stored columns do not give the stored leaf, or this row or the one before was sealed anew"


def _leaves(columns: bytes, links: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The leaves that the columns give after each of the rows that may stand before."""
    return tuple([leaf(columns + link) for link in links])
