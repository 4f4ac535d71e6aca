"""The micro-batch: records in, rows confirmed and effects carried out, or nothing acknowledged.

Invariants:
- `enforce` returns a partition as done only when every record given of it is in the ledger, read back, and
  its effects are done. A partition that was released meanwhile is left as it is; its new owner goes on.
- The ledger is the truth: memory of a chain is made from the ledger and dropped whenever the chain's head or
  its effects are not where we left them.
- What is delivered is not believed to be complete. Records after a jump in offsets are taken only when those
  between were looked for at the broker, so nothing that a consumer skips is lost; a hole is a `gap` row only
  if the broker has nothing there either. After a jump, either way, the topic must still be the same one.
- One partition is worked on by one task at a time, also across revocation and renewed assignment.

Not handled here: Faust and partition assignment (`app`), what rows are (`judging`), how they get into the
ledger (`carrying`), waiting for stores (`waiting`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from ansvar.enforcement.carrying import Carrier, Chain, Made
from ansvar.enforcement.carrying import Parts as Parts
from ansvar.enforcement.errors import HeadMoved, Revoked
from ansvar.enforcement.health import Health
from ansvar.enforcement.judging import judge
from ansvar.enforcement.linking import named_here
from ansvar.enforcement.memory import ChainMemory
from ansvar.enforcement.opening import LACKED_A_KEY, Command, Opened, Record, Refusal
from ansvar.enforcement.people import Persons
from ansvar.enforcement.streams import check_stream
from ansvar.enforcement.waiting import Tenure, Waiting
from ansvar.vault.errors import EffectsMoved

log = logging.getLogger(__name__)

_FETCHED_AT_ONCE: Final = 50  # records; what lies between two delivered ones is seldom more
_SLICE_BYTES: Final = 2 << 20  # of sealed records; an event takes some 100 to 200 bytes there

Opening = list[tuple[Record, Opened]]


class _Ours(Tenure):
    """A tenure, and what we know of its chain; None when that must be read from the ledger."""

    chain: Chain | None = None


class Enforcer:
    """Judges the records of the partitions it has taken over."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._waiting = Waiting()
        self._carrier = Carrier(parts, self._waiting)
        self._ours: dict[int, _Ours] = {}
        self._caches = threading.Lock()  # the caches of sessions and people are not made for two threads
        self._working: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._closing = False
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def take_over(self, partition: int) -> int:
        """Make a partition ours: read its chain from the ledger; returns the offset to continue from.

        For a partition that is ours already it only says where we are. Raises StreamMismatch where the topic
        is not the one that the chain was fed from, Forked where the chain was founded by another deployment,
        Revoked when the partition was released meanwhile.
        """
        if self._closing:
            raise Revoked(f"partition {partition}")
        tenure = self._ours.setdefault(partition, _Ours(partition))
        async with self._work(partition):
            chain = await self._chain(tenure)
            return chain.done_offset + 1

    def release(self, partitions: Iterable[int]) -> None:
        """Give partitions up: waiting for them ends, nothing of them is acknowledged any more."""
        for partition in list(partitions):
            tenure = self._ours.pop(partition, None)
            if tenure is not None:
                tenure.ended.set()

    def release_all(self) -> None:
        """Give every partition up."""
        self.release(self._ours)

    async def close(self) -> None:
        """Finish the batch in hand unless a store keeps it waiting, end all tenures, leave no thread running.

        Afterwards nothing is taken any more, `resume_offset` still says what was done, and what the enforcer
        works with may be closed.
        """
        self._closing = True
        self._waiting.give_up()
        await self._idle.wait()
        for tenure in self._ours.values():
            tenure.ended.set()
        await self._waiting.quiet()

    def health(self) -> Health:
        """Whether events are being processed: partitions are ours and no store keeps us waiting."""
        ours = len(self._ours)
        if self._waiting.reasons:
            return Health(False, "; ".join(self._waiting.reasons), ours)
        if ours == 0:
            return Health(False, "no partition is assigned to this worker yet", 0)
        unread = sorted(tenure.partition for tenure in self._ours.values() if tenure.chain is None)
        if unread:
            return Health(False, f"reading the chains of partitions {unread}", ours)
        return Health(True, "", ours)

    @property
    def partitions(self) -> list[int]:
        """The partitions that are ours."""
        return sorted(self._ours)

    @property
    def waiting(self) -> bool:
        """Whether a store keeps us waiting."""
        return bool(self._waiting.reasons)

    def owns(self, partition: int) -> bool:
        """Whether the partition is ours now."""
        return partition in self._ours and not self._closing

    def resume_offset(self, partition: int) -> int | None:
        """The offset after the last record taken all the way; None when the partition is not ours (yet)."""
        tenure = self._ours.get(partition)
        return None if tenure is None or tenure.chain is None else tenure.chain.done_offset + 1

    def done_offset(self, partition: int) -> int:
        """The offset of the last record taken all the way, -1 before the first or when it is not ours."""
        resume = self.resume_offset(partition)
        return -1 if resume is None else resume - 1

    async def enforce(self, records: Sequence[Record]) -> frozenset[int]:
        """Take records (of any partitions) all the way; returns the partitions done."""
        ours = {partition: tenure for partition, tenure in self._ours.items() if self.owns(partition)}
        groups: dict[int, list[Record]] = defaultdict(list)
        for record in records:
            if record.partition in ours:
                groups[record.partition].append(record)
        # side by side: while the store takes the rows of one partition, those of the next are judged
        done = await asyncio.gather(
            *(self._all_the_way(ours[partition], group) for partition, group in groups.items()),
            return_exceptions=True,
        )
        for outcome in done:
            if isinstance(outcome, BaseException):
                raise outcome
        return frozenset(partition for partition, fine in zip(groups, done, strict=True) if fine)

    async def _all_the_way(self, tenure: _Ours, records: list[Record]) -> bool:
        """Take records of one partition; False when it was taken from us before they were done."""
        try:
            async with self._work(tenure.partition):
                for part in _slices(sorted(records, key=lambda record: record.offset)):
                    await self._take(tenure, await self._open(part))
        except Revoked:
            log.info("partition %d was taken from us; its records are left to others", tenure.partition)
            return False
        return True

    @asynccontextmanager
    async def _work(self, partition: int) -> AsyncIterator[None]:
        self._busy += 1
        self._idle.clear()
        try:
            async with self._working[partition]:
                yield
        finally:
            self._busy -= 1
            if self._busy == 0:
                self._idle.set()

    async def _open(self, records: Sequence[Record]) -> Opening:
        return await self._waiting.thread(lambda: self._opened(records))

    def _opened(self, records: Sequence[Record]) -> Opening:
        with self._caches:
            return [(record, self._parts.opener.open(record)) for record in records]

    def _opened_again(self, opened: Opening) -> Opening:
        """Open those anew that lacked a key: the rows before them, read since, may have told it."""
        with self._caches:
            return [
                (item[0], self._parts.opener.open(item[0])) if _lacked_a_key(item) else item
                for item in opened
            ]

    async def _chain(self, tenure: _Ours) -> Chain:
        """What we know of a chain, read from the ledger if need be."""
        while True:
            tenure.check()
            if tenure.chain is not None:
                return tenure.chain
            try:
                tenure.chain = await self._carrier.read(tenure)
            except (HeadMoved, EffectsMoved) as moved:
                log.info("partition %d: %s; another worker is at it", tenure.partition, moved)
            else:
                offset = tenure.chain.done_offset + 1
                log.info("partition %d: continuing at offset %d", tenure.partition, offset)

    async def _take(self, tenure: _Ours, opened: Opening) -> None:
        while True:
            try:
                for run in _runs(opened):
                    chain = await self._chain(tenure)
                    await self._reach(tenure, chain, run[0][0].offset)
                    await self._judge_and_carry(tenure, chain, run)
            except (HeadMoved, EffectsMoved) as moved:
                log.warning("partition %d: %s; reading the chain again", tenure.partition, moved)
            else:
                return

    async def _reach(self, tenure: _Ours, chain: Chain, offset: int) -> None:
        """Bring a chain to just before an offset: what was not delivered is fetched from the broker."""
        start = chain.memory.offset + 1
        if start == offset:
            return
        await self._waiting.patiently(
            tenure, lambda: check_stream(self._parts.reader, tenure.partition, chain.head)
        )
        while start < offset:
            end = min(offset, start + _FETCHED_AT_ONCE)
            fetch = partial(self._parts.reader.records, tenure.partition, start, end)
            found = await self._waiting.patiently(tenure, fetch)
            if found:
                log.info(
                    "partition %d: fetched %d records below offset %d", tenure.partition, len(found), end
                )
                await self._judge_and_carry(tenure, chain, await self._open(found))
            start = end

    async def _judge_and_carry(self, tenure: _Ours, chain: Chain, opened: Opening) -> None:
        fresh = [item for item in opened if item[0].offset > chain.memory.offset]
        if not fresh:
            return
        if any(map(_lacked_a_key, fresh)):
            fresh = await self._waiting.thread(lambda: self._opened_again(fresh))
        persons = await self._waiting.blocking(tenure, lambda: self._resolve(fresh))
        try:
            made = await self._waiting.thread(lambda: self._judge(chain.memory, fresh, persons))
            await self._carrier.carry(tenure, chain, made)
        except BaseException:
            tenure.chain = None  # memory is ahead of the ledger now; whoever goes on starts from the ledger
            raise

    def _resolve(self, opened: Opening) -> Persons:
        for _, content in opened:
            for bundle in content.bundles if isinstance(content, Command) else ():
                self._parts.rules.keep(bundle)
        home = self._parts.opener.home
        return self._parts.people.resolve(
            named for record, content in opened for named in named_here(content, record.partition, home)
        )

    def _judge(self, memory: ChainMemory, opened: Opening, persons: Persons) -> Made:
        made = [
            (record, judge(record, content, memory, persons, self._parts.rules)) for record, content in opened
        ]
        memory.forget_old_sessions(made[-1][0].timestamp)
        return made


def _lacked_a_key(item: tuple[Record, Opened]) -> bool:
    opened = item[1]
    return isinstance(opened, Refusal) and opened.header is None and opened.reason in LACKED_A_KEY


def _slices(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Cut so that what is judged at once is some thousand events, however many records there are."""
    part: list[Record] = []
    size = 0
    for record in records:
        if part and size + len(record.value) > _SLICE_BYTES:
            yield part
            part, size = [], 0
        part.append(record)
        size += len(record.value)
    if part:
        yield part


def _runs(opened: Opening) -> Iterator[Opening]:
    """Cut where offsets do not follow each other."""
    run: Opening = []
    for item in opened:
        if run and item[0].offset != run[-1][0].offset + 1:
            yield run
            run = []
        run.append(item)
    if run:
        yield run
