"""The rules, one module a chapter of the policy, in the fixed order in which findings are reported.

To add a chapter: write a module that ends with a `Chapter`, and put it into `CHAPTERS` at its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ansvar.policy.rule import Chapter, Rule
from ansvar.policy.rules import (
    basis,
    category,
    disclosure,
    marketing,
    objection,
    purpose,
    recipient,
    transfer,
)

CHAPTERS: tuple[Chapter, ...] = (
    purpose.CHAPTER,
    category.CHAPTER,
    basis.CHAPTER,
    marketing.OBJECTION,
    objection.CHAPTER,
    marketing.NIX,
    recipient.CHAPTER,
    transfer.CHAPTER,
    disclosure.CHAPTER,
)

RULES: tuple[Rule, ...] = tuple(rule for chapter in CHAPTERS for rule in chapter.rules)
RULE: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in RULES})
