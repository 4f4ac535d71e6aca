"""The lines of a file as events, and which identifiers the file names together.

Pure. What a file names together is a function of its content alone, so every reading of it puts an event on
the same chain. Only valid events count: a line that is refused joins nobody.

Not handled here: reading the file and numbering its lines (`cli.lines`), judging (`ingesting`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ansvar.events.boundary import parse_event
from ansvar.events.errors import InvalidEvent
from ansvar.events.identifiers import normalise_event
from ansvar.events.model import Event, Identifier

Line = tuple[int, bytes]  # 1-based number and text

# JSON may write a letter of a field's name as an escape: \u0061 is an a. All ASCII letters begin so.
_ALIASES: Final = (b'"aliases"', b"\\u006", b"\\u007")


def event_of_line(number: int, text: bytes) -> Event | InvalidEvent:
    """The normalised event of a line, or what is wrong with it."""
    try:
        event = normalise_event(parse_event(text, line=number))
    except InvalidEvent as fault:
        return fault.placed(line=number)
    if event.event_id is None:
        wanted = "an event_id, so that a repeated ingest is recognised"
        return InvalidEvent("nothing", wanted, field="event_id", line=number)
    return event


class Together:
    """Identifiers that some events name together, directly or by way of others."""

    def __init__(self) -> None:
        self._parents: dict[Identifier, Identifier] = {}  # to one named earlier; to itself for the first
        self._places: dict[Identifier, int] = {}

    def add(self, event: Event) -> None:
        """Take what a normalised event names together."""
        if event.subject is None:
            return
        firsts = []
        for identifier in (event.subject, *event.aliases):
            if identifier not in self._places:
                self._places[identifier] = len(self._places)
                self._parents[identifier] = identifier
            firsts.append(self._root(identifier))
        first = min(firsts, key=self._places.__getitem__)
        for other in firsts:
            self._parents[other] = first

    def first(self, identifier: Identifier) -> Identifier | None:
        """Of the identifiers named together with this one the first in the file; None where there is none."""
        return self._root(identifier) if identifier in self._parents else None

    def holds(self, event: Event) -> bool:
        """Whether what an event names together is known to be."""
        if event.subject is None or not event.aliases:
            return True
        firsts = {self.first(identifier) for identifier in (event.subject, *event.aliases)}
        return None not in firsts and len(firsts) == 1

    def _root(self, identifier: Identifier) -> Identifier:
        parents = self._parents
        while (parent := parents[identifier]) != identifier:
            parents[identifier] = parents[parent]  # halves the way for whoever asks next
            identifier = parent
        return identifier


def named_together(lines: Iterable[Line]) -> Together:
    """What the lines of a file name together. Only lines that may hold `aliases` are parsed."""
    found = Together()
    for number, text in lines:
        if any(sign in text for sign in _ALIASES):
            event = event_of_line(number, text)
            if not isinstance(event, InvalidEvent) and event.aliases:
                found.add(event)
    return found
