"""One YAML text to one typed value, with the line of each of its parts and every problem found on the way.

Invariants: a scalar is text until the field it stands in says otherwise, so `NO` is Norway and `off` a word
(YAML 1.1 would read both as false); tags, anchors, aliases, second documents and double keys are refused, so
the file says what a reader sees; a problem never stops the reading of what stands beside it; nothing is
constructed from the YAML but the msgspec structs that the caller names, and unknown fields are refused.

Not handled here: what the shapes are (`shapes`), whether references resolve (`check`).
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec
import yaml

from ansvar.policy.errors import Problem

MAX_DEPTH = 20
Path = tuple[str | int, ...]

_Base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it was built in
_Loader: type[yaml.SafeLoader] = type("_Loader", (_Base,), {"yaml_implicit_resolvers": {}})
_NULLS = frozenset({"", "~", "null"})
_S = TypeVar("_S", bound=msgspec.Struct)


class _Missing:
    """Stands for a part that could not be read; its problem is already recorded."""


_MISSING: Final = _Missing()


@dataclass
class Reader:
    """The state of reading one file: where its parts stand and what was wrong."""

    file: str
    problems: list[Problem]
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """The line of a part, else of the nearest part around it that is written in the file."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)

    def report(self, path: Path, message: str, remedy: str, line: int | None = None) -> None:
        """Record a problem of the part at `path`."""
        self.problems.append(Problem(self.file, line or self.line(path), written(path), message, remedy))

    def read(self, text: str, shape: type[_S]) -> _S | None:
        """The text as a value of `shape`; None after any problem."""
        before = len(self.problems)
        root = self._compose(text)
        if root is None:
            return None
        value = self._value(root, shape, ())
        return value if isinstance(value, shape) and len(self.problems) == before else None

    def _compose(self, text: str) -> yaml.Node | None:
        try:
            if not self._plain(yaml.parse(text, Loader=_Loader)):
                return None
            root = yaml.compose(text, Loader=_Loader)
        except yaml.YAMLError as error:
            self.report((), f"is not YAML: {_why(error)}", "correct the syntax", _where(error, text))
            return None
        if root is None:
            self.report((), "is empty", "write the file's fields")
        return root

    def _plain(self, events: Iterator[yaml.Event]) -> bool:
        """Refuse what makes a file say something else than a reader sees, before anything is built."""
        depth = documents = 0
        for event in events:
            line = event.start_mark.line + 1 if event.start_mark else 1
            documents += isinstance(event, yaml.DocumentStartEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if documents > 1:
                self.report((), "holds a second document", "keep one document a file (no `---`)", line)
            elif isinstance(event, yaml.NodeEvent) and event.anchor is not None:
                self.report((), "uses an anchor or an alias", "write the value out in each place", line)
            elif getattr(event, "tag", None) is not None:
                self.report((), "uses a tag", "remove the word that begins with `!`", line)
            elif depth > MAX_DEPTH:
                self.report((), f"is nested deeper than {MAX_DEPTH}", "follow the shape of the sample", line)
            else:
                continue
            return False
        return True

    def _value(self, node: yaml.Node, kind: Any, path: Path) -> Any:
        """A node as a value of a type: a struct, a tuple, a dict or a scalar, each perhaps `| None`."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        null = isinstance(node, yaml.ScalarNode) and not node.style and node.value in _NULLS
        if get_origin(kind) in (Union, types.UnionType):
            kinds = [k for k in get_args(kind) if k is not types.NoneType]
            if null:
                return None
            kind = kinds[0]
        if null:
            self.report(path, "is empty", "write a value or leave the field out")
            return _MISSING
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(node, kind, path)
        if get_origin(kind) is tuple:
            return self._sequence(node, get_args(kind)[0], path)
        if get_origin(kind) is dict:
            key_kind, value_kind = get_args(kind)
            return self._mapping(node, key_kind, value_kind, path)
        return self._scalar(node, kind, path)

    def _struct(self, node: yaml.Node, shape: type[msgspec.Struct], path: Path) -> Any:
        known = _fields(shape)
        given: dict[str, Any] = {}
        whole = True
        for key, child in self._entries(node, path):
            if key not in known:
                near = closest(key, known) or f"fields here are {', '.join(known)}"
                self.report((*path, key), "is not a known field", near)
                continue
            given[key] = self._value(child, known[key].type, (*path, key))
        for name, info in known.items():
            if name not in given and info.required and isinstance(node, yaml.MappingNode):
                self.report((*path, name), "is missing", f"add `{name}: {expected(info.type)}`")
                whole = False
        whole = whole and isinstance(node, yaml.MappingNode) and _MISSING not in given.values()
        return shape(**given) if whole else _MISSING

    def _sequence(self, node: yaml.Node, kind: Any, path: Path) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            self.report(path, "is not a list", "write a list, one `- ` an entry or [a, b]")
            return _MISSING
        values = tuple(self._value(child, kind, (*path, i)) for i, child in enumerate(node.value))
        return _MISSING if _MISSING in values else values

    def _mapping(self, node: yaml.Node, key_kind: Any, kind: Any, path: Path) -> Any:
        values = {}
        for key, child in self._entries(node, path):
            try:
                msgspec.convert(key, key_kind)
            except msgspec.ValidationError:
                self.report((*path, key), "is not a name that can stand here", f"write {expected(key_kind)}")
            values[key] = self._value(child, kind, (*path, key))
        whole = isinstance(node, yaml.MappingNode) and _MISSING not in values.values()
        return values if whole else _MISSING

    def _entries(self, node: yaml.Node, path: Path) -> Iterator[tuple[str, yaml.Node]]:
        """The entries of a mapping, each once."""
        if not isinstance(node, yaml.MappingNode):
            self.report(path, "is not a set of fields", "write `name: value`, one a line")
            return
        seen: set[str] = set()
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.report(path, "has a field whose name is not a word", "write `name: value`", line)
            elif key.value in seen:
                first = self.line((*path, key.value))
                self.report(
                    (*path, key.value), f"is given twice (first in line {first})", "keep one of them", line
                )
            else:
                seen.add(key.value)
                self.lines[(*path, key.value)] = line
                yield key.value, child

    def _scalar(self, node: yaml.Node, kind: Any, path: Path) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            self.report(path, "is a list or a set of fields", f"write {expected(kind)}")
            return _MISSING
        try:
            return msgspec.convert(node.value, kind, strict=False)
        except msgspec.ValidationError:
            shown = f"{node.value!r} is not" if _harmless(kind) else "the text is not"
            near = closest(node.value, get_args(kind)) if get_origin(kind) is Literal else None
            self.report(path, f"{shown} {expected(kind)}", near or f"write {expected(kind)}")
            return _MISSING


@cache  # msgspec evaluates the annotations on each call, which was half the time of loading a bundle
def _fields(shape: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {info.encode_name: info for info in msgspec.structs.fields(shape)}


def written(path: Path) -> str:
    """A path as a reader writes it: `recipients[3].storage[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def closest(word: str, known: Mapping[str, object] | tuple[str, ...] | frozenset[str]) -> str | None:
    """A remedy that offers the known word nearest to a wrong one; None if none is near."""
    near = get_close_matches(word, sorted(known), n=1)
    return f"did you mean `{near[0]}`?" if near else None


def expected(kind: Any) -> str:
    """What a field takes, in words."""
    origin = get_origin(kind)
    if origin is Annotated:
        described = [meta.description for meta in get_args(kind)[1:] if meta.description]
        return described[0] if described else expected(get_args(kind)[0])
    if origin is Literal:
        return "one of " + ", ".join(str(word) for word in get_args(kind))
    if origin is tuple:
        return "a list"
    return {bool: "true or false", int: "a whole number", date: "a date as YYYY-MM-DD", str: "a text"}.get(
        kind, "a set of fields"
    )


def _harmless(kind: Any) -> bool:
    """Whether a wrong value may be shown: free text and contacts may hold a person's name or address."""
    return get_origin(kind) is Literal or kind in (bool, int, date)


def _why(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable")


def _where(error: yaml.YAMLError, text: str) -> int:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return int(error.problem_mark.line) + 1
    return text.count("\n", 0, getattr(error, "position", 0)) + 1
