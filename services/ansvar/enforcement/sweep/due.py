"""The sweep: what time alone, or looking back, shows of the ledger and is not recorded yet, as commands.

Reads only; nothing is sent or written. Each finding becomes a command for the chain of the row that it names;
one about an ingested file, whose chains no topic feeds, goes to the chain of the same partition and names the
row by its own chain. Its id follows from the row's chain, the subject and the finding's key, so a sweep that
runs again, or was cut off, finds the same ids; those that stand in the ledger are left out.

What is looked at: every subject each time, since time moves; events judged before an objection, or other
history that concerns them, that has arrived since the chain's newest mark; after a change of bundle, every
transfer that rests on what the new one ends. Marks are to be kept (`snapshotting.keep`) once the commands are
rows; until then the next sweep looks at the same again.

Not handled here: sending commands (`emitter.commanding`), judging again (`replaying`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache

from msgspec import Struct

from ansvar.enforcement.rows import microseconds
from ansvar.enforcement.snapshotting import load_subjects
from ansvar.enforcement.sweep.hindsight import decisions_ended, objected_since, overtaken_since
from ansvar.enforcement.sweep.overdue import overdue
from ansvar.enforcement.sweep.recording import Look, Recorded, Shown
from ansvar.enforcement.sweep.register import of_breaches, of_register
from ansvar.events.control import Control, RecordFinding
from ansvar.ledger.position import MAX_PARTITIONS
from ansvar.ledger.row import Row
from ansvar.policy.bundle import Bundle
from ansvar.store.errors import StoreError
from ansvar.store.histories import Histories
from ansvar.store.ledger import LedgerStore
from ansvar.store.snapshots import Mark, Snapshots

Progress = Callable[[int, int], None]  # a chain that has been looked at, and how much was found on it


class Sweep(Struct, frozen=True):
    """What a sweep found: commands as (chain to send to, command), and what to keep once they are rows.

    Each command is a `RecordFinding`. There is a mark for every chain.
    """

    commands: tuple[tuple[int, Control], ...]
    marks: tuple[Mark, ...]

    @property
    def findings(self) -> tuple[RecordFinding, ...]:
        """What the commands record."""
        return tuple(c.command for _, c in self.commands if isinstance(c.command, RecordFinding))


def sweep(
    ledger: LedgerStore,
    snapshots: Snapshots,
    bundle_of: Callable[[bytes], Bundle],
    now: datetime,
    chains: int,
    progress: Progress | None = None,
) -> Sweep:
    """Look at the whole ledger as of `now` (aware); `chains` is the deployment's number of chains.

    `bundle_of` gives the bundle of a SHA-256, and is asked once for each. Rows that arrive meanwhile are left
    to the next sweep. Raises StoreError.
    """
    bundles = cache(bundle_of)
    histories = Histories(ledger)
    recorded = Recorded(histories.findings())
    ends = {chain: ledger.last_seq(chain) + 1 for chain in ledger.chains()}
    found: list[Shown] = []
    marks = []
    for number, (chain, end_seq) in enumerate(ends.items()):
        before = len(found)
        in_force = _in_force(ledger, ends, chain, chains)
        look = Look(chain, end_seq, bundles(in_force.policy), now, histories, recorded)
        if number == 0:
            found += of_register(look, in_force, ends, bundles)
            notices = (row for other, end in ends.items() for row in histories.breaches(other, end))
            found += of_breaches(look, notices)
        found += _of_chain(ledger, snapshots, look, in_force, bundles)
        ((_, leaf),) = ledger.leaves(chain, end_seq - 1, 1)
        marks.append(Mark(chain, end_seq - 1, leaf, in_force.policy, microseconds(now) // 1000))
        if progress is not None:
            progress(chain, len(found) - before)
    commands = tuple((_home(shown.chain, chains), shown.command()) for shown in found)
    return Sweep(commands, tuple(marks))


def _of_chain(
    ledger: LedgerStore, snapshots: Snapshots, look: Look, in_force: Row, bundles: Callable[[bytes], Bundle]
) -> Iterator[Shown]:
    """What is found about the subjects and events of one chain."""
    subjects = load_subjects(ledger, snapshots, look.chain, look.end_seq)
    yield from overdue(look, subjects)
    mark = snapshots.newest(look.chain, look.end_seq)
    changed = (
        mark is None
        or mark.policy != in_force.policy
        or (in_force.chain == look.chain and in_force.seq > mark.through)
    )
    first = 0 if mark is None or changed else mark.through + 1
    yield from objected_since(look, subjects, first, bundles)
    yield from overtaken_since(look, subjects, first, bundles)
    if changed:
        yield from decisions_ended(look, bundles)


def _in_force(ledger: LedgerStore, ends: Mapping[int, int], chain: int, chains: int) -> Row:
    """The row that says what is in force for a chain today.

    No policy can be activated on the chains of an ingested file, so there it is what is in force where its
    findings go, if that chain has begun. Raises StoreError for a chain without its first row.
    """
    home = _home(chain, chains)
    asked = home if home in ends else chain
    rows = ledger.rows_of_kind(asked, ("genesis", "policy"), 0, ends[asked])
    if not rows:
        raise StoreError(f"chain {asked} has no row 0, but rows after it. Run: ansvar verify")
    return rows[-1]


def _home(chain: int, chains: int) -> int:
    """The chain that a topic feeds and that takes the findings about a chain."""
    return chain % MAX_PARTITIONS % chains
