"""The rules, one module a chapter of the policy, and the engines made of them.

Invariants: an engine is a fixed tuple of chapters in the fixed order in which findings are reported. What an
engine judges never changes once it has judged anything that is kept: a chapter that would give a recorded
event another verdict goes into the next engine.

To add a chapter: write a module that ends with a `Chapter`, and put it into the newest engine at its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ansvar.policy.rule import Chapter, Rule
from ansvar.policy.rules import (
    basis,
    category,
    cookie,
    corporate,
    disclosure,
    erasure,
    marketing,
    objection,
    producer,
    profiling,
    purpose,
    recipient,
    restriction,
    retention,
    rights,
    source,
    system,
    timing,
    transfer,
)

ENGINE = 2  # the engine that judges where none is named

_FIRST: tuple[Chapter, ...] = (
    purpose.CHAPTER,
    category.CHAPTER,
    basis.CHAPTER,
    marketing.OBJECTION,
    objection.CHAPTER,
    marketing.NIX,
    recipient.CHAPTER,
    transfer.FIRST_CHAPTER,
    disclosure.CHAPTER,
)

# The order of the policy's own table of rules.
_SECOND: tuple[Chapter, ...] = (
    purpose.CHAPTER,
    category.CHAPTER,
    basis.CHAPTER,
    marketing.OBJECTION,
    objection.CHAPTER,
    marketing.NIX,
    profiling.CHAPTER,
    source.CHAPTER,
    retention.CHAPTER,
    restriction.CHAPTER,
    erasure.CHAPTER,
    system.CHAPTER,
    recipient.CHAPTER,
    transfer.CHAPTER,
    disclosure.CHAPTER,
    corporate.CHAPTER,
    rights.CHAPTER,
    cookie.CHAPTER,
    producer.CHAPTER,
    timing.CHAPTER,
)

ENGINE_CHAPTERS: Mapping[int, tuple[Chapter, ...]] = MappingProxyType({1: _FIRST, 2: _SECOND})

CHAPTERS: tuple[Chapter, ...] = ENGINE_CHAPTERS[ENGINE]
RULES: tuple[Rule, ...] = tuple(rule for chapter in CHAPTERS for rule in chapter.rules)
RULE: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in RULES})

# Every rule of any engine, each once, the newest engine's order first.
ALL_RULES: tuple[Rule, ...] = tuple(
    {
        rule.id: rule
        for number in sorted(ENGINE_CHAPTERS, reverse=True)
        for chapter in ENGINE_CHAPTERS[number]
        for rule in chapter.rules
    }.values()
)
