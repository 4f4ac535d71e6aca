"""Sealing what chains tell each other: the worker as a producer of its own.

Invariants: a session serves one sending chain, so a number that counts for a pair of chains is sealed once in
it; where rows are carried out again, they are sealed again in a new session, and the receiver tells them
apart by their numbers.

Not handled here: what is told (`linking`), when (`carrying`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator

from ansvar.emitter.kit import ProducerKit
from ansvar.emitter.sessions import Sessions
from ansvar.enforcement.effects import Message
from ansvar.enforcement.sheet import Judged
from ansvar.events.envelope import RecordType
from ansvar.events.forwarded import Forwarded, encode_forwarded
from ansvar.events.refusal import NumberReused
from ansvar.events.schemas import current


class Forwarder:
    """Seals for every chain of one worker; a session is made when a chain first tells something.

    `kit` reads the worker's kit: a session that is new or due is sealed to the intake key that stands there.
    """

    def __init__(self, kit: Callable[[], ProducerKit]) -> None:
        self._kit = kit
        self._sessions: dict[int, Sessions] = {}

    def messages(self, rows: Iterable[Judged]) -> Iterator[Message]:
        """What rows tell other chains, sealed, in their order."""
        for judged in rows:
            if judged.tells is not None:
                yield self._message(judged.row.chain, judged)

    def _message(self, chain: int, judged: Judged) -> Message:
        tells = judged.tells
        assert tells is not None  # noqa: S101 - the caller looked
        body = encode_forwarded(Forwarded(chain, judged.row.seq, tells.content))
        try:
            return self._sealed(chain, tells.chain, tells.number, body)
        except NumberReused:
            del self._sessions[chain]
            return self._sealed(chain, tells.chain, tells.number, body)

    def _sealed(self, chain: int, to: int, number: int, body: bytes) -> Message:
        sessions = self._sessions.get(chain)
        if sessions is None or sessions.due:
            sessions = self._sessions[chain] = Sessions(self._kit(), time.time, os.urandom)
        topic, schema = sessions.topic, current("forwarded").fingerprint
        sealed = sessions.current().seal(RecordType.FORWARDED, number, schema, body, topic, to)
        return Message(topic, sealed, to)
