"""From an Avro schema to two Python functions, one that writes a record and one that reads it.

The hot path of batches. An event has some 26 fields, most of them null, and a general codec spends its time
on finding that out field by field: fastavro takes 20 and 18 microseconds an event, the functions made here 4
and 7, conversion to typed events included. They are made as dataclasses make `__init__`: the schema is
written out as source, once, and compiled. Tests hold their bytes against two independent implementations.

Invariants: source is made from schemas of this package only, whose names are Avro names; values never reach
it. Supports what the schemas use: string, long, boolean, fixed(16) as UUID, enum, array, record, union with
null first, timestamp-micros. Enums have fewer than 64 symbols, so that a word is one byte.

Not handled here: the elements (`avro_binary`), which schema (`schemas`), limits and meaning (`codec`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from typing import Any

from ansvar.events import avro_binary
from ansvar.events.errors import UndecodableRecord

Write = Callable[[bytearray, Any], None]
Read = Callable[[bytes, int], tuple[dict[str, Any], int]]

_WORTH_A_LOOK = 3  # nullable fields in a row that are first looked at together


class _Source:
    """Lines of one function, and the constants that they name."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self.named = named
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}
        self._depth = 0
        self._count = 0

    def add(self, *lines: str) -> None:
        self.lines += ["    " * self._depth + line for line in lines]

    @contextmanager
    def under(self, head: str) -> Iterator[None]:
        self.add(head)
        self._depth += 1
        yield
        self._depth -= 1

    def fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"

    def constant(self, stem: str, value: Any) -> str:
        name = self.fresh(stem.upper())
        self.constants[name] = value
        return name

    def resolved(self, schema: Any) -> Any:
        """A reference by name becomes its definition; a primitive stays its name."""
        return self.named.get(schema, schema) if isinstance(schema, str) else schema

    def function(self, name: str) -> Any:
        space = {**self.constants, **_ELEMENTS}
        exec(compile("\n".join(self.lines), f"<avro {name}>", "exec"), space)  # noqa: S102 - see the docstring
        return space[name]


def definitions(schema: Any) -> dict[str, Any]:
    """Full name -> definition of every named type in a schema as fastavro's `parse_schema` returns it."""
    if isinstance(schema, list):
        return {name: found for branch in schema for name, found in definitions(branch).items()}
    if not isinstance(schema, dict):
        return {}
    found = {schema["name"]: schema} if "name" in schema else {}
    for field in schema.get("fields", ()):
        found |= definitions(field["type"])
    return found | definitions(schema.get("items"))


def compile_writer(record: Any, named: Mapping[str, Any], classes: Mapping[str, type]) -> Write:
    """A function that appends a record to a bytearray.

    `named` comes from `definitions`; `classes` gives the class of each record that is a branch of a union,
    by full name. A value that does not fit raises TypeError, KeyError, AttributeError or ValueError.
    """
    source = _Source(named)
    with source.under("def write(out, value):"):
        _write_record(source, record, "value", classes)
    return source.function("write")  # type: ignore[no-any-return]  # made from text


def compile_reader(record: Any, named: Mapping[str, Any], tag: str) -> Read:
    """A function from (data, position) to the record as a dict, and the position after it.

    The dict has `tag` under `kind` and lacks fields that are null or an empty array; a uuid stays 16 bytes.
    Raises IndexError where the data ends too early, KeyError where a byte stands for no word,
    UnicodeDecodeError, or UndecodableRecord. Data may also end inside the last field: see `avro_binary`.
    """
    source = _Source(named)
    with source.under("def read(data, at):"):
        source.add(f"record = {{'kind': {tag!r}}}")
        _read_fields(source, record, "record")
        source.add("return record, at")
    return source.function("read")  # type: ignore[no-any-return]  # made from text


def _optional(schema: Any) -> bool:
    return isinstance(schema, list) and schema[0] == "null"


def _words(schema: Any) -> dict[Any, bytes] | None:
    """All values of a type whose values are one byte."""
    if schema == "boolean":
        return {False: b"\x00", True: b"\x01"}
    if isinstance(schema, dict) and schema["type"] == "enum":
        return {symbol: avro_binary.write_long(index) for index, symbol in enumerate(schema["symbols"])}
    return None


def _kind(schema: Any) -> str:
    return str(schema if isinstance(schema, str) else schema["type"])


# Writing: each function adds the lines that append what the expression `value` holds.


def _write_record(source: _Source, record: Any, value: str, classes: Mapping[str, type]) -> None:
    for optional, group in groupby(record["fields"], lambda field: _optional(field["type"])):
        fields = list(group)
        together = optional and len(fields) >= _WORTH_A_LOOK
        if together:
            take = source.constant("take", attrgetter(*(field["name"] for field in fields)))
            absent = source.constant("absent", (None,) * len(fields))
            with source.under(f"if {take}({value}) == {absent}:"):
                source.add(f"out += {bytes(len(fields))!r}")
        with source.under("else:" if together else "if True:"):
            for field in fields:
                _write(source, field["type"], f"{value}.{field['name']}", classes)


def _write(source: _Source, schema: Any, value: str, classes: Mapping[str, type]) -> None:
    schema = source.resolved(schema)
    if isinstance(schema, list):
        _write_union(source, schema, value, classes)
        return
    words = _words(schema)
    if words is not None:
        source.add(f"out += {source.constant('words', words)}[{value}]")
        return
    match _kind(schema):
        case "string":
            source.add(f"raw = {value}.encode()", "size = len(raw)")
            source.add("out += LENGTHS[size] if size < 64 else write_long(size)", "out += raw")
        case "long":
            element = "write_long" if isinstance(schema, str) else "write_micros"
            source.add(f"out += {element}({value})")
        case "fixed":
            source.add(f"out += {value}.bytes")
        case "record":
            _write_record(source, schema, value, classes)
        case "array":
            item = source.fresh("item")
            with source.under(f"if {value}:"):
                source.add(f"out += write_long(len({value}))")
                with source.under(f"for {item} in {value}:"):
                    _write(source, schema["items"], item, classes)
            source.add("out += b'\\x00'")


def _write_union(source: _Source, branches: list[Any], value: str, classes: Mapping[str, type]) -> None:
    """By the value's Python type; with one branch beside null, by whether it is None."""
    branch = source.resolved(branches[1])
    words = _words(branch) if len(branches) == 2 else None
    if words is not None:
        table = {None: b"\x00", **{word: b"\x02" + raw for word, raw in words.items()}}
        source.add(f"out += {source.constant('words', table)}[{value}]")
        return
    part = source.fresh("part")
    source.add(f"{part} = {value}")
    with source.under(f"if {part} is None:"):
        source.add("out += b'\\x00'")
    for index, branch in enumerate(map(source.resolved, branches[1:]), start=1):
        if len(branches) == 2:
            head = "else:"
        else:
            type_ = str if branch == "string" else classes[branch["name"]]
            head = f"elif isinstance({part}, {source.constant('type', type_)}):"
        with source.under(head):
            source.add(f"out += {avro_binary.write_long(index)!r}")
            _write(source, branch, part, classes)
    if len(branches) > 2:
        with source.under("else:"):
            source.add("raise TypeError('no branch of its union')")


# Reading: each function adds the lines that read one value at `at` into the target and move `at`.


def _read_fields(source: _Source, record: Any, target: str) -> None:
    for optional, group in groupby(record["fields"], lambda field: _optional(field["type"])):
        fields = list(group)
        together = optional and len(fields) >= _WORTH_A_LOOK
        if together:
            with source.under(f"if data[at : at + {len(fields)}] == {bytes(len(fields))!r}:"):
                source.add(f"at += {len(fields)}")
        with source.under("else:" if together else "if True:"):
            for field in fields:
                _read(source, field["type"], f"{target}[{field['name']!r}]")


def _read(source: _Source, schema: Any, target: str) -> None:
    schema = source.resolved(schema)
    if isinstance(schema, list):
        _read_union(source, schema, target)
        return
    words = _words(schema)
    if words is not None:
        table = source.constant("words", {raw[0]: word for word, raw in words.items()})
        source.add(f"{target} = {table}[data[at]]", "at += 1")
        return
    match _kind(schema):
        case "string":
            source.add("byte = data[at]")
            with source.under("if byte < 128 and not byte & 1:"):
                source.add("start = at + 1", "at = start + (byte >> 1)")
                source.add(f"{target} = data[start:at].decode()")
            with source.under("else:"):
                source.add(f"{target}, at = read_string(data, at)")
        case "long":
            element = "read_long" if isinstance(schema, str) else "read_micros"
            source.add(f"{target}, at = {element}(data, at)")
        case "fixed":
            source.add(f"{target} = data[at : at + {schema['size']}]", f"at += {schema['size']}")
        case "record":
            inner = source.fresh("record")
            source.add(f"{target} = {inner} = {{}}")
            _read_fields(source, schema, inner)
        case "array":
            _read_array(source, schema["items"], target)


def _read_array(source: _Source, items: Any, target: str) -> None:
    values, value, count = source.fresh("values"), source.fresh("value"), source.fresh("count")
    with source.under("if data[at] == 0:"):
        source.add("at += 1")
    with source.under("else:"):
        source.add(f"{target} = {values} = []", f"{count}, at = read_block(data, at)")
        with source.under(f"while {count}:"):
            with source.under(f"for _ in range({count}):"):
                _read(source, items, value)
                source.add(f"{values}.append({value})")
            source.add(f"{count}, at = read_block(data, at)")


def _read_union(source: _Source, branches: list[Any], target: str) -> None:
    source.add("byte = data[at]", "at += 1")
    with source.under("if byte == 0:"):
        source.add("pass")
    for index, branch in enumerate(branches[1:], start=1):
        with source.under(f"elif byte == {index * 2}:"):
            _read(source, branch, target)
    with source.under("else:"):
        source.add("raise UndecodableRecord(f'no branch of its union at byte {at - 1}')")


_ELEMENTS: Mapping[str, Any] = {
    "LENGTHS": tuple(avro_binary.write_long(size) for size in range(64)),
    "UndecodableRecord": UndecodableRecord,
    "read_block": avro_binary.read_block,
    "read_long": avro_binary.read_long,
    "read_micros": avro_binary.read_micros,
    "read_string": avro_binary.read_string,
    "write_long": avro_binary.write_long,
    "write_micros": avro_binary.write_micros,
}
