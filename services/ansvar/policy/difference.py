"""What differs between two bundles: entries added, removed and changed, part by part.

Pure. Compared is what the files mean, not how they are written: two bundles without a difference here judge
alike, whatever their comments say. Entries are told by their id; a part without ids is one entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, structs

from ansvar.policy.bundle import Bundle

_NOT_COMPARED = frozenset({"sha256"})


class Change(Struct, frozen=True):
    """One entry of one part that is not the same; `fields` names what differs in a changed one."""

    part: str
    id: str
    what: Literal["added", "removed", "changed"]
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"{self.part} {self.id}".rstrip()
        return f"{self.what} {where}" + (f" ({', '.join(self.fields)})" if self.fields else "")


def differences(old: Bundle, new: Bundle) -> list[Change]:
    """Every difference, in the order of the bundle's parts and of ids."""
    found: list[Change] = []
    for part in Bundle.__struct_fields__:
        before, after = getattr(old, part), getattr(new, part)
        if part in _NOT_COMPARED or before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += _entries(part, before, after)
        elif isinstance(before, frozenset) and isinstance(after, frozenset):
            found += [Change(part, str(word), "removed") for word in sorted(before - after)]
            found += [Change(part, str(word), "added") for word in sorted(after - before)]
        else:
            found.append(Change(part, "", "changed", _fields(before, after)))
    return found


def _entries(part: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    found = []
    for entry in sorted(before.keys() | after.keys()):
        if entry not in after:
            found.append(Change(part, entry, "removed"))
        elif entry not in before:
            found.append(Change(part, entry, "added"))
        elif before[entry] != after[entry]:
            found.append(Change(part, entry, "changed", _fields(before[entry], after[entry])))
    return found


def _fields(before: Any, after: Any) -> tuple[str, ...]:
    if isinstance(before, Struct) and type(before) is type(after):
        old, new = structs.asdict(before), structs.asdict(after)
        return tuple(name for name in old if old[name] != new[name])
    return ()
