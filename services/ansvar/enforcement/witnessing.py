"""Asking witnesses to cosign a checkpoint (C2SP tlog-witness, call add-checkpoint).

Invariants: a cosignature is taken over only if it verifies under a key of the policy and states a time. All
witnesses are asked at once, each is waited for `timeout` seconds in all, and no more than 64 KiB of an answer
are read. Whatever a witness answers is a line in the result, never an error: one of them cannot stop the
others. A witness that knows a larger tree is never asked again with another size, so nothing here can help
a log to roll back unseen.

What an answer says is not repeated in messages, as it comes from outside. Whether the quorum is met is the
policy's to say (`TrustPolicy.satisfied_by`), and what to do without one the caller's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import httpx

from ansvar.ledger.checkpoint import Checkpoint, Signed, signatures_of
from ansvar.ledger.errors import BadSignature, Malformed
from ansvar.ledger.notes import Note, NoteSignature
from ansvar.ledger.trust import TrustPolicy, WitnessEntry
from ansvar.ledger.witness_protocol import AddCheckpoint, parse_cosignatures, parse_size

MAX_ANSWER: Final = 64 * 1024  # bytes

_RETRIES: Final = 2  # after a 409; a second one means that somebody else was faster
_MEANINGS: Final = {
    400: "the request is malformed",
    403: "it does not trust our log's key",
    404: "it does not know our log",
}

Consistency = Callable[[int], Awaitable[tuple[bytes, ...]]]
"""The consistency proof from a size to that of the checkpoint in hand."""


class Ahead(NamedTuple):
    """A witness that has cosigned a larger tree of this log than the checkpoint: the log was rolled back."""

    witness: str
    size: int


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What the witnesses made of a checkpoint. Witnesses go by the names that the policy gives them.

    `note` has the valid cosignatures added, `signed` says whose they are. `problems` has one line for each
    witness that did not cosign. Two sorts of these are not a matter of reaching a witness, and must be
    reported loudly: `ahead`, and `forked`, who say that the checkpoint does not extend what they cosigned.
    """

    note: Note
    signed: tuple[Signed, ...]
    problems: tuple[str, ...]
    ahead: tuple[Ahead, ...]
    forked: tuple[str, ...]


class Witnesses:
    """All witnesses of a policy. Raises Malformed where one has a URL that is not http or https.

    One checkpoint of an origin at a time, in order of size: else a witness seems to be ahead that is not.
    """

    def __init__(self, policy: TrustPolicy, *, timeout: float = 5.0) -> None:
        self._timeout = timeout
        self._mute = [witness for witness in policy.witnesses if witness.url is None]
        self._at: dict[str, list[WitnessEntry]] = {}  # a server may have several keys, each an entry
        for witness in policy.witnesses:
            if witness.url is not None:
                self._at.setdefault(_checked(witness.name, witness.url), []).append(witness)
        self._sizes: dict[tuple[str, str], int] = {}  # (URL, origin) -> size it is thought to have
        # A proxy's settings come from the environment: witnesses are outside the company.
        self._client = httpx.AsyncClient(timeout=timeout, headers={"accept-encoding": "identity"})

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def cosign(self, checkpoint: Checkpoint, note: Note, consistency: Consistency) -> Cosigned:
        """Ask all witnesses for cosignatures of the checkpoint; `note` is it, with the log's signatures.

        Raises what `consistency` raises, and Malformed if the note cannot hold that many signatures.
        """
        asked = [self._ask(url, checkpoint, note, consistency) for url in self._at]
        results = await asyncio.gather(*asked, return_exceptions=True)  # so that all have ended
        gathered = _Gathered()
        for witness in self._mute:
            gathered.refused(witness, "the policy has no URL for it")
        for members, result in zip(self._at.values(), results, strict=True):
            if isinstance(result, BaseException) and not isinstance(result, _Uncosigned):
                raise result
            for witness in members:
                if isinstance(result, _Uncosigned):
                    gathered.refused(witness, result.reason, result)
                else:
                    gathered.answered(witness, result, checkpoint, note)
        return gathered.cosigned(note)

    async def _ask(
        self, url: str, checkpoint: Checkpoint, note: Note, consistency: Consistency
    ) -> tuple[NoteSignature, ...]:
        """The signatures that the witness answers with, unchecked. Raises _Uncosigned."""
        place = (url, checkpoint.origin)
        # Above our size it would be a bad request; at our size it is told apart by what it answers.
        old = min(self._sizes.get(place, 0), checkpoint.size)
        left = self._timeout
        for _ in range(1 + _RETRIES):
            proof = await consistency(old) if 0 < old < checkpoint.size else ()
            body = AddCheckpoint(old, proof, note.encode()).encode()
            begun = asyncio.get_running_loop().time()
            status, answer = await self._post(url, body, left)
            left -= asyncio.get_running_loop().time() - begun  # our own work on the proof is not its fault
            try:
                if status == 200:
                    self._sizes[place] = checkpoint.size
                    return parse_cosignatures(answer)
                _raise_for(status)
                known = parse_size(answer)
            except Malformed as error:
                raise _Uncosigned(f"its answer ({status}) is not of the protocol") from error
            if known > checkpoint.size:
                raise _Uncosigned(f"it has cosigned size {known}, and ours is {checkpoint.size}", ahead=known)
            self._sizes[place] = known
            if known == old:
                raise _Uncosigned(f"it refuses size {old} as the old one, and says that it is the old one")
            old = known
        raise _Uncosigned(f"it named another old size {1 + _RETRIES} times")

    async def _post(self, url: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        """Status and body of the answer. Raises _Uncosigned."""
        received = bytearray()
        try:
            async with (
                asyncio.timeout(seconds),
                self._client.stream("POST", f"{url}/add-checkpoint", content=body) as response,
            ):
                async for chunk in response.aiter_raw():  # not decoded: few bytes could decode to very many
                    received += chunk
                    if len(received) > MAX_ANSWER:
                        raise _Uncosigned(f"its answer is longer than {MAX_ANSWER} bytes")
                return response.status_code, bytes(received)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise _Uncosigned(f"no answer within {self._timeout:g} s") from error
        except httpx.ConnectError as error:
            raise _Uncosigned("it cannot be reached") from error
        except httpx.HTTPError as error:
            raise _Uncosigned(f"the connection failed ({type(error).__name__})") from error


class _Uncosigned(Exception):
    """Why a witness did not cosign."""

    def __init__(self, reason: str, *, ahead: int | None = None, forked: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ahead = ahead
        self.forked = forked


class _Gathered:
    """The result so far."""

    def __init__(self) -> None:
        self._signatures: list[NoteSignature] = []
        self._signed: list[Signed] = []
        self._problems: list[str] = []
        self._ahead: list[Ahead] = []
        self._forked: list[str] = []

    def refused(self, witness: WitnessEntry, reason: str, why: _Uncosigned | None = None) -> None:
        self._problems.append(f"witness {witness.name!r}: {reason}")
        if why is not None and why.ahead is not None:
            self._ahead.append(Ahead(witness.name, why.ahead))
        if why is not None and why.forked:
            self._forked.append(witness.name)

    def answered(
        self, witness: WitnessEntry, signatures: Sequence[NoteSignature], checkpoint: Checkpoint, note: Note
    ) -> None:
        """Take over the signature of this witness's key, if it is a good one."""
        name, key_id = witness.key.name, witness.key.key_id
        mine = next((one for one in signatures if (one.name, one.key_id) == (name, key_id)), None)
        if mine is None:
            self.refused(witness, "its answer has no cosignature of the key that the policy names")
            return
        try:
            [signed] = signatures_of(Note(note.text, (mine,)), checkpoint, [witness.key])
        except BadSignature:
            self.refused(witness, "its cosignature does not verify")
            return
        if not signed.time:
            self.refused(witness, "its cosignature states no time")
            return
        self._signatures.append(mine)
        self._signed.append(signed)

    def cosigned(self, note: Note) -> Cosigned:
        return Cosigned(
            note.with_signatures(*self._signatures),
            tuple(self._signed),
            tuple(self._problems),
            tuple(self._ahead),
            tuple(self._forked),
        )


def _raise_for(status: int) -> None:
    """Raise _Uncosigned for every status but 409."""
    if status == 422:
        raise _Uncosigned("it answered 422: our checkpoint does not extend what it has cosigned", forked=True)
    if status != 409:
        meaning = f": {_MEANINGS[status]}" if status in _MEANINGS else ""
        raise _Uncosigned(f"it answered {status}{meaning}")


def _checked(name: str, url: str) -> str:
    """The URL without a slash at its end."""
    try:
        parsed = httpx.URL(url)
        usable = parsed.scheme in ("http", "https") and bool(parsed.host)
    except (httpx.InvalidURL, ValueError):
        usable = False
    if not usable:
        raise Malformed("trust policy", f"witness {name!r}", "its URL is not one of http or https")
    return url.rstrip("/")
