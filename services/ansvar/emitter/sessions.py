"""The emitter's sessions with the intake: made when first needed, renewed in time, never shared by processes.

Invariants: a session's content key exists only here, in memory; nothing is sealed in a session 23 hours after
it began, which leaves an hour before it ends (`envelope.SESSION_LIFETIME_MS`) to deliver what was; a process
that was forked off gets none of its parent's.

Time and randomness are injected. Not handled here: batch numbers (each partition's sender counts).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from ansvar.emitter.errors import EmitterClosed
from ansvar.emitter.kit import ProducerKit
from ansvar.emitter.renewal import IntakeRenewal
from ansvar.events.envelope import ID_BYTES, KEY_BYTES, SESSION_LIFETIME_MS, Session, new_session

RENEW_AFTER_MS = SESSION_LIFETIME_MS - 3_600_000
_CLOCK_STEP_MS = 60_000  # a clock that is set back by less is being adjusted, not corrected

Clock = Callable[[], float]  # seconds since the Unix epoch
Randomness = Callable[[int], bytes]  # n -> n random bytes


class Sessions:
    """The session that all partitions of one emitter share at a time."""

    def __init__(
        self, kit: ProducerKit, clock: Clock, random: Randomness, renewal: IntakeRenewal | None = None
    ) -> None:
        self._kit = kit
        self._intake = renewal or IntakeRenewal(kit, {})
        self._asking = asyncio.Lock()
        self._clock = clock
        self._random = random
        self._process = os.getpid()
        self._current: Session | None = None

    @property
    def topic(self) -> str:
        """The topic that is sealed for."""
        return self._kit.topic

    @property
    def due(self) -> bool:
        """Whether the next record is sealed in a new session."""
        return self._current is None or self.is_due(self._current)

    async def prepare(self) -> None:
        """Before a new session is opened: ask which intake key is current."""
        async with self._asking:
            if self.due:
                await self._intake.look()

    def current(self) -> Session:
        """The session to seal with now, a new one if there is none or the last is due."""
        if os.getpid() != self._process:
            raise EmitterClosed(
                "a forked process must not go on in its parent's event loop; start a new loop"
            )
        if self._current is None or self.is_due(self._current):
            self._current = new_session(
                deployment=self._kit.deployment.bytes,
                producer=self._kit.producer,
                session=self._random(ID_BYTES),
                started=self._now(),
                epoch=self._intake.epoch,
                intake_key=self._intake.intake_key,
                signing_key=self._kit.signing_key,
                content_key=self._random(KEY_BYTES),
            )
        return self._current

    def retire(self, session: Session) -> None:
        """Seal with it no more, whatever the clock says later: a lane has closed it."""
        if self._current is session:
            self._current = None

    def is_due(self, session: Session) -> bool:
        """Whether a new session must follow: it is old, or the clock was set back to before it began."""
        return not -_CLOCK_STEP_MS <= self._age(session) < RENEW_AFTER_MS

    def is_usable(self, session: Session) -> bool:
        """Whether a record of the session may still be sent."""
        return self._age(session) < SESSION_LIFETIME_MS

    def seconds_until_due(self, session: Session) -> float:
        return max(0.0, (RENEW_AFTER_MS - self._age(session)) / 1000)

    def _age(self, session: Session) -> int:
        return self._now() - session.header.started

    def _now(self) -> int:
        return int(self._clock() * 1000)
