"""What the words of an event mean to a bundle, whoever the event is about and whenever it happened.

Invariants: a pattern follows from the bundle and the words alone, so it is worked out once for all events
that share them. A word that is missing, undeclared or not this policy's is None in `purpose` and `basis`, so
that a rule which needs it is skipped.

Not handled here: times, states and findings (`case`); which rules a pattern concerns (`rules/`).
"""

from __future__ import annotations

from collections.abc import Hashable

from msgspec import Struct

from ansvar.events.model import (
    DisclosureEvent,
    Event,
    Kind,
    Operation,
    ProcessingEvent,
    RecipientType,
    Safeguard,
    TransferEvent,
)
from ansvar.policy.bundle import Basis, Bundle, Period, Recipient, System

# Words of a bundle that rules name. A bundle without one of them never meets the rules that need it.
MARKETING = "marketing"
EVALUATION = "evaluation"
CONTRACT = "contract"  # purpose and legal basis share the word
LEGITIMATE_INTEREST = "legitimate_interest"

# Operations that serve the subject's own rights; objections and clause 4.1 do not stand in their way.
RIGHTS_OPERATIONS: frozenset[Operation | None] = frozenset({"erase", "rectify", "restrict"})

_ALWAYS = Period()


class Pattern(Struct, frozen=True):
    """The words of an event, resolved against a bundle."""

    bundle: Bundle
    kind: Kind
    systems: tuple[System, ...]  # the entries of the event's system in the register, each with its dates
    system_always_known: bool  # one of them holds for ever
    operation: Operation | None  # None for every kind but processing
    decided_by_machine: bool  # as stated
    purpose_stated: str | None
    basis_stated: str | None
    purpose: str | None
    basis: Basis | None
    controller: bool
    categories: tuple[str, ...]  # without repeats
    origins: frozenset[str]  # purposes of collection with which `purpose` is compatible
    interests: frozenset[str]  # purposes that may rest on legitimate interest
    recipient: Recipient | None  # as registered
    via: Recipient | None
    processors: tuple[Recipient, ...]  # among recipient and via, each once
    recipient_stated: str | None
    via_stated: str | None
    type_stated: RecipientType | None
    recipient_type: RecipientType | None  # by the bundle, else as stated
    safeguard: Safeguard | None  # as stated
    abroad: tuple[tuple[str, Recipient | None], ...]  # destinations and who brings them; see `_abroad`

    @property
    def act(self) -> str:
        """What is done, as a word for messages."""
        return self.operation or self.kind


def words(event: Event) -> Hashable:
    """The words of an event that its pattern follows from: equal words, equal patterns."""
    if isinstance(event, ProcessingEvent):
        return (
            event.operation,
            event.purpose,
            event.legal_basis,
            event.role,
            event.data_categories,
            event.system,
            event.automated_decision,
        )
    common = (
        event.kind,
        event.purpose,
        event.legal_basis,
        event.role,
        event.data_categories,
        event.system,
    )
    if isinstance(event, TransferEvent):
        return (common, event.recipient, event.via, event.country, event.safeguard)
    if isinstance(event, DisclosureEvent):
        return (common, event.recipient, event.via, event.country, event.safeguard, event.recipient_type)
    return common


def resolve(event: Event, bundle: Bundle) -> Pattern:
    """The pattern of an event."""
    handover = event if isinstance(event, TransferEvent | DisclosureEvent) else None
    recipient = bundle.recipients.get(handover.recipient) if handover else None
    via = bundle.recipients.get(handover.via) if handover and handover.via else None
    purpose = event.purpose if event.purpose in bundle.purposes else None
    basis = bundle.bases.get(event.legal_basis) if event.legal_basis else None
    interest = bundle.bases.get(LEGITIMATE_INTEREST)
    systems = bundle.systems.get(event.system, ())
    processing = event if isinstance(event, ProcessingEvent) else None
    stated_type = event.recipient_type if isinstance(event, DisclosureEvent) else None
    return Pattern(
        bundle=bundle,
        kind=event.kind,
        systems=systems,
        system_always_known=any(system.period == _ALWAYS for system in systems),
        operation=processing.operation if processing is not None else None,
        decided_by_machine=processing is not None and processing.automated_decision is True,
        purpose_stated=event.purpose,
        basis_stated=event.legal_basis,
        purpose=purpose,
        basis=basis if basis is not None and basis.clause is not None else None,
        controller=event.role == "controller",
        categories=tuple(dict.fromkeys(event.data_categories)),
        origins=frozenset(
            origin
            for origin in bundle.purposes
            if origin == purpose or purpose in bundle.compatible.get(origin, ())
        ),
        interests=interest.purposes if interest is not None else frozenset(),
        recipient=recipient,
        via=via,
        processors=tuple(
            {r.id: r for r in (recipient, via) if r is not None and r.role == "processor"}.values()
        ),
        recipient_stated=handover.recipient if handover else None,
        via_stated=handover.via if handover else None,
        type_stated=stated_type,
        recipient_type=recipient.type if recipient is not None else stated_type,
        safeguard=handover.safeguard if handover else None,
        abroad=() if handover is None else _abroad(handover.country, recipient, via, bundle),
    )


def _abroad(
    stated: str | None, recipient: Recipient | None, via: Recipient | None, bundle: Bundle
) -> tuple[tuple[str, Recipient | None], ...]:
    """Destinations that are outside the EU/EEA or were at some time. A stated country is the recipient's."""
    brought: list[tuple[str, Recipient | None]] = []
    if stated is not None:
        brought.append((stated, recipient))
    for holder in (recipient, via):
        if holder is not None:
            brought += [(country, holder) for country in holder.places]
    perhaps: list[tuple[str, Recipient | None]] = []
    for pair in brought:
        if pair not in perhaps and not always_inside(pair[0], bundle):
            perhaps.append(pair)
    return tuple(perhaps)


def always_inside(country: str, bundle: Bundle) -> bool:
    """Whether a country counts as inside the EU/EEA at every time."""
    return (
        _ALWAYS in bundle.inside.get(country, ())
        and country in bundle.countries
        and country not in bundle.disputed
    )
