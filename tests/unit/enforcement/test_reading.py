"""What is read of a file before it is judged: events or what is wrong, and who is named together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import judging
from ansvar.enforcement.reading import Together, event_of_line, named_together
from ansvar.events.boundary import to_json
from ansvar.events.errors import InvalidEvent
from ansvar.events.model import Event, Identifier
from records import numbered

WHO = [Identifier("customer_number", f"K-{n}") for n in range(7)]


def event(*who: Identifier, number: int = 1, **changes: Any) -> Event:
    subject, *aliases = who
    return numbered(judging.process(**changes), number, subject=subject, aliases=tuple(aliases))


def read(*lines: Event | bytes) -> Together:
    texts = [line if isinstance(line, bytes) else to_json(line) for line in lines]
    return named_together(enumerate(texts, 1))


def firsts(together: Together) -> list[Identifier | None]:
    return [together.first(identifier) for identifier in WHO]


def test_nobody_is_together_where_no_event_says_so() -> None:
    assert firsts(read(event(WHO[0]), event(WHO[1]))) == [None] * len(WHO)


def test_the_first_in_the_file_is_the_first_of_all() -> None:
    together = read(
        event(WHO[2], WHO[3]), event(WHO[0], WHO[1]), event(WHO[1], WHO[4]), event(WHO[4], WHO[2])
    )
    assert firsts(together) == [WHO[2]] * 5 + [None] * 2


def test_persons_stay_apart() -> None:
    together = read(event(WHO[0], WHO[1]), event(WHO[2], WHO[3]))
    assert firsts(together)[:4] == [WHO[0], WHO[0], WHO[2], WHO[2]]


@given(st.lists(st.lists(st.sampled_from(WHO), min_size=2, max_size=3, unique=True), max_size=6))
def test_together_is_who_can_be_reached(named: list[list[Identifier]]) -> None:
    together = read(*(event(*who) for who in named))
    order = list(dict.fromkeys(identifier for who in named for identifier in who))
    for one in WHO:
        reached = {one} if one in order else set()
        for _ in named:
            reached |= {other for who in named if not reached.isdisjoint(who) for other in who}
        assert together.first(one) == (min(reached, key=order.index) if reached else None)
    for who in named:
        assert together.holds(event(*who))


def test_a_spelling_is_no_other_identifier() -> None:
    mail, other = (Identifier("email", text) for text in ("Anna@Example.com", "anna@example.com"))
    assert read(event(WHO[0], mail)).first(other) == WHO[0]
    assert read(event(mail, other)).first(other) is None  # named twice is not two


def test_a_field_name_may_be_written_in_escapes() -> None:
    """RFC 8259, section 7: any character of a string may be; the event is the same."""
    text = to_json(event(WHO[0], WHO[1]))
    for written in (b'"\\u0061liases"', b'"aliase\\u0073"', b'"ali\\u0061ses"'):
        assert read(text.replace(b'"aliases"', written)).first(WHO[1]) == WHO[0]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"aliases": 1',
        to_json(replace(event(WHO[0], WHO[1]), event_id=None)),
        to_json(event(WHO[0], WHO[1], Identifier("personnummer", "SECRET"))),
    ],
    ids=["no JSON", "no event_id", "an identifier"],
)
def test_a_line_that_is_refused_joins_nobody(bad: bytes) -> None:
    assert firsts(read(bad)) == [None] * len(WHO)
    fault = event_of_line(7, bad)
    assert isinstance(fault, InvalidEvent)
    assert str(fault).startswith("line 7")
    assert "SECRET" not in str(fault)


def test_whether_what_an_event_names_is_known() -> None:
    together = read(event(WHO[0], WHO[1]), event(WHO[2], WHO[3]))
    assert together.holds(event(WHO[5]))
    assert together.holds(event(WHO[1], WHO[0]))
    assert not together.holds(event(WHO[0], WHO[2]))
    assert not together.holds(event(WHO[0], WHO[5]))
    assert not together.holds(event(WHO[5], WHO[6]))
