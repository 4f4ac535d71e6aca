"""Carrying judged rows into the ledger and their effects out of it, and reading where that stopped.

Invariants:
- Rows go in before their effects go out; `effects_through` in the vault moves after the broker acknowledged.
- A chain's tree grows by rows that were read back, with the leaves that we sealed, not those we are told.
- Rows that the ledger has already are recomputed, must be the same, and only their effects are carried out.
- Rows that nobody has signed yet are recomputed before they are: a tail that was put there is not signed for.
- Effects that can no longer be recomputed, because the broker has dropped their records, are said to be lost,
  once, by an alert.

Not handled here: which records, in which order (`enforcer`), what rows are (`judging`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from itertools import takewhile
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from ansvar.deployment import Deployment
from ansvar.enforcement import metrics
from ansvar.enforcement.appending import Append, check_covered
from ansvar.enforcement.effects import Message, Topics, alerts, messages
from ansvar.enforcement.errors import EnforcementError, Forked, RolledBack
from ansvar.enforcement.forwarding import Forwarder
from ansvar.enforcement.founding import genesis
from ansvar.enforcement.judging import Rules
from ansvar.enforcement.memory import ChainMemory
from ansvar.enforcement.opening import Opener, Record
from ansvar.enforcement.people import People
from ansvar.enforcement.ports import Publisher, TopicReader
from ansvar.enforcement.recovering import remember
from ansvar.enforcement.sheet import Judged
from ansvar.enforcement.streams import check_stream
from ansvar.enforcement.trees import ChainTrees
from ansvar.enforcement.waiting import Tenure, Waiting
from ansvar.ledger.row import Row
from ansvar.ledger.tiles import Frontier
from ansvar.policy.verdict import Finding, Severity
from ansvar.store.ledger import MAX_BLOCK_ROWS, Head, LedgerStore
from ansvar.vault.vault import NONE_YET, Vault

log = logging.getLogger(__name__)

Made = list[tuple[Record, list[Judged]]]


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
    trees: ChainTrees
    forwarder: Forwarder | None = None  # without one, no chain has anything to tell another
    alert_on: Severity = "deny"


class Chain:
    """Where one chain stands: memory, the ledger's last row, the tree over all rows, how far effects are."""

    def __init__(self, memory: ChainMemory, head: Row, tree: Frontier, through: int) -> None:
        self.memory = memory
        self.head = head
        self.tree = tree
        self.through = through  # seq of the last row whose effects are done
        self.done_offset = memory.offset  # the last record whose rows and effects are done


class Carrier:
    """Carries for every chain; holds nothing of any."""

    def __init__(self, parts: Parts, waiting: Waiting) -> None:
        self._parts = parts
        self._waiting = waiting

    async def carry(self, tenure: Tenure, chain: Chain, made: Made) -> None:
        """Rows into the ledger, then effects, in blocks that the ledger takes whole.

        Raises HeadMoved or EffectsMoved when another worker has the chain, Forked when the ledger holds
        other rows for these records, Revoked when the tenure ended.
        """
        for block in _blocks(made):
            await self._keep(tenure, chain, block)
            await self._carry_out(tenure, chain, block)

    async def read(self, tenure: Tenure) -> Chain:
        """Read a chain, found it if it has no row.

        Its memory ends before the first record whose rows have effects due or are not signed yet.

        Raises StreamMismatch where the topic is not the one that the chain was fed from, Forked where another
        deployment founded the chain or its rows are not those that were signed, RolledBack where it ends
        before rows that were confirmed or signed once, Revoked when the tenure ended.
        """
        parts, partition = self._parts, tenure.partition
        ask = partial(self._waiting.blocking, tenure)
        # Rows go in before a checkpoint is signed and before `through` moves: what is read after these two is
        # never behind them, whoever else is at it.
        newest = await ask(lambda: parts.trees.newest(partition))
        through = await ask(lambda: parts.vault.effects_through().get(partition, NONE_YET))
        last = await ask(lambda: parts.ledger.last_seq(partition))
        if through > last:
            raise RolledBack(
                f"chain {partition} ends at row {last}, but rows up to {through} were confirmed once: rows "
                "were removed, or an older ledger was put in place. Nothing is added to it. Bring the ledger "
                "back, and run: ansvar verify"
            )
        head = await self._head(tenure)
        await ask(lambda: check_covered(parts.ledger, [genesis(parts.deployment, partition)]))
        tree = await ask(lambda: parts.trees.take_up(partition, newest, head.seq + 1))
        await self._waiting.patiently(tenure, lambda: check_stream(parts.reader, partition, head.row))
        through = await self._after_lost(tenure, head, through)
        certain = through if newest is None else min(through, newest.size - 1)
        certain = await self._after_expired(tenure, head, certain)
        first = await ask(lambda: parts.ledger.first_of_record(partition, max(certain + 1, 1), head.seq))
        if first > head.seq:
            parts.trees.grew(partition, tree)
        memory = await ask(lambda: remember(parts.ledger, partition, first, parts.deployment.recent_events))
        await ask(lambda: parts.rules.bundle(memory.policy))
        parts.opener.learn(memory.registry.every_key())
        return Chain(memory, head.row, tree, through)

    async def _head(self, tenure: Tenure) -> Head:
        parts, partition = self._parts, tenure.partition
        head = await self._waiting.blocking(tenure, lambda: parts.ledger.head(partition))
        if head is None:
            await self._append(tenure, [genesis(parts.deployment, partition)])
            head = await self._waiting.blocking(tenure, lambda: parts.ledger.head(partition))
        if head is None:
            raise EnforcementError(
                f"chain {partition}: its genesis was read back, but now the chain has no row. "
                "Something removes rows; run: ansvar verify"
            )
        return head

    async def _after_lost(self, tenure: Tenure, head: Head, through: int) -> int:
        """Go past the rows whose effects are due but whose records have expired; the new `through`."""
        rows = await self._expired(tenure, head, through)
        if not rows:
            return through
        await self._alarm(
            tenure,
            rows[0],
            "log.effects_lost",
            f"alerts and dead letters of rows {rows[0].seq} to {rows[-1].seq} may be missing: "
            "their records expired before they were carried out",
        )
        await self._advance(tenure, through, rows[-1].seq)
        return rows[-1].seq

    async def _after_expired(self, tenure: Tenure, head: Head, certain: int) -> int:
        """Go past the rows that nobody signed and whose records have expired; the new `certain`."""
        rows = await self._expired(tenure, head, certain)
        if not rows:
            return certain
        await self._alarm(
            tenure,
            rows[0],
            "log.unsigned",
            f"rows {rows[0].seq} to {rows[-1].seq} were not signed before their records expired, so they "
            "cannot be recomputed and are taken as they stand",
        )
        return rows[-1].seq

    async def _expired(self, tenure: Tenure, head: Head, after: int) -> list[Row]:
        """The rows next after a seq whose records the broker has dropped."""
        parts, partition = self._parts, tenure.partition
        if after >= head.seq or head.seq == 0:
            return []
        bounds = await self._waiting.patiently(tenure, lambda: parts.reader.bounds(partition))

        def expired() -> list[Row]:
            rows = (row for row, _ in parts.ledger.rows(partition, max(after + 1, 1), head.seq + 1))
            return list(takewhile(lambda row: row.offset < bounds.start, rows))

        return await self._waiting.blocking(tenure, expired)

    async def _alarm(self, tenure: Tenure, row: Row, rule: str, text: str) -> None:
        """Publish an alert about the log itself, at a row."""
        parts = self._parts
        log.warning("chain %d: %s", tenure.partition, text)
        told = Judged(replace(row, kind="finding"), b"", (Finding(rule, "-", "deny", text),))
        found = alerts(UUID(bytes=parts.deployment.id), told, "deny")
        await self._publish(tenure, [Message(parts.topics.alerts, alert) for alert in found])

    async def _keep(self, tenure: Tenure, chain: Chain, made: Made) -> None:
        rows = [judged for _, judged_rows in made for judged in judged_rows]
        known = [judged for judged in rows if judged.row.seq <= chain.head.seq]
        if known:
            await self._waiting.blocking(tenure, lambda: check_covered(self._parts.ledger, known))
            self._check_end(tenure, chain, made, known[-1].row.seq)
        fresh = rows[len(known) :]
        if not fresh:
            return
        with metrics.APPEND_SECONDS.time():
            await self._append(tenure, fresh)
        await self._waiting.thread(lambda: chain.tree.extend([judged.leaf for judged in fresh]))
        self._parts.trees.grew(tenure.partition, chain.tree)
        chain.head = fresh[-1].row
        metrics.count(fresh)

    def _check_end(self, tenure: Tenure, chain: Chain, made: Made, seq: int) -> None:
        """Once the head's record is recomputed, no row may be left that it does not give; else Forked."""
        if seq == chain.head.seq:
            self._parts.trees.grew(tenure.partition, chain.tree)
        elif made[-1][0].offset >= chain.head.offset:
            raise Forked(
                f"chain {tenure.partition}, seq {seq + 1}: forked: the ledger has rows that no record gives. "
                "Stop all workers and run: ansvar verify"
            )

    async def _append(self, tenure: Tenure, rows: list[Judged]) -> None:
        append = Append(self._parts.ledger, rows)
        while not await self._waiting.blocking(tenure, append.step):
            log.warning("partition %d: an append was reported but is not there; sent again", tenure.partition)

    async def _carry_out(self, tenure: Tenure, chain: Chain, made: Made) -> None:
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
        if parts.forwarder is not None:
            fresh = [judged for _, rows in made for judged in rows if judged.row.seq > chain.through]
            due += parts.forwarder.messages(fresh)
        if due:
            await self._publish(tenure, due)
        last = made[-1][1][-1].row.seq
        if last > chain.through:
            await self._advance(tenure, chain.through, last)
            chain.through = last
        chain.done_offset = made[-1][0].offset

    async def _publish(self, tenure: Tenure, due: list[Message]) -> None:
        await self._waiting.patiently(tenure, lambda: self._parts.publisher.publish(due))
        metrics.count_messages(due, self._parts.topics)

    async def _advance(self, tenure: Tenure, through: int, last: int) -> None:
        vault = self._parts.vault
        await self._waiting.blocking(tenure, lambda: vault.advance(tenure.partition, through, last))


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
