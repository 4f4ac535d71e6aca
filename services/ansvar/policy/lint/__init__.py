"""Looking through a policy as one looks through code: against the law's own lists, and against time.

Invariants: pure; the day is a value. Every check runs, and all that is found is returned, in the fixed order
of the checks and, within one, of the files. To add a check, write one function under `@check` in the module
of its kind; a new module is imported here, and the imports are the order.

Not handled here: whether the files can be read at all (`loader`), printing (`sarif`, `ansvar policy lint`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

from msgspec import Struct

from ansvar.policy.compile import compile_bundle
from ansvar.policy.document import written
from ansvar.policy.lint import bases, expiry, notice, promises, register, rights, settings, transfers
from ansvar.policy.lint.check import DECLARED, RANK, Check, Found, Level, Matter, Texts
from ansvar.policy.loader import ALL_PATHS, Source

_MODULES = (notice, rights, promises, bases, register, transfers, expiry, settings)
CHECKS: tuple[Check, ...] = tuple(
    check for module in _MODULES for check in DECLARED if check.inspect.__module__ == module.__name__
)
CHECK: Mapping[str, Check] = MappingProxyType({check.id: check for check in CHECKS})


class Finding(Struct, frozen=True):
    """One thing that a policy should do better: what, how grave, where it is written, and what to do."""

    check: str
    level: Level
    clause: str
    article: str
    message: Texts
    remedy: Texts
    file: str  # relative to the bundle
    line: int  # from 1
    field: str  # such as `safeguards[4].id`


def lint(source: Source, as_of: date) -> tuple[Finding, ...]:
    """Everything that the checks find in a bundle as of a Stockholm calendar day."""
    bundle = compile_bundle(source.files, source.sha256)
    matter = Matter(source.files, bundle, as_of, source.published)
    return tuple(
        _place(source, check, found)
        for check in CHECKS
        if source.published is not None or not check.published
        for found in check.inspect(matter)
    )


def reaching(findings: tuple[Finding, ...], level: Level) -> int:
    """How many findings are as grave as `level` or graver."""
    return sum(RANK[finding.level] >= RANK[level] for finding in findings)


def _place(source: Source, check: Check, found: Found) -> Finding:
    return Finding(
        check=check.id,
        level=check.level,
        clause=found.clause or check.clause,
        article=found.article or check.article,
        message=found.message,
        remedy=check.remedy,
        file=ALL_PATHS[found.file],
        line=source.readers[found.file].line(found.path),
        field=written(found.path),
    )
