"""The subjects of one chain: the fold of its rows into states, and who was joined to whom.

Pure. Invariants: a reference that was joined has no state of its own; its survivor has the union. Who went to
another chain has none here either. Nothing is kept of a subject of whom no row tells. Rows are folded in
order, each once; a `link` row a second time changes nothing. Memory, recovery and replay all fold by this.

Not handled here: what a union is (`policy.joining`), when two are joined (`judging`), reading rows.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Final, NamedTuple

from ansvar.enforcement.rows import extra_of, fact_of_row
from ansvar.ledger.row import Row
from ansvar.policy.joining import join
from ansvar.policy.state import Fact, SubjectState, decode_state, observe

# Stands in `survivors` for another chain, in the place of a reference, which is random: 12 bytes of ones.
_ELSEWHERE: Final = b"\xff" * 12


class Gone(NamedTuple):
    """Whose history is another chain's now, and the reference by which that chain knows the person."""

    chain: int
    reference: bytes


class Subjects:
    """The states of a chain's subjects after some row.

    `states` is by survivor. `survivors` names for each joined reference the one that it was joined to,
    which may itself have been joined since: `survivor` follows it to the end. What a person went to another
    chain under stands there as well, and keyed names that another chain was asked about.
    """

    __slots__ = ("states", "survivors")

    def __init__(self) -> None:
        self.states: dict[bytes, SubjectState] = {}
        self.survivors: dict[bytes, bytes] = {}

    def survivor(self, reference: bytes) -> bytes:
        """The reference under which a person stands here, or went; the same where nobody joined it."""
        survivors = self.survivors
        while (next_ := survivors.get(reference)) is not None and not next_.startswith(_ELSEWHERE):
            reference = next_
        return reference

    def gone(self, reference: bytes) -> Gone | None:
        """Where a person's history went, None where it is here."""
        last = self.survivor(reference)
        to = self.survivors.get(last)
        return None if to is None else Gone(int.from_bytes(to[len(_ELSEWHERE) :], "big"), last)

    def state(self, reference: bytes) -> SubjectState:
        """What is known of whoever the reference was joined to; to be read only.

        Empty when nothing is known, and then not kept.
        """
        return self.states.get(self.survivor(reference)) or SubjectState()

    def took(self, row: Row) -> None:
        """Fold one row. Only rows of rights, contracts, collects and links change anything."""
        if row.kind == "link":
            self._linked(row)
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

    def _linked(self, row: Row) -> None:
        extra = extra_of(row)
        if "joined" not in extra:
            return  # it only passes on what another chain asked
        joined = self.survivor(bytes.fromhex(extra["joined"]))
        if self.gone(joined) is not None:
            return
        if "to" in extra:
            self.survivors[joined] = _ELSEWHERE + extra["to"].to_bytes(4, "big")
            self.states.pop(joined, None)
            return
        kept = self.survivor(row.subject)
        if kept != joined:
            self.survivors[joined] = kept
            self._add(kept, self.states.pop(joined, None))
        if "state" in extra:
            self._add(kept, decode_state(b64decode(extra["state"])))

    def _add(self, kept: bytes, theirs: SubjectState | None) -> None:
        if theirs is not None:
            self.states[kept] = join(self.states.get(kept) or SubjectState(), theirs)
