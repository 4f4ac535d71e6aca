"""The intake key that a producer seals its next session to: its kit's, until there is a newer one.

Invariants: a key is believed only if the log key that the kit pins signed it for the kit's deployment; an
epoch is never followed by a lower one. What cannot be fetched or believed changes nothing and is logged: the
producer goes on with the key that it has, and the worker refuses it once that epoch is closed for long. A kit
that pins no key never asks.

Not handled here: when a session is renewed (`sessions`).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from ansvar.emitter.kit import ProducerKit
from ansvar.events.intake import IntakePublicKey
from ansvar.events.intake_statement import MAX_STATEMENT, BadStatement, checked_statement

SOURCE_VARIABLE: Final = "ANSVAR_INTAKE_KEY"
_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


class IntakeRenewal:
    """The current epoch and intake key of one producer."""

    def __init__(self, kit: ProducerKit, environment: Mapping[str, str] | None = None) -> None:
        given = (os.environ if environment is None else environment).get(SOURCE_VARIABLE)
        self._kit = kit
        self._source = given or kit.intake_source
        self.epoch: int = kit.epoch
        self.intake_key: IntakePublicKey = kit.intake_key
        if self._source is not None and kit.log_key is None:
            log.warning("the producer kit pins no log key, so no new intake key is taken from anywhere")

    async def look(self) -> None:
        """Take the current key from the source, if there is one and it can be believed."""
        if self._source is None or self._kit.log_key is None:
            return
        try:
            content = await asyncio.to_thread(_fetched, self._source)
            stated = checked_statement(content, self._kit.log_key, self._kit.deployment)
            key = stated.public_key
        except (OSError, HTTPException, ValueError, BadStatement) as error:
            log.warning("the intake key of epoch %d is kept: %s: %s", self.epoch, self._source, error)
            return
        if stated.epoch > self.epoch:
            log.info("the next sessions are sealed to the intake key of epoch %d", stated.epoch)
            self.epoch, self.intake_key = stated.epoch, key


def _fetched(source: str) -> bytes:
    if source.startswith(("http://", "https://")):
        with urlopen(source, timeout=_SECONDS) as answer:  # noqa: S310 - the scheme was just looked at
            content: bytes = answer.read(MAX_STATEMENT + 1)
        return content
    with Path(source).expanduser().open("rb") as file:
        return file.read(MAX_STATEMENT + 1)
