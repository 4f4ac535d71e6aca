"""Signing, witnessing and publishing the checkpoints of a worker's chains.

Invariants:
- Only confirmed rows are signed for (`trees`), and tiles are kept before the checkpoint that rests on them.
- What the store says was signed or published counts only if the signatures on it say so too.
- What goes wrong with one chain keeps no other from its checkpoint, unless it is the store as a whole.
- A checkpoint is published when the witness policy is met, not before; one that is not is kept all the same,
  for verification here. Without a policy every checkpoint is published.
- A checkpoint comes at most `every_seconds` or `every_rows` rows after the first row it is due for, whichever
  is earlier, as long as store and keys answer. A last `write` at the end covers every row.
- A log that stays unwitnessed, of which a witness has seen more than there is, or whose history a witness
  refuses, is told by an alert, once each time that it begins.

Not handled here: what is signed (`ledger.checkpoint`), asking witnesses (`witnessing`), reading (`store`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from ansvar.enforcement import metrics
from ansvar.enforcement.ports import CheckpointSigner
from ansvar.enforcement.trees import ChainTrees, Tip
from ansvar.enforcement.waiting import happens
from ansvar.enforcement.witnessing import Ahead, Cosigned, Witnesses
from ansvar.keyfiles import KeyFileError
from ansvar.ledger.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint
from ansvar.ledger.errors import LedgerError
from ansvar.ledger.notes import Note
from ansvar.ledger.trust import NO_WITNESSES, TrustPolicy
from ansvar.policy.verdict import Finding
from ansvar.store.checkpoints import Checkpoints, Stored
from ansvar.store.errors import StoreError

log = logging.getLogger(__name__)

Tell = Callable[[int, int, Finding], Awaitable[bool]]  # chain, seq, what is wrong; whether it was told
_LOOKS: Final = 10  # in `every_seconds`, at the rows that wait


class Pace(Struct, frozen=True):
    """How often: seconds and rows between checkpoints, and how long one may stay unwitnessed (seconds)."""

    seconds: float = 10.0
    rows: int = 100_000
    unwitnessed: float = 300.0


class _Standing:
    """What is known of one chain's checkpoints."""

    def __init__(self, signed: int, published: int) -> None:
        self.signed = signed  # size of the newest checkpoint
        self.published = published
        self.unwitnessed_since: float | None = None
        self.told: set[str] = set()


class Checkpointer:
    """Writes the checkpoints of one worker. `anchor` keeps published ones where a customer can copy them."""

    def __init__(
        self,
        trees: ChainTrees,
        checkpoints: Checkpoints,
        signer: CheckpointSigner,
        tell: Tell,
        *,
        pace: Pace | None = None,
        policy: TrustPolicy = NO_WITNESSES,
        witnesses: Witnesses | None = None,
        anchor: Callable[[Sequence[Stored]], None] | None = None,
    ) -> None:
        self._trees, self._checkpoints, self._signer, self._tell = trees, checkpoints, signer, tell
        self._pace = Pace() if pace is None else pace
        self._policy, self._witnesses, self._anchor = policy, witnesses, anchor
        self._standing: dict[int, _Standing] = {}
        self._writing = asyncio.Lock()

    async def run(self, stop: asyncio.Event) -> None:
        """Write checkpoints as they fall due until it is to stop. A store that is away is waited for."""
        looks = 0
        while not await happens(stop, self._pace.seconds / _LOOKS):
            looks += 1
            if looks < _LOOKS and not any(map(self._many, self._trees.tips())):
                continue
            looks = 0
            try:
                await self.write()
            except StoreError as error:
                log.warning("no checkpoint could be written, tried again soon: %s", error)

    async def write(self) -> list[Stored]:
        """Write what is due now; returns it. Raises StoreError, KeyFileError."""
        async with self._writing:
            tips = self._trees.tips()
            await asyncio.to_thread(self._learn, tips)
            due = [tip for tip in tips if tip.size > self._standing[tip.chain].published]
            if not due and not any(tip.tiles for tip in tips):
                return []
            now = time.time_ns() // 1_000_000
            signed = await asyncio.to_thread(self._sign, tips, due, now)
            asked = await asyncio.gather(*map(self._cosign, due, signed), return_exceptions=True)
            cosigned = [_answered(each) for each in asked]  # once all have ended: one at a time is asked for
            written = [
                Stored(tip.chain, tip.size, now, met, note.encode())
                for tip, (note, met) in zip(due, cosigned, strict=True)
                if met or tip.size > self._standing[tip.chain].signed  # the same one again says nothing new
            ]
            await asyncio.to_thread(self._keep, written)
            return written

    def _learn(self, tips: Sequence[Tip]) -> None:
        """Read what was signed and published of chains that are new here."""
        for chain in [tip.chain for tip in tips if tip.chain not in self._standing]:
            self._standing[chain] = _Standing(self._signed(chain), self._published(chain))

    def _many(self, tip: Tip) -> bool:
        known = self._standing.get(tip.chain)
        return tip.size - (0 if known is None else known.signed) >= self._pace.rows

    def _signed(self, chain: int) -> int:
        """The size of the newest checkpoint in the store, 0 where there is none that this log signed."""
        opened = self._opened(chain, self._checkpoints.newest(chain))
        return 0 if opened is None else opened.checkpoint.size

    def _published(self, chain: int) -> int:
        """The size of the newest published checkpoint, 0 where there is none that meets the policy."""
        opened = self._opened(chain, self._checkpoints.newest(chain, published=True))
        met = opened is not None and self._policy.satisfied_by(opened.signed)
        return opened.checkpoint.size if opened is not None and met else 0

    def _opened(self, chain: int, stored: Stored | None) -> OpenedCheckpoint | None:
        if stored is None:
            return None
        try:
            keys, origin = self._signer.public(chain), self._signer.origin(chain)
            return open_checkpoint(stored.note, keys, self._policy.witness_keys, origin)
        except LedgerError as error:
            log.warning("chain %d: a checkpoint in the store is not believed: %s", chain, error)
            return None

    def _sign(self, tips: Sequence[Tip], due: Sequence[Tip], now: int) -> list[Note]:
        with metrics.CHECKPOINT_SECONDS.time():
            self._trees.keep(tips)
            return [self._signer.sign(tip.chain, tip.size, tip.root, now // 1000) for tip in due]

    def _keep(self, written: Sequence[Stored]) -> None:
        with metrics.CHECKPOINT_SECONDS.time():
            self._checkpoints.keep(written)
        for stored in written:
            known = self._standing[stored.chain]
            known.signed = stored.size
            if stored.published:
                known.published = stored.size
                metrics.CHECKPOINTS.inc()
        if self._anchor is not None:
            try:
                self._anchor([stored for stored in written if stored.published])
            except KeyFileError as error:  # the checkpoints stand all the same
                log.warning("a checkpoint could not be kept beside the ledger: %s", error)

    async def _cosign(self, tip: Tip, note: Note) -> tuple[Note, bool]:
        """The note with what witnesses added, and whether the policy is met."""
        if self._witnesses is None:
            return note, self._policy.satisfied_by(())
        checkpoint = Checkpoint(self._signer.origin(tip.chain), tip.size, tip.root)

        async def consistency(old: int) -> tuple[bytes, ...]:
            return await asyncio.to_thread(self._trees.consistency, tip.chain, old, tip.size)

        try:
            cosigned = await self._witnesses.cosign(checkpoint, note, consistency)
        except StoreError as error:  # of this chain's tiles, it may be
            cosigned = Cosigned(note, (), (str(error),), (), ())
        met = self._policy.satisfied_by(cosigned.signed)
        if not met and not cosigned.forked and await asyncio.to_thread(self._overtaken, tip):
            return note, False
        await self._watch(tip, cosigned, met)
        return cosigned.note, met

    def _overtaken(self, tip: Tip) -> bool:
        """Whether the worker that took a chain over has published as much of it; then nothing is due here."""
        published, known = self._published(tip.chain), self._standing[tip.chain]
        if published < tip.size:
            return False
        known.published, known.signed = published, max(known.signed, published)
        known.unwitnessed_since = None
        return True

    async def _watch(self, tip: Tip, cosigned: Cosigned, met: bool) -> None:
        """Tell what is wrong with the witnessing of a chain, and note what is right again."""
        known, now = self._standing[tip.chain], time.monotonic()
        wrong: dict[str, str] = {}
        if met:
            known.unwitnessed_since = None
        elif known.unwitnessed_since is None:
            known.unwitnessed_since = now
        since = known.unwitnessed_since
        if since is not None and now - since >= self._pace.unwitnessed:
            wrong["log.unwitnessed"] = (
                f"for {now - since:.0f} s no checkpoint had its quorum of witnesses, and none is published: "
                + "; ".join(cosigned.problems)
            )
        if ahead := await asyncio.to_thread(self._ahead, tip, cosigned.ahead):
            wrong["log.rolled_back"] = f"{ahead}: rows were removed, or an older ledger was put in place"
        if cosigned.forked:
            wrong["log.forked"] = f"what is here does not extend what {', '.join(cosigned.forked)} cosigned"
        known.told &= wrong.keys()
        for rule in wrong.keys() - known.told:
            log.error("chain %d: %s: %s", tip.chain, rule, wrong[rule])
            if await self._tell(tip.chain, tip.size - 1, Finding(rule, "-", "deny", wrong[rule])):
                known.told.add(rule)

    def _ahead(self, tip: Tip, ahead: Sequence[Ahead]) -> str:
        """Who has seen more of the chain than there is; a worker that took it over may have added to it."""
        if not ahead:
            return ""
        size = max(self._signed(tip.chain), tip.size)
        seen = [
            f"{one.witness} cosigned {one.size} rows, there are {size}" for one in ahead if one.size > size
        ]
        return ", ".join(seen)


def _answered(result: tuple[Note, bool] | BaseException) -> tuple[Note, bool]:
    if isinstance(result, BaseException):
        raise result
    return result
