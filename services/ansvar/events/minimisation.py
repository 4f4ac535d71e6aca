"""Words of an event in which no personal data belongs, and what a policy wants done with such as hold some.

A word is stored as it is, for good, and quoted in alerts and reports. So every field that is neither of a
closed list, nor kept under a key (ids of requests, contracts and correlations), nor sealed with the details,
is looked at; a person as `actor` is an identifier, not a word. So are headers and keys of Kafka records: they
stand beside the sealed value, readable by whoever reads the topic.

Invariants: an event comes back without what `personal_data` finds, or as the same object, or PersonalData is
raised, which names fields and kinds and never a value.

Not handled here: when this is asked (`judging`, `evaluation`), which answer is right (the policy bundle).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar, Final, Literal

from msgspec import structs

from ansvar.events.errors import InvalidEvent, Reason
from ansvar.events.model import (
    EVENT_TYPES,
    DisclosureEvent,
    Event,
    NoticeEvent,
    ProcessingEvent,
    RightsEvent,
    TransferEvent,
)
from ansvar.events.personal_data import PersonalKind, looks_personal, masked

Treatment = Literal["mask", "refuse"]

_COMMON: Final = ("system", "actor", "purpose", "legal_basis", "data_categories", "controller")
_OWN: Final[dict[type[Event], tuple[str, ...]]] = {
    ProcessingEvent: ("source_name", "nix_checked_at", "cookie"),
    TransferEvent: ("recipient", "country", "safeguard_reference", "via"),
    DisclosureEvent: ("recipient", "reference", "country", "safeguard_reference", "via"),
    RightsEvent: ("scope", "method", "recipient"),
    NoticeEvent: ("version",),
}
WORDS: Final[dict[type[Event], tuple[str, ...]]] = {
    event_type: (*_COMMON, *_OWN.get(event_type, ())) for event_type in EVENT_TYPES
}
_VALUES: Final[dict[type[Event], Callable[[Event], tuple[Any, ...]]]] = {
    event_type: attrgetter(*names) for event_type, names in WORDS.items()
}
BESIDE: Final = "key or headers of the Kafka record"  # stands for a field's name
_REMEMBERED: Final = 16_384  # words repeat: most events hold none that another did not
_LOOKED_AT: Final = 65_536  # bytes of what stands beside a record's value
_ALLOWED: Final = "words without personal data (details and reason are sealed and may hold some)"
_AN: Final[dict[PersonalKind, str]] = {
    "personnummer": "a personnummer",
    "email": "an e-mail address",
    "phone": "a phone number",
}


class PersonalData(InvalidEvent):
    """A word that looks like personal data, where the policy refuses it."""

    reason: ClassVar[Reason] = "personal_data"


def minimised(
    event: Event, treatment: Treatment, *, keyed: str | None = None
) -> tuple[Event, tuple[str, ...]]:
    """The event as it may be judged and stored, and the fields of which something was masked.

    `keyed` is a field that is kept under a key this time: the reference of a disclosure that is a request.
    Raises PersonalData where the policy refuses and not masks.
    """
    event_type = type(event)
    looked_at = _personal_fields(event_type, _VALUES[event_type](event))
    if not looked_at:
        return event, ()
    found = [(name, kind) for name, kind in looked_at if name != keyed]
    if not found:
        return event, ()
    if treatment == "refuse":
        raise fault_of(found)
    names = tuple(name for name, _ in found)
    return structs.replace(event, **{name: _without(getattr(event, name)) for name in names}), names


def fault_of(found: Iterable[tuple[str, PersonalKind]]) -> PersonalData:
    """The error about fields and the kinds of what they hold."""
    names, kinds = zip(*found, strict=True)
    said = " and ".join(dict.fromkeys(_AN[kind] for kind in kinds))
    return PersonalData(f"what looks like {said}", _ALLOWED, field=", ".join(names))


def beside(values: Iterable[bytes]) -> PersonalKind | None:
    """The kind of what looks like personal data in a Kafka record's key or headers; None where nothing does.

    Of each the first 65,536 bytes are looked at.
    """
    for value in values:
        found = looks_personal(value[:_LOOKED_AT].decode("utf-8", "replace"))
        if found:
            return found[0].kind
    return None


@lru_cache(maxsize=_REMEMBERED)
def _personal_fields(
    event_type: type[Event], values: tuple[Any, ...]
) -> tuple[tuple[str, PersonalKind], ...]:
    """The fields that hold what looks like personal data, each with the kind of the first of it."""
    found = []
    for name, value in zip(WORDS[event_type], values, strict=True):
        words = value if isinstance(value, tuple) else (value,)
        kinds = [each.kind for word in words if isinstance(word, str) for each in looks_personal(word)]
        if kinds:
            found.append((name, kinds[0]))
    return tuple(found)


def _without(value: Any) -> Any:
    return tuple(map(masked, value)) if isinstance(value, tuple) else masked(value)
