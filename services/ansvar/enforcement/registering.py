"""Which producers and intake epochs are good at a place in a chain: a fold over `genesis` and `keys` rows.

Pure. Memory, recovery, replay and the evidence bundle's re-execution all fold by this, so a verdict's scope
and a refusal are those of the row's place, whenever they are worked out. Rows hold public keys only.

Not handled here: which record is refused for it (`admitting`), who may send such commands and what the
operator signed (`opening`).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from ansvar.deployment import CONTROL, RegisteredProducer, from_record
from ansvar.enforcement.rows import extra_of
from ansvar.events.control import KeyCommand
from ansvar.events.envelope import SESSION_LIFETIME_MS, SESSION_TOLERANCE_MS
from ansvar.events.key_commands import CloseEpoch, KeysChanged, OpenEpoch, RegisterProducer, RevokeProducer
from ansvar.ledger.row import Row
from ansvar.policy.case import ProducerScope

# A session that was opened just before its epoch was closed lives on, and its last record is on its way.
GRACE_MS: Final = SESSION_LIFETIME_MS + SESSION_TOLERANCE_MS
REGISTERING: Final = ("genesis", "keys")  # the kinds of rows that are folded


class Epoch(Struct, frozen=True):
    """An intake epoch: its public key, and broker times in ms since 1970 of the rows about it."""

    key: bytes
    opened_at: int
    closed_at: int | None = None
    destroy_at: int | None = None  # as the closing command states it
    destroyed_at: int | None = None

    def takes(self, at: int) -> bool:
        """Whether a record that the broker took at a time is still taken."""
        return self.closed_at is None or at <= self.closed_at + GRACE_MS


class Registry(Struct):
    """Producers and epochs after some row of a chain.

    `producers` are those registered there, and `scopes` what they may claim; `keys` is every key that a name
    had up to there.
    """

    producers: dict[str, RegisteredProducer] = field(default_factory=dict)
    keys: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    epochs: dict[int, Epoch] = field(default_factory=dict)
    scopes: dict[str, ProducerScope] = field(default_factory=dict)

    def took(self, row: Row) -> None:
        """Fold one row; rows of other kinds change nothing."""
        if row.kind == "genesis" and row.extra:
            founded = from_record(row.extra.encode())
            for producer in founded.producers:
                self._register(producer)
            self.epochs[founded.epoch] = Epoch(founded.intake, founded.founded_at)
        elif row.kind == "keys":
            self._changed(extra_of(row), row.recorded_at)

    def every_key(self) -> Iterator[tuple[str, bytes]]:
        """Every (name, key) that was ever registered."""
        return ((name, key) for name, keys in self.keys.items() for key in keys)

    def unfit(self, command: KeyCommand) -> str | None:
        """Why a command cannot be carried out here, None where it can."""
        match command:
            case RegisterProducer(name=name):
                if CONTROL not in command.kinds and self.only_controller(name):
                    return f"{name!r} is the only producer that may send commands; register another first"
            case RevokeProducer(name=name):
                if name not in self.producers:
                    return f"no producer {name!r} is registered"
                if self.only_controller(name):
                    return f"{name!r} is the only producer that may send commands; register another first"
            case OpenEpoch(epoch=epoch):
                if epoch <= max(self.epochs, default=-1):
                    return f"epoch {epoch} is not above every epoch before it"
            case CloseEpoch(epoch=epoch):
                if epoch not in self.epochs or self.epochs[epoch].closed_at is not None:
                    return f"epoch {epoch} is not open"
                if sum(one.closed_at is None for one in self.epochs.values()) == 1:
                    return f"epoch {epoch} is the only one that is open; open another first"
            case KeysChanged():
                pass
        return None

    def only_controller(self, name: str) -> bool:
        """Whether nobody but this producer may send commands."""
        return [one.name for one in self.producers.values() if CONTROL in one.kinds] == [name]

    def _register(self, producer: RegisteredProducer) -> None:
        name = producer.name
        self.producers[name] = producer
        self.scopes[name] = ProducerScope(frozenset(producer.systems), frozenset(producer.kinds))
        if producer.key not in self.keys.get(name, ()):
            self.keys[name] = (*self.keys.get(name, ()), producer.key)

    def _changed(self, told: Mapping[str, Any], at: int) -> None:
        match told["what"], told["change"]:
            case "producer", "registered":
                words = tuple(told["systems"]), tuple(told["kinds"])
                self._register(RegisteredProducer(told["name"], base64.b64decode(told["key"]), *words))
            case "producer", "revoked":
                self.producers.pop(told["name"], None)
                self.scopes.pop(told["name"], None)
            case "intake", "opened":
                self.epochs[told["epoch"]] = Epoch(base64.b64decode(told["key"]), at)
            case "intake", "closed":
                self._epoch(told["epoch"], closed_at=at, destroy_at=told["destroy_at"])
            case "intake", "destroyed":
                self._epoch(told["epoch"], destroyed_at=at)

    def _epoch(self, number: int, **changes: int) -> None:
        if number in self.epochs:
            self.epochs[number] = replace(self.epochs[number], **changes)


def facts(command: KeyCommand) -> dict[str, Any]:
    """What the `keys` row of a command says in `extra`: public facts only."""
    match command:
        case RegisterProducer():
            words = {"systems": list(command.systems), "kinds": list(command.kinds)}
            key = base64.b64encode(command.key).decode()
            return {"what": "producer", "change": "registered", "name": command.name, "key": key, **words}
        case RevokeProducer():
            return {"what": "producer", "change": "revoked", "name": command.name}
        case OpenEpoch():
            key = base64.b64encode(command.key).decode()
            return {"what": "intake", "change": "opened", "epoch": command.epoch, "key": key}
        case CloseEpoch():
            stated = {"epoch": command.epoch, "destroy_at": command.destroy_at}
            return {"what": "intake", "change": "closed", **stated}
        case KeysChanged():
            number = "epoch" if command.what == "intake" else "generation"
            return {"what": command.what, "change": command.change, number: command.generation}
