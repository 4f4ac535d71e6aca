"""The subjects of one chain: the fold of its rows into states, and who was joined to whom.

Pure. Invariants: a reference that was joined has no state of its own; its survivor has the union. Nothing is
kept of a subject of whom no row tells. Rows are folded in order, each once; a `link` row a second time
changes nothing. Memory, recovery and replay all fold by this.

Not handled here: what a union is (`policy.joining`), when two are joined (`judging`), reading rows.
"""

from __future__ import annotations

from ansvar.enforcement.rows import fact_of_row, joined_of
from ansvar.ledger.row import Row
from ansvar.policy.joining import join
from ansvar.policy.state import Fact, SubjectState, observe


class Subjects:
    """The states of a chain's subjects after some row.

    `states` is by survivor. `survivors` names for each joined reference the one that it was joined to,
    which may itself have been joined since: `survivor` follows it to the end.
    """

    __slots__ = ("states", "survivors")

    def __init__(self) -> None:
        self.states: dict[bytes, SubjectState] = {}
        self.survivors: dict[bytes, bytes] = {}

    def survivor(self, reference: bytes) -> bytes:
        """The reference under which a person stands now; the same where nobody joined it to another."""
        survivors = self.survivors
        while reference in survivors:
            reference = survivors[reference]
        return reference

    def state(self, reference: bytes) -> SubjectState:
        """What is known of whoever the reference was joined to; to be read only.

        Empty when nothing is known, and then not kept.
        """
        return self.states.get(self.survivor(reference)) or SubjectState()

    def took(self, row: Row) -> None:
        """Fold one row. Only rows of rights, contracts, collects and links change anything."""
        if row.kind == "link":
            self._link(row.subject, joined_of(row))
            return
        fact = fact_of_row(row)
        if fact is not None:
            self.observe(self.survivor(row.subject), fact)

    def observe(self, survivor: bytes, fact: Fact) -> None:
        """Fold what one row of this survivor tells."""
        state = self.states.get(survivor)
        if state is None:
            state = self.states[survivor] = SubjectState()
        observe(state, fact)

    def _link(self, kept: bytes, joined: bytes) -> None:
        kept, joined = self.survivor(kept), self.survivor(joined)
        if kept == joined:
            return
        self.survivors[joined] = kept
        theirs = self.states.pop(joined, None)
        if theirs is not None:
            self.states[kept] = join(self.states.get(kept) or SubjectState(), theirs)
