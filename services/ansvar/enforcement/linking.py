"""One person under several identifiers: where their history is, and what chains tell each other about it.

Pure. A person's history is on the lowest of the chains of their identifiers, as far as the log has joined
them (docs/decisions/0013-identity-and-erasure.md). A chain knows of an identifier of another chain only what
it asked or was told. Invariants: histories only ever move to a lower chain; whatever a chain tells another
stands in a row of its own and is counted; everything that a chain is told leaves a row.

Not handled here: judging (`judging`), the union of two states (`policy.joining`), sealing what is told
(`forwarding`).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct

from ansvar.enforcement.opening import Batch, Opened, Told
from ansvar.enforcement.people import Persons
from ansvar.enforcement.sheet import Sheet
from ansvar.enforcement.subjects import Gone, Subjects
from ansvar.events.forwarded import Arrived, ForwardedEvent, Wanted, Who
from ansvar.events.model import Event, Identifier
from ansvar.ledger.row import ZERO16
from ansvar.policy.joining import parts
from ansvar.policy.state import encode_state

STATE_BYTES: Final = 30_000  # of one part; as text in a row it takes a third more

Home = Callable[[Identifier], int]  # an identifier's own chain


class Meeting(Struct, frozen=True):
    """Who an event is about, and what it says of their identifiers.

    `survivor` is the reference under which they stand here (zeros without a subject), `joined` are other
    persons of this chain who turn out to be the same. `gone` says where their history is, or is to go when
    `leaving`: there it is joined to `kept`. `ask` are chains to be asked for identifiers of theirs, each
    with what stands for it in the ledger.
    """

    survivor: bytes
    joined: tuple[bytes, ...] = ()
    gone: Gone | None = None
    leaving: Who | None = None
    ask: Mapping[bytes, tuple[int, Identifier]] = {}

    @property
    def rows(self) -> int:
        """How many rows come before the event's own when it is judged here."""
        return len(self.joined) + len(self.ask)


def meeting(
    event: Event, subject: bytes, subjects: Subjects, persons: Persons, chain: int, home: Home | None
) -> Meeting:
    """Who an event is about; `subject` is the reference that it came under, zeros for none.

    Without `home` every identifier that it names belongs to this chain. The lowest reference of a chain
    survives, so that it does not matter which event named whom.
    """
    if subject == ZERO16:
        return Meeting(ZERO16)
    gone = subjects.gone(subject)
    if gone is not None:
        return Meeting(gone.reference, gone=gone)
    own = {subjects.survivor(subject)}
    elsewhere: list[tuple[int, Who]] = []
    ask: dict[bytes, tuple[int, Identifier]] = {}
    for alias in event.aliases:
        its_home = chain if home is None else home(alias)
        if its_home < chain:
            elsewhere.append((its_home, alias))
        elif its_home > chain:
            name = _name_of(event, alias, persons)
            if name not in subjects.survivors:
                ask[name] = its_home, alias
        elif (left := subjects.gone(persons[alias].reference)) is not None:
            elsewhere.append(left)
        else:
            own.add(subjects.survivor(persons[alias].reference))
    survivor, *joined = sorted(own)
    if elsewhere:
        to, kept = min(elsewhere, key=lambda found: found[0])
        return Meeting(survivor, tuple(joined), Gone(to, survivor), kept)
    return Meeting(survivor, tuple(joined), ask=ask)


def join_here(sheet: Sheet, met: Meeting, subjects: Subjects) -> None:
    """Add the `link` rows of a meeting: who is joined here, and who is asked for."""
    for reference in met.joined:
        sheet.note("link", {"joined": reference.hex()}, subject=met.survivor)
        subjects.took(sheet.made[-1].row)
    for name, (chain, alias) in met.ask.items():
        wanted = Wanted(alias, sheet.place().chain, met.survivor)
        sheet.tell("link", chain, wanted, {"joined": name.hex()}, subject=met.survivor)
        subjects.took(sheet.made[-1].row)


def leave(sheet: Sheet, reference: bytes, to: int, kept: Who, subjects: Subjects) -> None:
    """Add the `link` rows by which a person's history goes to a lower chain, to be joined to `kept`."""
    for part in parts(subjects.state(reference), STATE_BYTES):
        arrived = Arrived(reference, encode_state(part), kept)
        sheet.tell("link", to, arrived, {"joined": reference.hex()}, subject=reference)
    subjects.took(sheet.made[-1].row)


def told(sheet: Sheet, content: Arrived | Wanted, subjects: Subjects, persons: Persons) -> None:
    """Add the rows of what another chain told about a person."""
    if isinstance(content, Wanted):
        _wanted(sheet, content, subjects, _reference(content.who, persons))
        return
    kept = _reference(content.kept, persons)
    gone = subjects.gone(kept)
    facts = {"joined": content.joined.hex()}
    if gone is not None:
        onward = Arrived(content.joined, content.state, gone.reference)
        sheet.tell("link", gone.chain, onward, facts, subject=kept)
    else:
        state = b64encode(content.state).decode()
        sheet.note("link", facts | {"state": state}, subject=subjects.survivor(kept))
    subjects.took(sheet.made[-1].row)


def named_here(opened: Opened, partition: int, home: Home) -> Iterable[tuple[int, Identifier]]:
    """(own chain, identifier) of everyone in a record whom this chain must know."""
    if isinstance(opened, Batch):
        for place, event in enumerate(opened.events):
            if place not in opened.unfit:
                yield from _named(event, partition, home)
    elif isinstance(opened, Told):
        match opened.forwarded.content:
            case ForwardedEvent(event):
                yield from _named(event, partition, home)
            case Arrived(_, _, kept=who) | Wanted(who=who):
                if isinstance(who, Identifier):
                    yield partition, who


def _named(event: Event, partition: int, home: Home) -> Iterable[tuple[int, Identifier]]:
    if event.subject is not None:
        yield home(event.subject), event.subject
        for alias in event.aliases:
            if home(alias) == partition:
                yield partition, alias
    if isinstance(event.actor, Identifier):
        yield home(event.actor), event.actor


def _wanted(sheet: Sheet, wanted: Wanted, subjects: Subjects, who: bytes) -> None:
    """Bring a person of ours and one of another chain together, on the lower of their chains."""
    here = sheet.place().chain
    gone = subjects.gone(who)
    if wanted.home == here:
        _both_known(sheet, subjects, who, wanted.kept)
    elif gone is None and wanted.home < here:
        leave(sheet, subjects.survivor(who), wanted.home, wanted.kept, subjects)
    else:
        ours = Gone(here, subjects.survivor(who)) if gone is None else gone
        _introduce(sheet, ours, Gone(wanted.home, wanted.kept))


def _both_known(sheet: Sheet, subjects: Subjects, one: bytes, other: bytes) -> None:
    """Two persons whom this chain knows are one."""
    first, second = subjects.gone(one), subjects.gone(other)
    if first is not None and second is not None:
        _introduce(sheet, first, second)
    elif first is not None:
        leave(sheet, subjects.survivor(other), first.chain, first.reference, subjects)
    elif second is not None:
        leave(sheet, subjects.survivor(one), second.chain, second.reference, subjects)
    else:
        kept, joined = sorted((subjects.survivor(one), subjects.survivor(other)))
        sheet.note("link", {"joined": joined.hex()}, subject=kept)
        subjects.took(sheet.made[-1].row)


def _introduce(sheet: Sheet, one: Gone, other: Gone) -> None:
    """Two persons of other chains are one: the higher of these is told; the rows change nothing here."""
    low, high = sorted((one, other))
    content: Arrived | Wanted = Wanted(high.reference, low.chain, low.reference)
    sheet.tell("link", high.chain, content, {}, subject=high.reference)


def _name_of(event: Event, alias: Identifier, persons: Persons) -> bytes:
    assert event.subject is not None  # noqa: S101 - whoever has aliases has a subject
    return persons[event.subject].keys.alias(alias.type, alias.value)


def _reference(who: Who, persons: Persons) -> bytes:
    return who if isinstance(who, bytes) else persons[who].reference
