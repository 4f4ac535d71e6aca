"""Producers and epochs as of the position: the fold, what is refused, and the same on every worker."""

from __future__ import annotations

from itertools import count
from typing import Any
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

import judging
from ansvar.enforcement.errors import MissingIntakeKey
from ansvar.enforcement.opening import Opener, Record
from ansvar.enforcement.registering import GRACE_MS, Registry
from ansvar.enforcement.replaying import replay
from ansvar.enforcement.rows import extra_of
from ansvar.enforcement.sheet import Judged
from ansvar.enforcement.wiring import scopes
from ansvar.events.control import Control, signed_key_command
from ansvar.events.intake import IntakePrivateKey
from ansvar.events.key_commands import (
    CloseEpoch,
    KeysChanged,
    OpenEpoch,
    RegisterProducer,
    RevokeProducer,
    SignedKeyCommand,
)
from records import (
    DEPLOYMENT_ID,
    HOUR,
    INTAKE,
    NOW,
    OPERATOR,
    SIGNING,
    Chain,
    Producer,
    bundle,
    customer,
    deployment,
    numbered,
    opener,
)

SHOP = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
SHOP_NEW = Ed25519PrivateKey.from_private_bytes(b"n" * 32)
SECOND = IntakePrivateKey(bytes(range(96, 192)))
OPENED = OpenEpoch(2, SECOND.public_key().to_bytes())
CLOSED = CloseEpoch(1, NOW + 40 * 24 * HOUR)


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def registered(
    key: Ed25519PrivateKey = SHOP, *systems: str, kinds: tuple[str, ...] = ("*",)
) -> RegisterProducer:
    return RegisterProducer("shop", public(key), systems or ("*",), kinds)


class Log:
    """A chain, the sessions of its producers, and ids that never repeat."""

    def __init__(self, by: Opener | None = None) -> None:
        self.chain = Chain()
        self.chain.opener = by or opener(epoch_keys={1: INTAKE, 2: SECOND})
        self._numbers = count(1)
        self._control = Producer("control", producer="control")
        self._control_2 = Producer(
            "control2", producer="control", epoch=2, intake_key=SECOND.public_key(), started=NOW
        )

    def command(self, command: SignedKeyCommand | KeysChanged, *, at: int = NOW, epoch: int = 1) -> Judged:
        id_ = UUID(int=next(self._numbers) << 40)
        if isinstance(command, KeysChanged):
            control = Control(id_, command)
        else:
            control = signed_key_command(OPERATOR, DEPLOYMENT_ID, id_, command)
        by = self._control if epoch == 1 else self._control_2
        return self.only(by.command(0, control), at)

    def event(
        self, key: Ed25519PrivateKey = SHOP, *, at: int = NOW, epoch: int = 1, **changes: Any
    ) -> Judged:
        """One event of the shop's, in a session of its own."""
        number = next(self._numbers)
        intake = {1: INTAKE, 2: SECOND}[epoch].public_key()
        producer = Producer(
            f"{number}", producer="shop", signing_key=key, epoch=epoch, intake_key=intake, started=at
        )
        event = numbered(judging.process(**changes), number, subject=customer(0))
        return self.only(producer.batch(0, [event]), at)

    def only(self, value: bytes, at: int) -> Judged:
        (made,) = self.chain.take(value, at=at)
        return made


def told(judged: Judged) -> str:
    """The kind of a row, of a refused one its reason."""
    assert (judged.row.kind == "refused") is bool(judged.reason)
    return judged.reason or judged.row.kind


def test_a_producer_is_taken_from_its_registration_to_its_revocation() -> None:
    log = Log()
    assert told(log.event()) == "unknown_producer"
    row = log.command(registered(SHOP, "crm")).row
    assert row.kind == "keys"
    assert extra_of(row) | {"key": ""} == {
        "change": "registered",
        "key": "",
        "kinds": ["*"],
        "name": "shop",
        "systems": ["crm"],
        "what": "producer",
    }
    inside, beyond = log.event(), log.event(system="billing")
    assert (inside.row.verdict, inside.row.producer) == ("permit", "shop")
    assert "producer.out_of_scope" in beyond.row.findings
    assert told(log.command(RevokeProducer("shop"))) == "keys"
    refused = log.event()
    assert told(refused) == "producer_revoked"
    assert (refused.row.producer, refused.row.session) == ("", bytes(16))
    assert told(log.command(registered(SHOP_NEW))) == "keys"
    assert told(log.event()) == "producer_key_replaced"
    assert told(log.event(SHOP_NEW, system="billing")) == "processing"
    assert told(log.event(Ed25519PrivateKey.generate())) == "bad_signature"
    rows = [judged.row for judged in log.chain.judged]
    replayed = list(replay(rows, lambda *_: (bundle(), 2), scopes(deployment())))
    assert len(replayed) == 3
    assert all(again.agrees for again in replayed)
    assert [again.scope is not None and again.scope.systems for again in replayed] == [
        {"crm"},
        {"crm"},
        {"*"},
    ]


def test_a_registration_in_the_same_read_as_its_first_events() -> None:
    """Records are opened before those ahead of them are judged."""
    log = Log()
    control = signed_key_command(OPERATOR, DEPLOYMENT_ID, UUID(int=5), registered())
    values = [
        Producer("c", producer="control").command(0, control),
        Producer("s", producer="shop", signing_key=SHOP).batch(
            0, [numbered(judging.process(), 1, subject=customer(0))]
        ),
    ]
    records = [Record(0, offset, NOW, value) for offset, value in enumerate(values)]
    opened = [log.chain.opener.open(record) for record in records]
    assert [type(one).__name__ for one in opened] == ["Command", "Batch"]


def test_a_registration_that_the_operator_did_not_sign_tells_no_key() -> None:
    log = Log()
    stranger = Ed25519PrivateKey.generate()
    control = signed_key_command(stranger, DEPLOYMENT_ID, UUID(int=5), registered())
    assert told(log.only(Producer("c", producer="control").command(0, control), NOW)) == "bad_signature"
    assert told(log.event()) == "unknown_producer"


def test_who_may_command_is_as_of_the_position() -> None:
    log = Log()
    changed = Control(UUID(int=9), KeysChanged("log", "rotated", 2))
    shop = {"producer": "shop", "signing_key": SHOP}
    assert told(log.command(registered())) == "keys"
    assert told(log.only(Producer("a", **shop).command(0, changed), NOW)) == "not_a_controller"
    assert told(log.only(Producer("b", **shop).sealed_control(0, b"?"), NOW)) == "not_a_controller"
    assert told(log.command(registered(kinds=("control",)))) == "keys"
    assert told(log.only(Producer("c", **shop).command(0, changed), NOW)) == "keys"
    assert told(log.command(RevokeProducer("control"))) == "keys"
    assert told(log.command(registered())) == "producer_revoked"


def test_a_closed_epoch_is_taken_for_25_hours_to_the_millisecond() -> None:
    log = Log()
    log.command(registered())
    assert told(log.event(epoch=2)) == "unknown_epoch"
    assert told(log.command(OPENED)) == "keys"
    assert told(log.event(epoch=2)) == told(log.event(epoch=1)) == "processing"
    assert told(log.command(CLOSED, at=NOW + 5)) == "keys"
    assert GRACE_MS == 25 * HOUR
    assert told(log.event(at=NOW + 5 + GRACE_MS)) == "processing"
    assert told(log.event(at=NOW + 5 + GRACE_MS + 1)) == "epoch_closed"
    assert told(log.event(at=NOW + 5 + GRACE_MS)) == "processing"  # a broker's clock that stepped back
    assert told(log.event(at=NOW + 5 + GRACE_MS + 1, epoch=2)) == "processing"


def test_an_epoch_that_is_open_and_not_here_stops_the_worker() -> None:
    """Refusing its records would be another history than that of a worker with the key."""
    log = Log(opener())
    log.command(registered())
    log.command(OPENED)
    with pytest.raises(MissingIntakeKey, match="epoch 2"):
        log.event(epoch=2)


@pytest.mark.parametrize(
    "command",
    [
        OpenEpoch(1, OPENED.key),
        OpenEpoch(0, OPENED.key),
        CLOSED,  # the only one that is open
        CloseEpoch(2, NOW),
        RevokeProducer("shop"),
        RevokeProducer("control"),
        RegisterProducer("control", public(SHOP), ("*",), ("*",)),
    ],
    ids=repr,
)
def test_a_command_that_does_not_fit_is_refused_and_changes_nothing(command: SignedKeyCommand) -> None:
    log = Log()
    before = msgspec.convert(msgspec.to_builtins(log.chain.memory.registry), Registry)
    assert told(log.command(command)) == "unfit_command"
    assert log.chain.memory.registry == before


def test_an_epoch_is_closed_once() -> None:
    log = Log()
    log.command(OPENED)
    log.command(CLOSED)
    assert told(log.command(CLOSED)) == "unfit_command"


def test_what_is_told_of_keys_decides_about_no_record() -> None:
    log = Log()
    log.command(registered())
    row = log.command(KeysChanged("vault", "rotated", 3)).row
    assert extra_of(row) == {"change": "rotated", "generation": 3, "what": "vault"}
    gone = log.command(KeysChanged("intake", "destroyed", 1), at=NOW + 7).row
    assert extra_of(gone) == {"change": "destroyed", "epoch": 1, "what": "intake"}
    assert log.chain.memory.registry.epochs[1].destroyed_at == NOW + 7
    assert told(log.event()) == "processing"


def test_the_longest_registration_fits_a_row() -> None:
    log = Log()
    most = RegisterProducer("s" * 64, public(SHOP), ("\U0001f600" * 100,) * 100, ("\U0001f600" * 32,) * 32)
    assert told(log.command(most)) == "keys"


steps = st.lists(
    st.one_of(
        st.sampled_from(
            [
                registered(),
                registered(SHOP_NEW),
                registered(SHOP, "billing"),
                RevokeProducer("shop"),
                OPENED,
                CLOSED,
                CloseEpoch(2, NOW),
                KeysChanged("intake", "destroyed", 1),
            ]
        ),
        st.tuples(st.sampled_from([SHOP, SHOP_NEW]), st.sampled_from([1, 2])),
    ),
    max_size=14,
)


@settings(deadline=None, max_examples=60)
@given(steps, st.lists(st.sampled_from([0, HOUR, 13 * HOUR]), min_size=14, max_size=14))
def test_what_a_worker_knows_from_elsewhere_changes_no_row(history: list[Any], pauses: list[int]) -> None:
    """One that knows every key from the start, and one that learns on the way, seal the same rows."""
    log, at = Log(), NOW
    for step, pause in zip(history, pauses, strict=False):
        at += pause
        if isinstance(step, tuple):
            key, epoch = step
            log.event(key, epoch=epoch, at=at)
        elif at - NOW <= 20 * HOUR:  # the control session lives no longer
            log.command(step, at=at)
    knowing = opener(epoch_keys={1: INTAKE, 2: SECOND})
    knowing.learn([("shop", public(SHOP)), ("shop", public(SHOP_NEW)), ("local", public(SIGNING))])
    again = Chain()
    again.opener = knowing
    for record in log.chain.records:
        again.take_record(record)
    assert [judged.leaf for judged in again.judged] == [judged.leaf for judged in log.chain.judged]
    folded = Registry()
    for judged in log.chain.judged:
        folded.took(judged.row)
    assert folded == log.chain.memory.registry
