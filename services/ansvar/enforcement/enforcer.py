"""The micro-batch: records in, rows confirmed and effects carried out, or nothing acknowledged.

Invariants:
- `enforce` returns only when every record of a partition that is still ours is in the ledger, read back, and
  its effects are done. A partition that was released meanwhile is left as it is; its new owner goes on.
- The ledger is the truth: memory of a chain is made by `take_over` from the ledger and dropped whenever the
  chain's head or its effects are not where we left them.
- Rows that the ledger has already, but whose effects were not carried out, are recomputed by the same path,
  must be the same rows, and only their effects are done.
- Store, vault and broker failures are waited out in place with backoff, and said so.

Not handled here: Faust and partition assignment (`app`), what rows are (`judging`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby
from typing import Final, TypeVar
from uuid import UUID

from aiokafka.errors import KafkaError
from msgspec import Struct

from ansvar.deployment import Deployment
from ansvar.enforcement import metrics
from ansvar.enforcement.appending import Append, check_covered
from ansvar.enforcement.effects import Topics, messages
from ansvar.enforcement.errors import HeadMoved, Revoked
from ansvar.enforcement.founding import genesis
from ansvar.enforcement.health import Health
from ansvar.enforcement.judging import Judged, Rules, judge
from ansvar.enforcement.memory import ChainMemory
from ansvar.enforcement.opening import Batch, Opened, Opener, Record
from ansvar.enforcement.people import People, Persons, named_in
from ansvar.enforcement.ports import Publisher, TopicReader
from ansvar.enforcement.recovering import remember
from ansvar.enforcement.streams import check_stream
from ansvar.policy.verdict import Severity
from ansvar.store.errors import StoreError
from ansvar.store.ledger import MAX_BLOCK_ROWS, LedgerStore
from ansvar.vault.errors import EffectsMoved, VaultError
from ansvar.vault.vault import NONE_YET, Vault

log = logging.getLogger(__name__)
T = TypeVar("T")

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_RESUME_BATCH: Final = 100  # records read at once when memory had to be reloaded in mid-stream


class Parts(Struct, frozen=True, kw_only=True):
    """Everything an Enforcer works with; made once, where the process is wired."""

    deployment: Deployment
    ledger: LedgerStore
    vault: Vault
    people: People
    opener: Opener
    rules: Rules
    reader: TopicReader
    publisher: Publisher
    topics: Topics
    alert_on: Severity = "deny"


class _Chain:
    """One partition that is ours: memory, what the ledger has, and how far effects are."""

    def __init__(self, memory: ChainMemory, covered: int, through: int) -> None:
        self.memory = memory
        self.done_offset = memory.offset  # the last record whose rows and effects are done
        self.covered = covered  # seq of the ledger's last row when memory was made, or of our last append
        self.through = through  # seq of the last row whose effects are done


Made = list[tuple[Record, list[Judged]]]


class Enforcer:
    """Judges the records of the partitions it has taken over."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._chains: dict[int, _Chain] = {}
        self._released: dict[int, asyncio.Event] = {}
        self._waiting: dict[int, str] = {}  # partition -> what it waits for

    async def take_over(self, partition: int) -> int:
        """Make a partition ours: read its chain from the ledger; returns the offset to continue from.

        For a partition that is ours already it only says where we are. Raises StreamMismatch where the topic
        is not the one that the chain was fed from, Forked where the
        chain was founded by another deployment.
        """
        if partition in self._chains:
            return self._chains[partition].done_offset + 1
        self._released[partition] = asyncio.Event()
        resume = await self._reload(partition)
        log.info("partition %d: continuing at offset %d", partition, resume)
        return resume

    def release(self, partitions: Iterable[int]) -> None:
        """Give partitions up: waiting for them ends, nothing of them is acknowledged any more."""
        for partition in partitions:
            if partition in self._released:
                self._released[partition].set()
            self._chains.pop(partition, None)

    def health(self) -> Health:
        """Whether events are being processed: partitions are ours and no store keeps us waiting."""
        ours = len(self._chains)
        if self._waiting:
            return Health(False, "; ".join(sorted(set(self._waiting.values()))), ours)
        if ours == 0:
            return Health(False, "no partition is assigned to this worker yet", 0)
        return Health(True, "", ours)

    def done_offset(self, partition: int) -> int:
        """The offset of the last record taken all the way, -1 before the first or when it is not ours."""
        chain = self._chains.get(partition)
        return -1 if chain is None else chain.done_offset

    def owns(self, partition: int) -> bool:
        """Whether the partition is ours now."""
        return partition in self._chains

    async def enforce(self, records: Sequence[Record]) -> frozenset[int]:
        """Take records (of any partitions, each in offset order) all the way; returns the partitions done."""
        opened = await asyncio.to_thread(lambda: [(r, self._parts.opener.open(r)) for r in records])
        done = set()
        for partition, group in groupby(sorted(opened, key=_place), key=lambda item: item[0].partition):
            try:
                await self._partition(partition, list(group))
            except Revoked:
                log.info("partition %d was taken from us; its records are left to the new owner", partition)
            else:
                done.add(partition)
        return frozenset(done)

    async def _partition(self, partition: int, opened: list[tuple[Record, Opened]]) -> None:
        while True:
            try:
                await self._judged_and_kept(partition, opened)
            except (HeadMoved, EffectsMoved) as moved:
                log.warning("partition %d: %s; reading the chain again", partition, moved)
                resume = await self._reload(partition)
                await self._catch_up(partition, resume, opened[0][0].offset)
            else:
                return

    async def _catch_up(self, partition: int, start: int, end: int) -> None:
        """Take the records between a reloaded chain's resume point and the batch in hand."""
        while start < end:
            upto = min(end, start + _RESUME_BATCH)
            found = await self._parts.reader.records(partition, start, upto)
            opened = await asyncio.to_thread(lambda: [(r, self._parts.opener.open(r)) for r in found])  # noqa: B023 - awaited at once
            if opened:
                await self._judged_and_kept(partition, opened)
            start = upto

    async def _judged_and_kept(self, partition: int, opened: list[tuple[Record, Opened]]) -> None:
        chain = self._chains.get(partition)
        if chain is None:
            raise Revoked(f"partition {partition}")
        persons = await self._patiently(partition, lambda: self._resolve(partition, opened))
        try:
            made = await asyncio.to_thread(self._judge, chain.memory, opened, persons)
            for part in _blocks(made):
                await self._keep(partition, chain, part)
                await self._effects(partition, chain, part)
        except BaseException:
            # memory is ahead of the ledger now; whoever goes on starts from the ledger
            self._chains.pop(partition, None)
            raise

    def _resolve(self, partition: int, opened: Iterable[tuple[Record, Opened]]) -> Persons:
        return self._parts.people.resolve(
            (partition, identifier)
            for _, content in opened
            if isinstance(content, Batch)
            for place, event in enumerate(content.events)
            if place not in content.unfit
            for identifier in named_in(event)
        )

    def _judge(self, memory: ChainMemory, opened: Iterable[tuple[Record, Opened]], persons: Persons) -> Made:
        made = [
            (record, judge(record, content, memory, persons, self._parts.rules))
            for record, content in opened
            if record.offset > memory.offset
        ]
        if made:
            memory.forget_old_sessions(made[-1][0].timestamp)
        return made

    async def _keep(self, partition: int, chain: _Chain, made: Made) -> None:
        rows = [judged for _, judged_rows in made for judged in judged_rows]
        known = [judged for judged in rows if judged.row.seq <= chain.covered]
        if known:
            await self._patiently(partition, lambda: check_covered(self._parts.ledger, known))
        fresh = rows[len(known) :]
        if not fresh:
            return
        append = Append(self._parts.ledger, fresh)
        with metrics.APPEND_SECONDS.time():
            while not await self._patiently(partition, append.step):
                log.warning("partition %d: an append was reported but is not there; sent again", partition)
        chain.covered = fresh[-1].row.seq
        metrics.count(fresh)

    async def _effects(self, partition: int, chain: _Chain, made: Made) -> None:
        parts = self._parts
        deployment = UUID(bytes=parts.deployment.id)
        due = [
            message
            for record, rows in made
            for message in messages(
                deployment,
                record,
                [judged for judged in rows if judged.row.seq > chain.through],
                parts.topics,
                parts.alert_on,
            )
        ]
        if due:
            await self._patiently_async(partition, lambda: parts.publisher.publish(due))
            metrics.count_messages(due, parts.topics)
        last = made[-1][1][-1].row.seq
        if last > chain.through:
            memory, through = chain.memory, chain.through
            await self._patiently(partition, lambda: parts.vault.advance(memory.chain, through, last))
            chain.through = last
        chain.done_offset = made[-1][0].offset

    async def _reload(self, partition: int) -> int:
        """Read the chain from the ledger; returns the offset of the first record whose effects are due."""
        parts = self._parts
        self._chains.pop(partition, None)
        head = await self._patiently(partition, lambda: parts.ledger.head(partition))
        if head is None:
            append = Append(parts.ledger, [genesis(parts.deployment, partition)])
            while not await self._patiently(partition, append.step):
                log.warning("partition %d: the genesis was reported but is not there", partition)
            head = await self._patiently(partition, lambda: parts.ledger.head(partition))
            assert head is not None  # noqa: S101 - it was read back by the append
        await self._patiently(
            partition, lambda: check_covered(parts.ledger, [genesis(parts.deployment, partition)])
        )
        await self._patiently_async(partition, lambda: check_stream(parts.reader, partition, head.row))
        through = await self._patiently(
            partition, lambda: parts.vault.effects_through().get(partition, NONE_YET)
        )
        first = await self._patiently(
            partition, lambda: parts.ledger.first_of_record(partition, max(through + 1, 1), head.seq)
        )
        memory = await self._patiently(
            partition,
            lambda: remember(parts.ledger, partition, first, parts.deployment.recent_events),
        )
        await asyncio.to_thread(parts.rules.bundle, memory.policy)
        self._chains[partition] = _Chain(memory, head.seq, through)
        return memory.offset + 1

    async def _patiently(self, partition: int, call: Callable[[], T]) -> T:
        return await self._patiently_async(partition, lambda: asyncio.to_thread(call))

    async def _patiently_async(self, partition: int, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call until its store answers. Raises Revoked when the partition is released meanwhile."""
        released = self._released[partition]
        wait = _FIRST_WAIT
        while not released.is_set():
            try:
                return await call()
            except EffectsMoved:
                raise
            except (StoreError, VaultError, KafkaError, OSError) as error:
                self._waiting[partition] = str(error)
                metrics.WAITING.set(len(self._waiting))
                log.warning(
                    "partition %d: %s; waiting %.1f s, nothing is acknowledged", partition, error, wait
                )
                try:
                    await asyncio.wait_for(released.wait(), wait)
                except TimeoutError:
                    wait = min(wait * 2, _LONGEST_WAIT)
                finally:
                    self._waiting.pop(partition, None)
                    metrics.WAITING.set(len(self._waiting))
        raise Revoked(f"partition {partition}")


def _place(item: tuple[Record, Opened]) -> tuple[int, int]:
    return item[0].partition, item[0].offset


def _blocks(made: Made) -> Iterable[Made]:
    """Cut at record boundaries so that no append holds more rows than one block may."""
    block: Made = []
    rows = 0
    for record, judged in made:
        if block and rows + len(judged) > MAX_BLOCK_ROWS:
            yield block
            block, rows = [], 0
        block.append((record, judged))
        rows += len(judged)
    if block:
        yield block
