"""One record at a time: which rows it gives, and that memory is the fold over them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import judging
from ansvar.enforcement.judging import judge
from ansvar.enforcement.memory import ChainMemory
from ansvar.enforcement.opening import Batch, Close, Opened, Record, Refusal
from ansvar.enforcement.sheet import Judged
from ansvar.events.envelope import RecordType, SessionHeader
from ansvar.events.identifiers import normalise
from ansvar.events.model import Event
from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.position import stream_id
from ansvar.ledger.row import NO_EVENT, ZERO16, Row, decode, seal
from records import HOUR, NOW, Chain, Producer, customer, known, numbered, opener, persons
from strategies import events, good_identifiers

HEADER = SessionHeader(b"d" * 16, "local", b"s" * 16, NOW, 1, b"", b"", b"")


def event(number: int = 1, **changes: Any) -> Event:
    return numbered(judging.process(), number, **{"subject": customer(0), **changes})


def extra(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(row.extra or "{}")
    return found


def gaps(chain: Chain) -> list[tuple[Any, ...]]:
    """(what is missing, first, last) of every gap row."""
    found = [extra(judged.row) for judged in chain.judged if judged.row.kind == "gap"]
    return [(gap["missing"], gap["from"], gap["to"]) for gap in found]


def take(chain: Chain, opened: Opened, *, at: int = NOW, value: bytes = b"the record") -> list[Judged]:
    """Take a record that was opened already."""
    record = Record(chain.partition, chain.memory.offset + 1, at, value)
    made = judge(record, opened, chain.memory, persons(*getattr(opened, "events", ())), chain.rules)
    chain.judged += made
    return made


def check(chain: Chain) -> None:
    """What holds of any chain: links, places, and that memory is at its end."""
    leaf = ZERO32
    for seq, judged in enumerate(chain.judged):
        row = judged.row
        columns, leaf = seal(row, leaf)
        assert judged.stored == columns + leaf
        assert decode(judged.stored)[0] == row
        assert row.seq == seq
        before = chain.judged[seq - 1].row
        if seq and row.offset == before.offset:
            assert row.index == before.index + 1
            assert (row.stream, row.recorded_at, row.producer) == (
                before.stream,
                before.recorded_at,
                before.producer,
            )
        else:
            assert row.index == 0
            assert seq == 0 or row.offset > before.offset
        assert row.extra == "" or row.kind == "genesis" or rfc8785.dumps(extra(row)) == row.extra.encode()
    memory, last = chain.memory, chain.judged[-1].row
    assert (memory.next_seq, memory.leaf, memory.offset) == (last.seq + 1, leaf, last.offset)


# Places


def test_a_batch_gives_a_row_for_each_event_in_order() -> None:
    chain, producer = Chain(), Producer()
    made = chain.take(producer.batch(0, [event(n) for n in range(1, 1001)]))
    assert [judged.row.event_id for judged in made] == [UUID(int=n, version=4) for n in range(1, 1001)]
    assert [judged.row.index for judged in made] == list(range(1000))
    row = made[-1].row
    assert (row.offset, row.producer, row.session, row.batch) == (
        0,
        "local",
        producer.session.header.session,
        0,
    )
    assert (row.policy, row.engine) == (chain.memory.policy, chain.memory.engine)
    check(chain)


def test_the_first_record_gives_the_stream() -> None:
    chain = Chain()
    value = b"no record of ours"
    first = chain.take(value, at=NOW + 1, offset=3)
    assert {judged.row.stream for judged in first} == {stream_id(0, NOW + 1, value)}
    second = chain.take(Producer().batch(0, [event()]))
    assert second[0].row.stream == chain.memory.stream == first[0].row.stream
    assert chain.judged[0].row.stream == ZERO16
    check(chain)


def test_a_hole_in_the_offsets_is_a_gap() -> None:
    chain, producer = Chain(), Producer()
    chain.take(producer.batch(0, [event(1)]), offset=2)
    chain.take(producer.batch(0, [event(2)]))
    chain.take(b"", offset=7)
    assert chain.kinds() == ["gap", "processing", "processing", "gap", "refused"]
    assert gaps(chain) == [("offsets", 0, 1), ("offsets", 4, 6)]
    assert [judged.row.index for judged in chain.judged[1:]] == [0, 1, 0, 0, 1]
    assert "never arrived" in chain.judged[1].explanation
    check(chain)


# Batch numbers


def test_a_number_seen_before_is_one_duplicate_row() -> None:
    chain, producer = Chain(), Producer()
    value = producer.batch(0, [event(1), event(2), event(3)])
    chain.take(value)
    (repeated,) = chain.take(value, at=NOW + 5)
    assert repeated.row.kind == "duplicate"
    named = {"sha256": Record(0, 0, 0, value).sha256.hex(), "size": len(value)}
    assert extra(repeated.row) == {"what": "batch", **named}
    assert (repeated.row.batch, repeated.row.event_id, repeated.row.verdict) == (0, NO_EVENT, "")
    assert repeated.findings == ()
    check(chain)


def test_a_number_used_again_for_other_events_is_refused() -> None:
    """A number is bound to one ciphertext; what was never judged must not pass for a repetition."""
    chain, producer = Chain(), Producer()
    chain.take(producer.batch(0, [event(1), event(2)]))
    other = Producer().batch(0, [event(2), event(3)], number=0)  # the same session, which the SDK prevents
    (refused,) = chain.take(other)
    assert (refused.row.kind, refused.reason) == ("refused", "number_reused")
    assert extra(refused.row)["sha256"] == Record(0, 0, 0, other).sha256.hex()
    chain.take(producer.batch(0, [event(3)]))
    assert chain.kinds() == ["processing", "processing", "refused", "processing"]
    check(chain)


def test_a_jump_is_a_gap_and_the_missing_one_is_judged_when_it_comes() -> None:
    chain, producer = Chain(), Producer()
    late = [producer.batch(0, [event(10 + n)]) for n in range(4)]
    chain.take(late[3])
    assert gaps(chain) == [("batches", 0, 2)]
    for value in (late[1], late[0], late[2]):
        assert [judged.row.kind for judged in chain.take(value)] == ["processing"]
    for value in late:
        assert [judged.row.kind for judged in chain.take(value)] == ["duplicate"]
    assert len(gaps(chain)) == 1
    check(chain)


def test_sessions_count_on_their_own() -> None:
    chain = Chain()
    for name in ("1", "2"):
        chain.take(Producer(name).batch(0, [event(int(name))]))
    assert chain.kinds() == ["processing", "processing"]


@pytest.mark.parametrize("number", [2**53 + 1, 2**64 - 1])
def test_numbers_beyond_a_double_stay_exact(number: int) -> None:
    chain = Chain()
    chain.take(Producer().batch(0, [event()], number=number))
    assert gaps(chain) == [("batches", 0, str(number - 1))]
    assert chain.judged[-1].row.batch == number
    check(chain)


def unreadable(producer: Producer, number: int) -> bytes:
    """A batch under a schema that nobody has released."""
    return producer.sealed(RecordType.BATCH, 0, b"", number, fingerprint=b"fromthef")


def test_an_authenticated_batch_that_cannot_be_read_uses_up_its_number() -> None:
    """Else the lost batch before it would never be missed, or the one after it be called a jump."""
    chain, producer = Chain(), Producer()
    chain.take(producer.batch(0, [event(1)]))
    refused = unreadable(producer, 2)
    chain.take(refused)
    chain.take(producer.batch(0, [event(2)], number=3))
    assert chain.kinds() == ["processing", "gap", "refused", "processing"]
    assert gaps(chain) == [("batches", 1, 1)]
    row = chain.judged[3].row
    assert (row.producer, row.session, row.batch) == ("local", producer.session.header.session, 2)
    assert [judged.row.kind for judged in chain.take(refused)] == ["duplicate"]
    check(chain)


def test_a_record_that_is_not_authenticated_uses_up_nothing() -> None:
    chain, producer = Chain(), Producer()
    value = producer.batch(0, [event(1)])
    chain.take(value[:-1] + bytes([value[-1] ^ 1]))
    chain.take(value)
    assert chain.kinds() == ["refused", "processing"]
    row = chain.judged[1].row
    assert (row.producer, row.session, row.batch) == ("", ZERO16, 0)
    refused = Record(0, 0, 0, chain.records[0].value)
    assert extra(row) == {"reason": "bad_seal", "sha256": refused.sha256.hex(), "size": len(value)}


# The end of a session


def test_a_close_is_a_session_row() -> None:
    chain, producer = Chain(), Producer()
    chain.take(producer.batch(0, [event(1)]))
    (closed,) = chain.take(producer.close(0))
    assert (closed.row.kind, extra(closed.row)) == ("session", {"next_batch": 1, "type": "close"})
    assert closed.row.producer == "local"
    check(chain)


def test_a_close_finds_lost_last_batches() -> None:
    chain, producer = Chain(), Producer()
    chain.take(producer.batch(0, [event(1)]))
    lost = [producer.batch(0, [event(2)]), producer.batch(0, [event(3)])]
    chain.take(producer.close(0))
    assert chain.kinds() == ["processing", "gap", "session"]
    assert gaps(chain) == [("batches", 1, 2)]
    for value in lost:  # they come after all
        assert chain.take(value)[-1].row.kind == "processing"
    check(chain)


def test_a_close_of_a_session_without_batches() -> None:
    chain = Chain()
    chain.take(Producer().close(0, 0))
    assert chain.kinds() == ["session"]


def test_a_repeated_close_says_so_and_finds_nothing_again() -> None:
    chain, producer = Chain(), Producer()
    value = producer.close(0, 3)
    chain.take(value)
    (repeated,) = chain.take(value)
    assert extra(repeated.row) == {"next_batch": 3, "repeated": True, "type": "close"}
    assert gaps(chain) == [("batches", 0, 2)]
    check(chain)


# Repeated events


def test_the_same_event_from_another_session_is_a_duplicate() -> None:
    chain = Chain()
    (first,) = chain.take(Producer("1").batch(0, [event(1)]))
    made = chain.take(Producer("2").batch(0, [event(1), event(2), event(1)]))
    assert [judged.row.kind for judged in made] == ["duplicate", "processing", "duplicate"]
    row = made[0].row
    assert (row.event_id, row.digest, extra(row)) == (first.row.event_id, first.row.digest, {"what": "event"})
    check(chain)


def test_other_content_under_a_known_event_id_is_refused() -> None:
    chain = Chain()
    (first,) = chain.take(Producer("1").batch(0, [event(1)]))
    for other in (event(1, details="more"), event(1, subject=customer(0, 1))):
        chain.take(Producer(other.details or "3").batch(0, [other]))
        judged = chain.judged[-1]
        assert (judged.row.kind, judged.reason, extra(judged.row)["reason"]) == (
            "refused",
            "event_id_reused",
            "event_id_reused",
        )
        assert judged.row.event_id == first.row.event_id
        assert judged.row.digest != first.row.digest
    assert chain.take(Producer("4").batch(0, [event(1)]))[0].row.kind == "duplicate"
    check(chain)


def test_an_event_is_known_within_the_window_of_rows() -> None:
    chain, producer = Chain(recent_events=3), Producer()
    chain.take(producer.batch(0, [event(1)]))  # row 1
    chain.take(producer.batch(0, [event(2)]))  # row 2
    chain.take(b"")  # row 3: rows count, not events
    assert chain.take(producer.batch(0, [event(1)]))[0].row.kind == "duplicate"  # row 4
    assert chain.take(producer.batch(0, [event(1)]))[0].row.kind == "processing"  # row 5
    check(chain)


def test_what_an_event_changed_is_not_changed_again_by_its_repetition() -> None:
    chain = Chain()
    received = numbered(judging.objection("2026-01-01"), 1, subject=customer(0))
    for name in ("1", "2"):
        chain.take(Producer(name).batch(0, [received]))
    state = chain.memory.subjects.state(known(customer(0)).reference)
    (steps,) = state.requests["objection"].values()
    assert len(steps) == 1


# Events that cannot be judged


def test_only_the_events_at_fault_are_refused() -> None:
    chain = Chain()
    made = chain.take(Producer().batch(0, [event(1), event(2, subject=customer(1)), event(3)]))
    assert [judged.row.kind for judged in made] == ["processing", "refused", "processing"]
    assert (made[1].reason, made[1].row.event_id) == ("wrong_partition", UUID(int=2, version=4))
    check(chain)


def test_texts_too_long_for_a_row_are_refused() -> None:
    """Valid on the wire, but each control character takes six bytes in JSON: it must not stop the worker."""
    chain = Chain()
    made = chain.take(Producer().batch(0, [event(1), event(2, details="\1" * 20_000), event(3)]))
    assert [judged.row.kind for judged in made] == ["processing", "refused", "processing"]
    assert (made[1].reason, made[1].row.event_id) == ("over_limit", UUID(int=2, version=4))
    check(chain)


def test_an_empty_batch_is_accounted_for() -> None:
    chain = Chain()
    (made,) = take(chain, Batch(HEADER, 0, (), {}))
    assert (made.row.kind, made.reason) == ("refused", "empty_batch")
    (made,) = take(chain, Batch(HEADER, 0, (), {}))
    assert made.row.kind == "duplicate"
    (made,) = take(chain, Batch(HEADER, 0, (event(1),), {}))
    assert (made.row.kind, made.reason) == ("refused", "number_reused")
    made = take(chain, Batch(HEADER, 2, (), {}))[-1]
    assert chain.kinds() == ["refused", "duplicate", "refused", "gap", "refused"]
    check(chain)


unread = events()
read = events(identifiers=good_identifiers().map(lambda i: normalise(i, year=2026)))


@given(st.lists(st.lists(unread | read, min_size=1, max_size=3), min_size=1, max_size=3))
@settings(max_examples=40)
def test_no_events_of_a_registered_producer_stop_the_worker(drawn: list[list[Event]]) -> None:
    chain, producer = Chain(), Producer()
    chain.opener = opener(chains=1)  # so that all belong here
    chain.rules = replace(chain.rules, home=None)
    for batch in drawn:
        made = chain.take(producer.batch(0, batch))
        told = [judged.row.event_id for judged in made if judged.row.kind != "link"]
        assert told == [each.event_id for each in batch]
    check(chain)


# Verdicts


def test_verdicts_follow_what_the_chain_knows() -> None:
    """An objection, and marketing after it (clause 4.2)."""
    subject = customer(0)
    collect = judging.collect("2026-01-01", "marketing", ("email",))
    mail = judging.interest("email", "2026-02-01", "marketing", data_categories=["email"])
    objection = judging.objection("2026-01-15", "direct_marketing")
    batch = [numbered(each, n, subject=subject) for n, each in enumerate((collect, mail, objection, mail))]
    made = Chain().take(Producer().batch(0, batch))
    fired = "marketing.objected"
    assert [fired in judged.row.findings for judged in made] == [False, False, False, True]
    assert made[3].row.verdict == "deny"
    assert [finding.rule for finding in made[3].findings] == list(made[3].row.findings)
    assert chain_of(made) == chain_of(Chain().take(Producer().batch(0, batch)))


def chain_of(made: list[Judged]) -> list[tuple[Any, ...]]:
    """What does not depend on HPKE's own randomness, through which sessions differ between two runs."""
    return [(j.row.event_id, j.row.verdict, j.row.findings, j.row.digest, j.row.subject) for j in made]


def test_a_portability_disclosure_names_its_request() -> None:
    """Clause 9.4: handing data to another company is allowed when the subject asked for it."""
    subject = customer(0)
    asked = numbered(judging.rights("portability", "received", "2026-02-01", "R9"), 1, subject=subject)
    sent = judging.disclose("insurer", ground="service_delivery", reference="R9")
    made = Chain().take(Producer().batch(0, [numbered(sent, 2, subject=subject), asked]))
    assert "own_request" not in made[0].row.extra
    made = Chain().take(Producer().batch(0, [asked, numbered(sent, 2, subject=subject)]))
    assert extra(made[1].row) == {"own_request": True}


def test_the_time_of_the_record_is_the_brokers() -> None:
    chain = Chain()
    (made,) = chain.take(Producer().batch(0, [event(1)]), at=NOW + HOUR)
    assert made.row.recorded_at == NOW + HOUR
    assert made.row.occurred_at == int(judging.at(judging.NOW).timestamp() * 1_000_000)


def test_refusals_of_an_hour_are_counted_in_order() -> None:
    chain = Chain()
    for at in (NOW, NOW, NOW + HOUR, NOW + HOUR):
        chain.take(b"", at=at)
    assert [judged.earlier_refusals for judged in chain.judged[1:]] == [0, 1, 0, 1]


# Persons of several identifiers


def joining(number: int, first: int, *others: int, **changes: Any) -> Event:
    """An event about the first of the customers of partition 0 that names others with them."""
    aliases = tuple(customer(0, other) for other in others)
    return event(number, subject=customer(0, first), aliases=aliases, **changes)


def reference(number: int) -> bytes:
    return known(customer(0, number)).reference


ORDER = sorted(range(4), key=reference)  # customers by reference: the first survives
LOW, MIDDLE, HIGH, _ = ORDER


def judged(*events: Event) -> Chain:
    """A chain that took events as they are after opening, one a record."""
    chain = Chain()
    for number, each in enumerate(events):
        take(chain, Batch(HEADER, number, (each,), {}))
    check(chain)
    return chain


def links(chain: Chain) -> list[tuple[bytes, str]]:
    return [(j.row.subject, extra(j.row)["joined"]) for j in chain.judged if j.row.kind == "link"]


@pytest.mark.parametrize("names", [(LOW, HIGH), (HIGH, LOW), (HIGH, LOW, LOW), (HIGH, HIGH, LOW)])
def test_naming_two_together_is_a_link_before_the_event(names: tuple[int, ...]) -> None:
    chain = judged(joining(1, *names))
    assert chain.kinds() == ["link", "processing"]
    link, made = (judged.row for judged in chain.judged[1:])
    assert links(chain) == [(reference(LOW), reference(HIGH).hex())]
    assert made.subject == reference(LOW)
    assert (link.index, made.index, link.event_id) == (0, 1, NO_EVENT)
    assert (link.offset, link.batch, link.session, link.verdict) == (made.offset, 0, made.session, "")


def test_each_other_person_is_one_link() -> None:
    chain = judged(joining(1, HIGH, LOW, MIDDLE))
    assert chain.kinds() == ["link", "link", "processing"]
    assert links(chain) == [(reference(LOW), reference(other).hex()) for other in (MIDDLE, HIGH)]


def test_who_is_joined_is_not_joined_again() -> None:
    chain = judged(
        joining(1, HIGH, MIDDLE), joining(2, MIDDLE, HIGH), joining(3, HIGH, LOW), joining(4, MIDDLE, LOW)
    )
    assert links(chain) == [
        (reference(MIDDLE), reference(HIGH).hex()),
        (reference(LOW), reference(MIDDLE).hex()),
    ]
    assert [j.row.subject for j in chain.judged if j.row.verdict] == [
        reference(who) for who in (MIDDLE, MIDDLE, LOW, LOW)
    ]


def test_rows_before_the_joining_event_stay_and_later_ones_carry_the_survivor() -> None:
    chain = judged(
        event(1, subject=customer(0, HIGH)), joining(2, LOW, HIGH), event(3, subject=customer(0, HIGH))
    )
    assert [j.row.subject for j in chain.judged if j.row.verdict] == [
        reference(who) for who in (HIGH, LOW, LOW)
    ]


def test_a_repetition_after_a_join_is_a_duplicate() -> None:
    """Its digest is under the key of the identifier that it names, not of the survivor."""
    first = event(1, subject=customer(0, HIGH))
    chain = judged(first, joining(2, LOW, HIGH), joining(2, LOW, HIGH), first)
    assert chain.kinds() == ["processing", "link", "processing", "duplicate", "duplicate"]
    assert chain.judged[1].row.digest == chain.judged[5].row.digest


def test_an_event_that_is_refused_joins_nobody() -> None:
    reused, too_long = joining(1, LOW, HIGH), joining(2, LOW, HIGH, details="\1" * 20_000)
    chain = judged(event(1), reused, too_long, event(3, subject=customer(0, HIGH)))
    assert chain.kinds() == ["processing", "refused", "refused", "processing"]
    assert [judged.reason for judged in chain.judged[2:4]] == ["event_id_reused", "over_limit"]
    assert chain.judged[-1].row.subject == reference(HIGH)
    assert chain.memory.subjects.survivors == {}


def test_a_joining_event_is_judged_by_the_union() -> None:
    no = numbered(judging.objection("2026-01-15", "direct_marketing"), 1, subject=customer(0, HIGH))
    mail = judging.interest("email", "2026-02-01", "marketing", data_categories=["email"])
    asked = [no, *(numbered(mail, n, subject=customer(0, LOW)) for n in (2, 3, 4))]
    asked[2] = replace(asked[2], aliases=(customer(0, HIGH),))
    chain = judged(*asked)
    found = ["marketing.objected" in j.row.findings for j in chain.judged if j.row.verdict]
    assert found == [False, False, True, True]


# The whole


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Opened, int]]:
    """Opened records of three sessions, with repetitions, jumps, refusals and closes; and their times."""
    sessions = [SessionHeader(b"d" * 16, "local", bytes([n]) * 16, NOW, 1, b"", b"", b"") for n in range(3)]
    found: list[tuple[Opened, int]] = []
    at = NOW
    for _ in range(draw(st.integers(1, 12))):
        header, number = draw(st.sampled_from(sessions)), draw(st.integers(0, 4))
        ids = draw(st.lists(st.integers(1, 8), max_size=3))
        choices: list[Opened] = [
            Batch(header, number, tuple(event(n) for n in ids), {}),
            Batch(header, number, tuple(event(n, details="other") for n in ids), {}),
            Close(header, number, number),
            Refusal("unknown_schema", "text", header, number),
            Refusal("bad_seal", "text"),
        ]
        opened = draw(st.sampled_from(choices))
        at += draw(st.sampled_from([0, 1, HOUR]))
        found.append((opened, at))
    return found


@given(histories())
@settings(max_examples=60)
def test_memory_is_the_fold_over_the_rows(history: list[tuple[Opened, int]]) -> None:
    """Nothing that judging knows of numbers, closes and refusals comes from elsewhere than from rows."""
    chain = Chain()
    for opened, at in history:
        assert take(chain, opened, at=at)
    check(chain)
    folded = ChainMemory(0, 200_000)
    for judged in chain.judged:
        folded.took(judged.row, judged.leaf)
    told = [name for name in ChainMemory.__slots__ if name not in ("recent", "sessions", "subjects")]
    assert [getattr(folded, name) for name in told] == [getattr(chain.memory, name) for name in told]
    assert {s: (n._starts, n._ends, n.last_at) for s, n in folded.sessions.items()} == {
        s: (n._starts, n._ends, n.last_at) for s, n in chain.memory.sessions.items()
    }
    judged_ids = [judged.row.event_id for judged in chain.judged if judged.row.verdict]
    assert len(judged_ids) == len(set(judged_ids))
