"""What several checks of a bundle's files ask of words and dates.

Invariants: as in `check`: a problem is reported at the line of the word that is wrong, nothing is raised.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from typing import Protocol

from ansvar.policy.document import Path, Reader, closest
from ansvar.policy.shapes import Files


class Dated(Protocol):
    """Anything with a half-open validity."""

    @property
    def valid_from(self) -> date | None: ...
    @property
    def valid_to(self) -> date | None: ...


Place = tuple[Path, Dated]


def known_word(reader: Reader, path: Path, word: str, known: Collection[str], what: str, where: str) -> None:
    """Report a word that is none of `known`, the words of `what` that stand in the file `where`."""
    if word not in known:
        near = closest(word, frozenset(known))
        reader.report(
            path, f"`{word}` is not a known {what}", near or f"add it to {where} or name one that is there"
        )


def country_code(files: Files, reader: Reader, path: Path, code: str, iso: frozenset[str]) -> None:
    """Report a country code that ISO 3166-1 does not have."""
    if code not in iso:
        right = files.places.suggestions.get(code)
        remedy = f"write {right}" if right else "write its alpha-2 code"
        reader.report(path, f"`{code}` is not a country code of ISO 3166-1", remedy)


def validities(reader: Reader, entries: Iterable[Place]) -> None:
    """Periods of one thing: each ends after it begins, and none begins before another has ended."""
    upright: list[Place] = []
    for path, entry in entries:
        if entry.valid_from and entry.valid_to and entry.valid_to <= entry.valid_from:
            message = f"ends ({entry.valid_to}) before it begins ({entry.valid_from}) or on that day"
            reader.report(
                (*path, "valid_to"), message, "give the first day not covered, later than valid_from"
            )
        else:
            upright.append((path, entry))
    upright.sort(key=lambda place: place[1].valid_from or date.min)
    reach, reaching = date.min, ""
    for path, entry in upright:
        if reaching and reach > (entry.valid_from or date.min):
            reader.report(
                (*path, "valid_from"),
                f"overlaps the validity in line {reaching}",
                "end the earlier one where the later one begins",
            )
        end = entry.valid_to or date.max
        if not reaching or end > reach:
            reach, reaching = end, str(reader.line((*path, "valid_from")))
