"""Which logs and witnesses someone trusts, and how many witnesses must have cosigned (C2SP tlog-policy).

Pure. A group only names what stands before it, so the quorum is worked out in one pass over the groups in
order, however deep they nest. Names are octets to the format; here they are text with bytes that are not
UTF-8 kept as surrogates, so different octets stay different names and errors show them escaped.

A witness counts once, by its key, and only with a cosignature that states a time: without one it does not
say that it knows no larger tree (tlog-cosignature), and a witness must not leave it out (tlog-witness).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ansvar.ledger.checkpoint import OpenedCheckpoint, Signed
from ansvar.ledger.errors import Malformed, NoQuorum
from ansvar.ledger.notes import ED25519, VerifierKey, decode_decimal

MAX_POLICY: Final = 1024 * 1024  # bytes
MAX_ENTRIES: Final = 1024  # logs, witnesses and groups; the specification asks for 32 of each
NONE: Final = "none"

_WHAT: Final = "trust policy"
_FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A log that is trusted; its key's name is its origin."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class WitnessEntry:
    """A witness, under the name that the policy calls it by (not its key's)."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Has witnessed a checkpoint when at least `threshold` of its members have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """Logs, witnesses, groups (each after its members) and the witness or group to have signed, or "none"."""

    logs: tuple[LogEntry, ...]
    witnesses: tuple[WitnessEntry, ...]
    groups: tuple[Group, ...]
    quorum: str

    @property
    def log_keys(self) -> tuple[VerifierKey, ...]:
        """The keys of all logs."""
        return tuple([log.key for log in self.logs])

    @property
    def witness_keys(self) -> tuple[VerifierKey, ...]:
        """The keys of all witnesses, in the quorum or not."""
        return tuple([witness.key for witness in self.witnesses])

    def satisfied_by(self, signed: Iterable[Signed]) -> bool:
        """Whether these verified signatures are a quorum."""
        return self.quorum == NONE or self.quorum in self._met(signed)

    def check(self, opened: OpenedCheckpoint) -> None:
        """Raise NoQuorum, naming the witnesses that could still fill it, unless enough have cosigned.

        `opened` must have been opened with this policy's `witness_keys`.
        """
        if self.satisfied_by(opened.signed):
            return
        met = self._met(opened.signed)
        wanted = {self.quorum}
        for group in reversed(self.groups):
            if group.name in wanted - met:
                wanted.update(group.members)
        missing = [repr(w.name) for w in self.witnesses if w.name in wanted - met]
        raise NoQuorum(
            f"checkpoint of {opened.checkpoint.origin!r}, size {opened.checkpoint.size}: the quorum"
            f" {self.quorum!r} is not met; no timestamped cosignature of the witnesses {', '.join(missing)}"
        )

    def _met(self, signed: Iterable[Signed]) -> set[str]:
        """The witnesses and groups that have witnessed."""
        keys = {s.key for s in signed if s.time}
        met = {witness.name for witness in self.witnesses if witness.key in keys}
        for group in self.groups:
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return met

    def encode(self) -> bytes:
        """The policy as a file, without comments; `all` and `any` become numbers."""
        lines = [["log", str(log.key), log.url or ""] for log in self.logs]
        lines += [["witness", w.name, str(w.key), w.url or ""] for w in self.witnesses]
        lines += [["group", group.name, str(group.threshold), *group.members] for group in self.groups]
        lines += [["quorum", self.quorum]]
        text = "".join([" ".join(line).rstrip(" ") + "\n" for line in lines])
        return text.encode("utf-8", "surrogateescape")

    @classmethod
    def parse(cls, data: bytes) -> TrustPolicy:
        """The policy that a file states. Raises Malformed with the number of the line that is wrong."""
        if len(data) > MAX_POLICY:
            raise Malformed(_WHAT, "length", f"{len(data)} bytes, at most {MAX_POLICY} are read")
        if forbidden := _FORBIDDEN.search(data):
            where = f"line {data.count(10, 0, forbidden.start()) + 1}"
            raise Malformed(_WHAT, where, f"control character 0x{forbidden[0][0]:02x}")
        if data and not data.endswith(b"\n"):  # else a file that was cut short could name another quorum
            raise Malformed(_WHAT, f"line {data.count(10) + 1}", "the last line does not end with a newline")
        reader = _Reader()
        for number, line in enumerate(data.split(b"\n"), 1):
            items = line.decode("utf-8", "surrogateescape").replace("\t", " ").split(" ")
            words = [item for item in items if item]
            if words and not words[0].startswith("#"):
                reader.line = f"line {number}"
                reader.read(words)
        if reader.quorum is None:
            raise Malformed(_WHAT, "end", "no quorum line; write 'quorum none' to ask for no cosignature")
        return cls(tuple(reader.logs), tuple(reader.witnesses), tuple(reader.groups), reader.quorum)


NO_WITNESSES: Final = TrustPolicy((), (), (), NONE)


class _Reader:
    """A policy file read so far."""

    def __init__(self) -> None:
        self.line = ""
        self.logs: list[LogEntry] = []
        self.witnesses: list[WitnessEntry] = []
        self.groups: list[Group] = []
        self.quorum: str | None = None
        self._defined: set[str] = set()
        self._members: set[str] = set()
        self._log_publics: set[bytes] = set()
        self._witness_publics: set[bytes] = set()

    def read(self, words: list[str]) -> None:
        """Take the words of one line."""
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self.logs.append(LogEntry(self._key(vkey, self._log_publics), *url))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._witness(name, vkey, url)
            case ["group", name, threshold, *members] if members:
                self._group(name, threshold, tuple(members))
            case ["quorum", name]:
                self._quorum(name)
            case _:
                raise self._malformed("not a log, witness, group or quorum line in full")
        if len(self.logs) + len(self.witnesses) + len(self.groups) > MAX_ENTRIES:
            raise self._malformed(f"more than {MAX_ENTRIES} logs, witnesses and groups")

    def _witness(self, name: str, vkey: str, url: list[str]) -> None:
        key = self._key(vkey, self._witness_publics)
        if key.kind == ED25519:
            raise self._malformed("the key of a witness must be of type 0x04 or 0x06, not 0x01")
        self._define(name)
        self.witnesses.append(WitnessEntry(name, key, *url))

    def _group(self, name: str, threshold: str, members: tuple[str, ...]) -> None:
        for member in members:
            if member not in self._defined:
                raise self._malformed(f"the member {member!r} is not defined on a line before")
            if member in self._members:
                raise self._malformed(f"the name {member!r} is a member twice")
            self._members.add(member)
        self._define(name)
        self.groups.append(Group(name, self._threshold(threshold, len(members)), members))

    def _threshold(self, text: str, members: int) -> int:
        if text in ("any", "all"):
            return 1 if text == "any" else members
        try:
            threshold = decode_decimal(text, _WHAT, self.line)
        except Malformed as error:
            raise self._malformed("a threshold is 'any', 'all' or a decimal") from error
        if not 1 <= threshold <= members:
            raise self._malformed(f"a threshold of {threshold} for {members} members")
        return threshold

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise self._malformed("a second quorum line")
        if name != NONE and name not in self._defined:
            raise self._malformed(f"the quorum {name!r} is not defined on a line before")
        self.quorum = name

    def _define(self, name: str) -> None:
        if name == NONE or name in self._defined:
            raise self._malformed(f"the name {name!r} is taken")
        self._defined.add(name)

    def _key(self, vkey: str, publics: set[bytes]) -> VerifierKey:
        try:
            key = VerifierKey.parse(vkey)
        except Malformed as error:
            raise self._malformed(f"{error.what}, {error.where}: {error.problem}") from error
        if key.public in publics:
            raise self._malformed("the same public key stands on a line before")
        publics.add(key.public)
        return key

    def _malformed(self, problem: str) -> Malformed:
        return Malformed(_WHAT, self.line, problem)
