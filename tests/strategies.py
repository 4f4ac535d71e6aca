"""Hypothesis strategies for events of all six kinds and for identifiers that normalise.

Events are made from the types themselves (`msgspec.inspect`), so a new field is drawn without a change here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

from hypothesis import strategies as st
from msgspec import inspect
from msgspec.structs import replace

from ansvar.events.model import EVENT_TYPES, Event, Identifier, IdentifierType, NoticeEvent, RightsEvent

OTHER_TYPES = ("customer_number", "employee_number", "applicant_number", "device_id")

# Everything that UTF-8 can carry; a NUL and quotes come up often enough in what hypothesis draws.
_ANY_SIGN = st.characters(codec="utf-8")


def words(longest: int = 200) -> st.SearchStrategy[str]:
    """What `model.Word` allows."""
    return st.text(_ANY_SIGN, min_size=1, max_size=12) | st.text(
        _ANY_SIGN, min_size=longest, max_size=longest
    )


def texts() -> st.SearchStrategy[str]:
    """What `model.Text` allows, up to 300 characters."""
    return st.text(_ANY_SIGN, min_size=1, max_size=300)


def times(zones: bool = False) -> st.SearchStrategy[datetime]:
    """Aware times that an event may have: in UTC, or with `zones` at any offset of whole minutes."""
    in_utc = st.datetimes(
        datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds and adds the zone
        datetime(2299, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001 - the same
        timezones=st.just(UTC),
    )
    if not zones:
        return in_utc
    offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    return st.builds(lambda at, zone: at.astimezone(zone), in_utc, offsets)


def raw_identifiers() -> st.SearchStrategy[Identifier]:
    """Identifiers as far as their type goes; most do not normalise."""
    return st.builds(Identifier, st.sampled_from(get_args(IdentifierType)), words(320))


@st.composite
def personnummer(draw: st.DrawFn, coordination: bool = False) -> str:
    """Twelve digits with a date and a check digit that hold; born 1900 to 1999."""
    born = draw(st.dates(datetime(1900, 1, 1).date(), datetime(1999, 12, 31).date()))  # noqa: DTZ001 - dates only
    day = born.day + (60 if coordination else 0)
    nine = f"{born:%y%m}{day:02}{draw(st.integers(0, 999)):03}"
    products = (int(digit) * weight for digit, weight in zip(nine, (2, 1) * 5, strict=False))
    check = -sum(product // 10 + product % 10 for product in products) % 10
    return f"{born:%Y}{nine[2:]}{check}"


def good_identifiers() -> st.SearchStrategy[Identifier]:
    """Identifiers that normalise, in spellings that may not be the normal one."""
    local = st.from_regex(r"[A-Za-z0-9]{1,10}(\.[A-Za-z0-9]{1,10})?", fullmatch=True)
    visible = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1, max_size=20)
    return st.one_of(
        st.builds(Identifier, st.just("personnummer"), personnummer()),
        st.builds(Identifier, st.just("personnummer"), personnummer(coordination=True)),
        st.builds(Identifier, st.just("samordningsnummer"), personnummer(coordination=True)),
        st.builds(Identifier, st.just("phone_number"), st.integers(0, 9_999_999).map("070-{:07}".format)),
        st.builds(Identifier, st.just("email"), local.map("{}@Example.com".format)),
        st.builds(Identifier, st.sampled_from(OTHER_TYPES), visible.filter(str.strip)),
    )


def events(
    kinds: tuple[type[Event], ...] = EVENT_TYPES,
    identifiers: st.SearchStrategy[Identifier] | None = None,
    with_id: bool = True,
    zones: bool = False,
) -> st.SearchStrategy[Event]:
    """Valid events: `with_id` as on the wire, else the id may be absent; `zones` as in `times`.

    Without `identifiers` those of persons are `raw_identifiers`.
    """
    who = raw_identifiers() if identifiers is None else identifiers
    return st.one_of(*(_of_kind(kind, who, with_id, zones) for kind in kinds))


def _of_kind(
    kind: type[Event], who: st.SearchStrategy[Identifier], with_id: bool, zones: bool
) -> st.SearchStrategy[Event]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    fields = {field.name: _of_type(field.type, who, zones) for field in info.fields}
    if with_id:
        fields["event_id"] = st.uuids()
    drawn: st.SearchStrategy[Event] = st.builds(kind, **fields)
    return drawn.map(_as_required)


def _as_required(event: Event) -> Event:
    """What the rules of `requirements` ask beyond types."""
    if isinstance(event, RightsEvent) and event.phase == "recipients_notified" and event.recipient is None:
        return replace(event, recipient="police")
    if isinstance(event, NoticeEvent) and event.subject is None:
        return replace(event, aliases=())
    return event


def batches(most: int = 5) -> st.SearchStrategy[list[Event]]:
    """1 to `most` events as on the wire."""
    return st.lists(events(), min_size=1, max_size=most)


def _of_type(type_: inspect.Type, who: st.SearchStrategy[Identifier], zones: bool) -> st.SearchStrategy[Any]:
    match type_:
        case inspect.DateTimeType():
            return times(zones)
        case inspect.UnionType(types=members):
            return st.one_of(*(_of_type(member, who, zones) for member in members))
        case inspect.NoneType():
            return st.none()
        case inspect.LiteralType(values=closed):
            return st.sampled_from(closed)
        case inspect.StrType(max_length=longest):
            return words() if longest == 200 else texts()
        case inspect.VarTupleType(item_type=item):
            return st.lists(_of_type(item, who, zones), max_size=3).map(tuple)
        case inspect.IntType(ge=least, le=most):
            return st.integers(least, most)
        case inspect.BoolType():
            return st.booleans()
        case inspect.UUIDType():
            return st.uuids()
        case inspect.StructType():
            return who
    raise AssertionError(f"no strategy for {type_}")
