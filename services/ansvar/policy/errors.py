"""What can go wrong in the policy room.

Invariants: every error raised here derives from PolicyError; a problem of a bundle says where it is (file,
line, field), what is wrong and what to do. Messages show words and dates of the bundle, which are the
company's, and never a contact address.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class PolicyError(Exception):
    """The root of this package's errors."""


class Problem(Struct, frozen=True):
    """One thing that is wrong in a bundle: where, what, and what to do next.

    `file` is relative to the bundle (empty: the bundle as a whole), `line` counts from 1 (None: no single
    line, as for a missing file), `field` is a path such as `recipients[3].storage[0]` (empty: the file).
    """

    file: str
    line: int | None
    field: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = ":".join(part for part in (self.file, str(self.line or "")) if part)
        return ": ".join(part for part in (place, self.field, f"{self.message}; {self.remedy}") if part)


class BundleError(PolicyError):
    """A bundle that cannot be used. `problems` has all that were found, in the order of files and lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line or 0)))
        lines = [str(problem) for problem in self.problems]
        count = len(lines)
        head = "the policy bundle has 1 problem" if count == 1 else f"the policy bundle has {count} problems"
        super().__init__("\n  ".join((f"{head}:", *lines)))

    @property
    def file(self) -> str:
        """The file of the first problem."""
        return self.problems[0].file

    @property
    def line(self) -> int | None:
        """The line of the first problem, from 1."""
        return self.problems[0].line

    @property
    def field(self) -> str:
        """The field of the first problem."""
        return self.problems[0].field
