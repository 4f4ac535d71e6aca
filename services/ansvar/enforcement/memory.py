"""What a worker remembers of one chain: a fold over its rows, and nothing else.

Pure. `ChainMemory` is changed only by `took` (one row at a time, in order) and by what rebuilds it from the
ledger (`recovering`); dropping it loses nothing. Every question it answers is a function of the rows before,
wherever batches were cut: what is forgotten is only what no record can ask about any more.

"No more" is reckoned by the broker's clock, but by its time of authenticated records alone: a broker whose
clock runs days ahead for a while has all its records refused as too old, and must not make us forget.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import Final

from ansvar.deployment import FORWARDER
from ansvar.enforcement.registering import Registry
from ansvar.enforcement.rows import told_of
from ansvar.enforcement.subjects import Subjects
from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.row import ZERO16, Row

HOUR_MS: Final = 3_600_000
# A session lives 24 h and an hour's tolerance, and may claim to begin 24 h ahead, so all its records lie
# within 49 h. A day more, because a broker's clock may be set back.
SESSION_MEMORY_MS: Final = (49 + 24) * HOUR_MS
REFUSED_HOURS: Final = 2  # so many hours' refusals are counted: records near an hour's end may step back


# A session's id alone is not enough: a producer that took another's id would make its batches duplicates.
SessionKey = tuple[str, bytes]  # producer, session


class Numbers:
    """Which batch numbers of one session were seen, as sorted ranges; small however far numbers jump."""

    __slots__ = ("_ends", "_starts", "last_at")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []  # exclusive
        self.last_at = 0

    @property
    def next(self) -> int:
        """One above the highest number seen, 0 at first."""
        return self._ends[-1] if self._ends else 0

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._starts, number) - 1
        return place >= 0 and number < self._ends[place]

    def add_range(self, first: int, last: int) -> None:
        """Remember numbers first to last, above all that are remembered and not next to them."""
        self._starts.append(first)
        self._ends.append(last + 1)

    def add(self, number: int) -> None:
        """Remember a number; adding it twice changes nothing."""
        if number in self:
            return
        place = bisect_right(self._starts, number)
        joins_left = place > 0 and self._ends[place - 1] == number
        joins_right = place < len(self._starts) and self._starts[place] == number + 1
        if joins_left and joins_right:
            self._ends[place - 1] = self._ends.pop(place)
            del self._starts[place]
        elif joins_left:
            self._ends[place - 1] = number + 1
        elif joins_right:
            self._starts[place] = number
        else:
            self._starts.insert(place, number)
            self._ends.insert(place, number + 1)


class RecentEvents:
    """The digests of the event ids in the last `window` rows of the chain."""

    __slots__ = ("_digests", "_order", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._digests: dict[bytes, bytes] = {}
        self._order: deque[tuple[int, bytes]] = deque()

    def add(self, seq: int, event_id: bytes, digest: bytes) -> None:
        """Remember an event that stands at a row."""
        self._digests[event_id] = digest
        self._order.append((seq, event_id))

    def digest(self, event_id: bytes, at_seq: int) -> bytes | None:
        """The digest of that event if it stands within `window` rows before `at_seq`."""
        while self._order and self._order[0][0] < at_seq - self._window:
            del self._digests[self._order.popleft()[1]]
        return self._digests.get(event_id)


class ChainMemory:
    """The state of one chain after its last row; `chain` is its number."""

    __slots__ = (
        "_refused",
        "chain",
        "clock",
        "closed",
        "engine",
        "leaf",
        "next_seq",
        "offset",
        "policy",
        "recent",
        "registry",
        "sent",
        "sessions",
        "stream",
        "subjects",
    )

    def __init__(self, chain: int, recent_events: int) -> None:
        self.chain = chain
        self.stream = ZERO16
        self.next_seq = 0
        self.leaf = ZERO32
        self.offset = -1
        self.clock = 0  # broker time of the last authenticated record, ms
        self.policy = ZERO32
        self.engine = 0
        self.sessions: dict[SessionKey, Numbers] = {}
        self.closed: dict[SessionKey, int] = {}  # when its close record was taken
        self.sent: dict[int, int] = {}  # chain -> how much it was told by this one
        self.recent = RecentEvents(recent_events)
        self.subjects = Subjects()
        self.registry = Registry()
        self._refused: dict[int, int] = {}  # hour of broker time -> refused rows in it

    def numbers(self, session: SessionKey) -> Numbers:
        """The batch numbers of a session seen so far; to be read only (`saw_batch` adds)."""
        return self.sessions.get(session) or Numbers()

    def refused_this_hour(self, recorded_at: int) -> int:
        """How many refused rows the chain already has in that hour of broker time."""
        return self._refused.get(recorded_at // HOUR_MS, 0)

    def took(self, row: Row, leaf: bytes) -> None:
        """Fold one row's place and bookkeeping; subjects and recent events are folded by their own calls."""
        self.next_seq = row.seq + 1
        self.leaf = leaf
        self.offset = row.offset
        if row.kind in ("genesis", "policy"):
            self.policy, self.engine = row.policy, row.engine
        self.registry.took(row)
        if row.stream != ZERO16:
            self.stream = row.stream
        if row.kind == "refused":
            self.count_refused(row.recorded_at)
        if row.kind in ("link", "forwarded") and (told := told_of(row)) is not None:
            self.sent[told[0]] = told[1] + 1
        if row.session != ZERO16:
            self.clock = row.recorded_at
        if row.kind == "session":
            self.closed[row.producer, row.session] = row.recorded_at
        elif row.session != ZERO16 and row.kind != "gap":
            self.saw_batch((row.producer, row.session), row.batch, row.recorded_at)

    def count_refused(self, recorded_at: int, rows: int = 1) -> None:
        """Remember refused rows of one hour of broker time."""
        self._refused[recorded_at // HOUR_MS] = self.refused_this_hour(recorded_at) + rows
        while len(self._refused) > REFUSED_HOURS:
            del self._refused[next(iter(self._refused))]  # the hour first seen

    def saw_batch(self, session: SessionKey, number: int, recorded_at: int) -> None:
        """Remember a batch number of an authenticated record."""
        numbers = self.sessions.setdefault(session, Numbers())
        numbers.add(number)
        numbers.last_at = max(numbers.last_at, recorded_at)

    def forget_old_sessions(self, now: int) -> None:
        """Drop sessions of which no record can be accepted any more at broker time `now` (ms).

        What chains tell each other is counted for ever.
        """
        before = min(now, self.clock) - SESSION_MEMORY_MS
        for session in [s for s, n in self.sessions.items() if n.last_at < before and s[0] != FORWARDER]:
            del self.sessions[session]
        for session in [s for s, at in self.closed.items() if at < before]:
            del self.closed[session]
