"""The pipeline without Kafka: the lines of a file judged, sealed and stored, on chains of their own.

Each line is a record: its offset is its line number less one, its stream the file's SHA-256. The partition of
an event, its verdict and its row are as through Kafka, but for persons of whom the file somewhere names
several identifiers together (`aliases`). All that it says of them goes to the chain of the identifier that it
names first, from the first line on, and the ids of their requests and contracts stand under that one's key:
so they are joined within one chain, and an id is one request whichever identifier it came with.

Reading the same file again goes on where its chains end, so an ingest that was cut off is finished by
repeating it, and a finished one changes nothing. A file is judged by what is in force when it is first read,
to its end. There is no broker to carry effects: no alerts and no dead letters. A line that cannot be judged
becomes a `refused` row and is told to the caller; the row names it by its position alone, since a hash of its
text would be a hash of personal data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ansvar.deployment import Deployment
from ansvar.enforcement.appending import Append, check_covered
from ansvar.enforcement.errors import EnforcementError
from ansvar.enforcement.founding import genesis
from ansvar.enforcement.judging import Rules, judge_event
from ansvar.enforcement.memory import ChainMemory
from ansvar.enforcement.opening import Record
from ansvar.enforcement.people import Known, People, Persons, named_in
from ansvar.enforcement.reading import Line, Together, event_of_line
from ansvar.enforcement.recovering import remember
from ansvar.enforcement.sheet import Judged, Sheet
from ansvar.events.errors import InvalidEvent
from ansvar.events.model import Event, Identifier
from ansvar.events.partition import home_of, partition_of
from ansvar.ledger.position import MAX_PARTITIONS, chain_number, file_stream_id
from ansvar.store.ledger import LedgerStore

BATCH_LINES: Final = 2_000
_TRIES: Final = 5  # appends that were reported but are not there; more than that is no hiccup


class Parts(Struct, frozen=True, kw_only=True):
    """Everything an ingest works with."""

    deployment: Deployment
    ledger: LedgerStore
    people: People
    rules: Rules
    partition_key: bytes


class Totals(Struct):
    """What became of the lines: rows written now, lines refused, lines that were in the ledger before."""

    rows: int = 0
    refused: int = 0
    known: int = 0


class Ingest:
    """One file on its way into the ledger. `refused` is called with the text for each bad line.

    `together` is what `named_together` found in the whole file; an event that names identifiers together of
    which it does not know is refused.
    """

    def __init__(
        self,
        parts: Parts,
        sha256: bytes,
        now: int,
        refused: Callable[[str], None],
        together: Together | None = None,
    ) -> None:
        self._parts = parts
        self._rules = replace(parts.rules, home=None)
        self._stream = file_stream_id(sha256)
        self._now = now
        self._refused = refused
        self._together = Together() if together is None else together
        self._number = _ingest_number(parts.ledger, self._stream)
        self._memories: dict[int, ChainMemory] = {}
        self.totals = Totals()

    @property
    def chains(self) -> list[int]:
        """The file's chains that have a row."""
        wanted = [chain_number(partition, self._number) for partition in range(self._parts.deployment.chains)]
        return [chain for chain in self._parts.ledger.chains() if chain in wanted]

    def take(self, lines: Iterable[Line]) -> None:
        """Judge and store lines, in order; all at once in memory are BATCH_LINES of them.

        Raises StoreError or VaultError when a store fails; repeating the whole ingest then goes on.
        """
        waiting = iter(lines)
        while batch := list(islice(waiting, BATCH_LINES)):
            try:
                self._batch(batch)
            except BaseException:
                self._memories.clear()  # they are ahead of the ledger now
                raise

    def _batch(self, lines: list[Line]) -> None:
        parsed = [(number, text, self._parsed(number, text)) for number, text in lines]
        persons = self._persons(event for _, _, event in parsed if not isinstance(event, InvalidEvent))
        made: dict[int, list[Judged]] = {}
        for number, text, event in parsed:
            partition = 0 if isinstance(event, InvalidEvent) else self._partition(event)
            memory = self._memory(chain_number(partition, self._number))
            if number - 1 <= memory.offset:
                self.totals.known += 1
                continue
            record = Record(partition, number - 1, self._now, text)
            made.setdefault(partition, []).extend(self._judged(record, event, memory, persons))
        for rows in made.values():
            self._keep(rows)
            self.totals.rows += len(rows)

    def _judged(
        self, record: Record, event: Event | InvalidEvent, memory: ChainMemory, persons: Persons
    ) -> list[Judged]:
        sheet = Sheet(memory, record, None, 0, {"size": len(record.value)})
        if isinstance(event, InvalidEvent):
            sheet.refuse(event.reason, str(event))  # which says where the line is at fault
        else:
            rules = self._rules
            judge_event(sheet, event, memory, persons, rules, rules.bundle(memory.policy))
        if sheet.made[-1].row.kind == "refused":
            self.totals.refused += 1
            at_fault = isinstance(event, InvalidEvent)
            told = sheet.made[-1].explanation
            self._refused(told if at_fault else f"line {record.offset + 1}: {told}")
        return sheet.made

    def _parsed(self, number: int, text: bytes) -> Event | InvalidEvent:
        event = event_of_line(number, text)
        if isinstance(event, InvalidEvent) or self._together.holds(event):
            return event
        found = "identifiers that were not together when the file was read for them"
        return InvalidEvent(found, "a file that stays as it is", field="aliases", line=number)

    def _persons(self, events: Iterable[Event]) -> Persons:
        """Everyone that the events name; those named together somewhere have one key for ids."""
        named = dict.fromkeys(identifier for event in events for identifier in named_in(event))
        firsts = {each: first for each in named if (first := self._together.first(each)) is not None}
        found = self._parts.people.resolve(
            (self._home(identifier), identifier) for identifier in (*named, *firsts.values())
        )
        for each, first in firsts.items():
            own = found[each]
            found[each] = Known(own.reference, own.keys, own.chain, ids=found[first].keys)
        return found

    def _home(self, identifier: Identifier) -> int:
        return home_of(self._parts.partition_key, identifier, self._parts.deployment.chains)

    def _partition(self, event: Event) -> int:
        first = None if event.subject is None else self._together.first(event.subject)
        if first is not None:
            return self._home(first)
        return partition_of(self._parts.partition_key, event, self._parts.deployment.chains)

    def _memory(self, chain: int) -> ChainMemory:
        memory = self._memories.get(chain)
        if memory is None:
            ledger, deployment = self._parts.ledger, self._parts.deployment
            head = ledger.head(chain)
            if head is None:
                self._keep([genesis(deployment, chain, self._stream, self._in_force(chain))])
            else:
                (first, _), *_ = ledger.rows(chain, 0, 1)
                check_covered(
                    ledger, [genesis(deployment, chain, self._stream, (first.policy, first.engine))]
                )
            end = 1 if head is None else head.seq + 1
            memory = self._memories[chain] = remember(ledger, chain, end, deployment.recent_events)
        return memory

    def _in_force(self, chain: int) -> tuple[bytes, int] | None:
        """Bundle and engine of the Kafka-fed chain of the same partition; None where it has not begun."""
        ledger, home = self._parts.ledger, chain % MAX_PARTITIONS
        rows = ledger.rows_of_kind(home, ("genesis", "policy"), 0, ledger.last_seq(home) + 1)
        return (rows[-1].policy, rows[-1].engine) if rows else None

    def _keep(self, rows: list[Judged]) -> None:
        append = Append(self._parts.ledger, rows)
        for _ in range(_TRIES):
            if append.step():
                return
        raise EnforcementError(
            f"chain {rows[0].row.chain}: ClickHouse reports appends that are not there; run: ansvar verify"
        )


def sha256_of(chunks: Iterable[bytes]) -> bytes:
    """The SHA-256 of a file given in pieces."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def _ingest_number(ledger: LedgerStore, stream: bytes) -> int:
    """The number under which this file was ingested before, or the next free one (from 1)."""
    highest = 0
    for chain in ledger.chains():
        number = chain // MAX_PARTITIONS
        if number == 0:
            continue
        first = next(ledger.rows(chain, 0, 1), None)
        if first is None:
            raise EnforcementError(f"chain {chain} has no row 0, but rows after it; run: ansvar verify")
        if first[0].stream == stream:
            return number
        highest = max(highest, number)
    return highest + 1
