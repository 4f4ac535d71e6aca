"""Commands: who may give them, what they do to a chain, and that they do it once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

import judging
from ansvar.events.control import (
    MAX_ANSWER,
    ActivatePolicy,
    AnswerFinding,
    Command,
    Control,
    RecordFinding,
    signed_activation,
)
from ansvar.ledger.row import Row
from ansvar.policy.canonical import decode, encode
from ansvar.policy.decide import ENGINE, UnknownEngine
from ansvar.policy.loader import bundle_from_bytes
from records import DEPLOYMENT_ID, NOW, OPERATOR, Chain, Producer, bundle_bytes, customer, numbered

ID = UUID(int=7, version=4)
OTHER = encode({**decode(bundle_bytes()), "cookies.yaml": "cookies: []\n"})


def extra(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(row.extra or "{}")
    return found


def activation(bundle: bytes = OTHER, engine: int = ENGINE, id_: UUID = ID) -> Control:
    return signed_activation(OPERATOR, DEPLOYMENT_ID, id_, bundle, engine)


def controller(name: str = "c") -> Producer:
    return Producer(name, producer="control")


def refused(chain: Chain, value: bytes) -> str:
    (made,) = chain.take(value)
    assert made.row.kind == "refused"
    return made.reason


FINDING = RecordFinding(
    0, 3, "rights.overdue", "9", "deny", "due since 2026-03-01", b"r" * 16, 1_772_000_000_000_001
)


def test_a_policy_row_puts_another_bundle_in_force() -> None:
    chain, producer = Chain(), Producer()
    (before,) = chain.take(producer.batch(0, [numbered(judging.process(), 1, subject=customer(0))]))
    (policy,) = chain.take(controller().command(0, activation()))
    (after,) = chain.take(producer.batch(0, [numbered(judging.process(), 2, subject=customer(0))]))
    other = bundle_from_bytes(OTHER)
    assert (policy.row.kind, policy.row.event_id, policy.row.producer) == ("policy", ID, "control")
    assert (policy.row.policy, policy.row.engine) == (other.sha256, ENGINE)
    assert before.row.policy != other.sha256
    assert after.row.policy == chain.memory.policy == other.sha256
    assert policy.row.occurred_at == policy.row.recorded_at * 1000


def test_the_same_command_again_is_a_duplicate() -> None:
    """In a new session, as whoever resumes an activation sends it."""
    chain = Chain()
    chain.take(controller("a").command(0, activation()))
    (again,) = chain.take(controller("b").command(0, activation()))
    assert (again.row.kind, extra(again.row)) == ("duplicate", {"what": "command"})
    record = controller("c").command(0, Control(ID, FINDING))
    assert refused(chain, record) == "event_id_reused"


def test_a_repeated_number_is_a_repetition_or_refused() -> None:
    chain = Chain()
    chain.take(controller().command(0, activation()))
    (repeated,) = chain.take(controller().command(0, activation()))
    assert (repeated.row.kind, extra(repeated.row)["what"]) == ("duplicate", "batch")
    assert refused(chain, controller().command(0, Control(UUID(int=8), FINDING))) == "number_reused"


def test_who_may_command() -> None:
    assert refused(Chain(), Producer().command(0, activation())) == "not_a_controller"
    stranger = Ed25519PrivateKey.generate()
    forged = signed_activation(stranger, DEPLOYMENT_ID, ID, OTHER, ENGINE)
    assert refused(Chain(), controller().command(0, forged)) == "bad_signature"


@pytest.mark.parametrize(
    "changes",
    [{"bundle": bundle_bytes()}, {"engine": ENGINE + 1}, {"signature": b""}],
    ids=["another bundle", "another engine", "no signature"],
)
def test_a_signature_holds_for_one_activation(changes: dict[str, Any]) -> None:
    control = activation()
    assert isinstance(control.command, ActivatePolicy)
    other = replace(control, command=replace(control.command, **changes))
    assert refused(Chain(), controller().command(0, other)) == "bad_signature"
    assert refused(Chain(), controller().command(0, replace(control, id=UUID(int=9)))) == "bad_signature"


@pytest.mark.parametrize("bundle", [b"", b"{}", encode({"bundle.yaml": "format: 1\n"})])
def test_a_broken_bundle_is_refused_and_the_old_one_stays(bundle: bytes) -> None:
    chain = Chain()
    before = chain.memory.policy
    assert refused(chain, controller().command(0, activation(bundle))) == "broken_bundle"
    assert chain.memory.policy == before


def test_an_engine_that_this_version_lacks_stops_the_worker() -> None:
    """Refusing it would be another history than that of a newer worker."""
    with pytest.raises(UnknownEngine, match="upgrade"):
        Chain().take(controller().command(0, activation(engine=60_000)))


def test_bytes_that_are_no_command_are_refused() -> None:
    value = controller().sealed_control(0, b"\x00" * 40)
    assert refused(Chain(), value) == "malformed"


def test_a_finding_is_a_row_that_names_the_row_it_is_about_and_an_alert() -> None:
    chain = Chain()
    (made,) = chain.take(controller().command(0, Control(ID, FINDING)), at=NOW + 5)
    row = made.row
    assert (row.kind, row.findings, row.verdict, row.subject) == (
        "finding",
        ("rights.overdue",),
        "deny",
        b"r" * 16,
    )
    assert row.occurred_at == FINDING.since
    assert extra(row) == {"chain": 0, "clause": "9", "message": FINDING.message, "seq": 3}
    assert [finding.message for finding in made.findings] == [FINDING.message]
    (again,) = chain.take(controller("b").command(0, Control(ID, FINDING)))
    assert (again.row.kind, again.findings) == ("duplicate", ())


def test_an_answer_keeps_its_text_sealed() -> None:
    chain = Chain()
    text = "She called back and agreed"
    (made,) = chain.take(controller().command(0, Control(ID, AnswerFinding(0, 3, "accepted", text, "dpo"))))
    row = made.row
    assert (row.kind, row.actor, row.verdict) == ("review", "dpo", "")
    assert extra(row) == {"answer": "accepted", "chain": 0, "seq": 3}
    assert row.details
    assert text.encode() not in made.stored


def test_the_longest_answer_fits_a_row_whatever_it_is_made_of() -> None:
    command = AnswerFinding(0, 3, "accepted", "\x01" * MAX_ANSWER, "legal")
    (made,) = Chain().take(controller().command(0, Control(ID, command)))
    assert made.row.kind == "review"


@pytest.mark.parametrize(
    "command",
    [
        AnswerFinding(0, 3, "accepted", "x" * (MAX_ANSWER + 1), "dpo"),
        AnswerFinding(0, 3, "accepted", "", "anna.svensson@example.com"),  # type: ignore[arg-type] # no role
        replace(FINDING, message="x" * 4_001),
        replace(FINDING, rule="x" * 101),
    ],
)
def test_a_command_that_is_too_long_or_names_a_person_is_refused(command: Command) -> None:
    assert refused(Chain(), controller().command(0, Control(ID, command))) == "malformed"
