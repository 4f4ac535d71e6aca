"""Which tests name which rules, read from the syntax trees of test files; nothing is imported or run.

Invariants: a test function reaches what stands in itself, in its decorators (so its parameters), and in the
tables and helpers of its own module that these name, however indirectly. Names from elsewhere lead nowhere.

Not handled here: whether a test passes, and what follows where a rule has none (`policy_coverage`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

VERBS = frozenset({"fires", "silent"})  # of `judging`; the first argument is the id of a rule


@dataclass(frozen=True)
class Named:
    """A test function that reaches an id, and the verbs with which it does (none where it only names it)."""

    file: str
    function: str
    verbs: frozenset[str] = frozenset()


@dataclass
class _Module:
    definitions: dict[str, list[ast.AST]] = field(default_factory=dict)  # a name may be assigned anew
    words: dict[str, str] = field(default_factory=dict)  # names that stand for one string
    tests: list[ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=list)


def cases(path: Path) -> Iterator[tuple[str, Named]]:
    """Each rule for which a test of a file has cases: its id, and the test with the verbs of the cases."""
    module = _read(path)
    for test in module.tests:
        verbs: dict[str, set[str]] = {}
        for node in _reached(test, module):
            for rule, verb in _case(node, module):
                verbs.setdefault(rule, set()).add(verb)
        for rule, used in verbs.items():
            yield rule, Named(path.name, test.name, frozenset(used))


def mentions(path: Path, names: Mapping[str, str]) -> Iterator[tuple[str, Named]]:
    """Each id that a test of a file names; `names` maps ids, and constants that hold one, to the id."""
    module = _read(path)
    for test in module.tests:
        said = {
            names[word]
            for node in _reached(test, module)
            if (word := _word(node)) is not None and word in names
        }
        for known in sorted(said):
            yield known, Named(path.name, test.name)


def _read(path: Path) -> _Module:
    module = _Module()
    for node in ast.parse(path.read_text(encoding="utf-8"), str(path)).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test_"):
                module.tests.append(node)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                module.definitions.setdefault(name, []).append(node)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    _assigned(target, value, module)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                _assigned(target, value, module)
            case _:
                pass
    return module


def _assigned(target: ast.expr, value: ast.expr, module: _Module) -> None:
    match target, value:
        case ast.Tuple(elts=names), ast.Tuple(elts=values) if len(names) == len(values):
            for name, one in zip(names, values, strict=True):
                _assigned(name, one, module)
        case ast.Tuple(elts=names), _:
            for name in names:
                _assigned(name, value, module)
        case ast.Name(id=name), _:
            module.definitions.setdefault(name, []).append(value)
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                module.words[name] = value.value
        case _:
            pass


def _reached(start: ast.AST, module: _Module) -> Iterator[ast.AST]:
    """Every node of a test and of the definitions that it leads to."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for node in ast.walk(waiting.pop()):
            yield node
            if isinstance(node, ast.Name) and node.id in module.definitions and node.id not in seen:
                seen.add(node.id)
                waiting += module.definitions[node.id]


def _case(node: ast.AST, module: _Module) -> Iterator[tuple[str, str]]:
    """The rule and the verb where a node makes a case; both verbs where it chooses one of them."""
    if isinstance(node, ast.Call) and node.args:
        first = node.args[0]
        rule = module.words.get(first.id) if isinstance(first, ast.Name) else _word(first)
        used = {n.id for n in ast.walk(node.func) if isinstance(n, ast.Name)} & VERBS
        if rule is not None:
            for verb in used:
                yield rule, verb


def _word(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return node.id if isinstance(node, ast.Name) else None
