"""Sending commands to chains: activations, findings, answers.

A command is a control record in a session of its own, which ends with a close record; numbers count per
partition from 0, as for batches. What was confirmed before an error stays sent: a command has one id, so
sending all of them again is harmless.

Not handled here: what a command says and does (`events.control`, the worker), who may send it (its kit).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable

from ansvar.emitter.errors import DeliveryFailed
from ansvar.emitter.kafka import KafkaSettings
from ansvar.emitter.kit import ProducerKit
from ansvar.emitter.sessions import Sessions
from ansvar.emitter.transport import NoLongerValid, Transport
from ansvar.events.codec import encode_close
from ansvar.events.control import Control, encode_control
from ansvar.events.envelope import RecordType, Session
from ansvar.events.schemas import current

_MAX_COMMAND = 20 << 20  # a bundle's canonical form has at most 16 MiB


async def send_commands(
    kit: ProducerKit, kafka: KafkaSettings, commands: Iterable[tuple[int, Control]]
) -> list[tuple[int, int]]:
    """Send (partition, command) in order; returns (partition, offset) of each, once Kafka has confirmed it.

    Raises `KafkaUnreachable` or `TopicMismatch`; later faults of the broker are waited out.
    """
    transport = Transport(kit.topic, kit.chains, kafka, f"ansvar-{kit.producer}", _MAX_COMMAND)
    await transport.start()
    try:
        sessions = Sessions(kit, time.time, os.urandom)
        session = sessions.current()
        sender = _Sender(kit.topic, transport, sessions, session)
        sent = [
            (partition, await sender.send(RecordType.CONTROL, partition, encode_control(command)))
            for partition, command in commands
        ]
        await sender.close()
        return sent
    finally:
        await transport.stop()


class _Sender:
    def __init__(self, topic: str, transport: Transport, sessions: Sessions, session: Session) -> None:
        self._topic = topic
        self._transport = transport
        self._sessions = sessions
        self._session = session
        self._next: Counter[int] = Counter()

    async def send(self, kind: RecordType, partition: int, body: bytes, number: int | None = None) -> int:
        if number is None:
            number = self._next[partition]
            self._next[partition] += 1
        schema = current(kind.name.lower()).fingerprint
        value = self._session.seal(kind, number, schema, body, self._topic, partition)
        try:
            return await self._transport.send(
                partition, value, lambda: self._sessions.is_usable(self._session)
            )
        except NoLongerValid:
            raise DeliveryFailed(
                "Kafka did not confirm a command within a day; send it again when it answers"
            ) from None

    async def close(self) -> None:
        """End the session on every partition that it was used on."""
        for partition, number in sorted(self._next.items()):
            await self.send(RecordType.CLOSE, partition, encode_close(number), 0)
