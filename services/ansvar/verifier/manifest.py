"""What an evidence bundle consists of: its manifest, its files' names, and how rows are shown for reading.

Pure. The manifest proves nothing. It says what was asked for and which rows were put in for which reason;
from it follows which files there have to be, no more and no fewer. Its form is canonical JSON (sorted keys,
no spaces), so that one manifest has one spelling.

Not handled here: whether any of it holds (`evidence`), making a bundle (`accountability.evidence`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple
from uuid import UUID

from ansvar.ledger.columns import COLUMNS
from ansvar.ledger.notes import MAX_NUMBER, Note
from ansvar.verifier.archive import MAX_FILES, NotEvidence

FORMAT: Final = "ansvar-evidence/1"
MANIFEST: Final = "manifest.json"
ROWS: Final = "rows.jsonl"
WITNESSES: Final = "witnesses.policy"
DOCUMENTS: Final = ("README.en.md", "README.sv.md", "VERIFY.md")
WHY: Final = ("selected", "state", "policy")
MAX_MANIFEST: Final = 4 << 20  # what MAX_FILES files take, and many criteria
MAX_SELECTION: Final = 10_000  # criteria

_WHAT: Final = "evidence manifest"
_ORIGIN: Final = re.compile(r"ansvar/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/(0|[1-9][0-9]{0,9})")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_CHAIN: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_COSIGNATURE_BYTES: Final = 72  # of an Ed25519 cosignature; an ML-DSA-44 one has 2,428
_KEYS: Final = frozenset(
    ("chains", "documents", "format", "made_at", "policies", "rows", "selection", "state_rows", "versions")
)


class Listed(NamedTuple):
    """A row of the bundle and why it is there: "selected", "state" or "policy"."""

    chain: int
    seq: int
    why: str


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """A chain of the bundle: its log's origin, its checkpoints' sizes, and whether keys were rotated."""

    origin: str
    checkpoints: tuple[int, ...]
    successions: bool = False

    @property
    def deployment(self) -> str:
        """The id of the deployment, as the origin has it."""
        return self.origin.split("/")[1]

    @property
    def newest(self) -> int:
        """The size of the newest checkpoint."""
        return self.checkpoints[-1]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of manifest.json; rows, sizes and policies are in ascending order.

    `selection` are the criteria in words, `versions` those of the rows, `policies` the SHA-256 of policy
    bundles in hex, `documents` the SHA-256 of the files that nothing else vouches for; `state_rows` tells
    whether those were put in that judging the selected rows again takes.
    """

    made_at: str
    selection: tuple[str, ...]
    state_rows: bool
    chains: Mapping[int, ChainEntry]
    rows: tuple[Listed, ...]
    versions: tuple[int, ...]
    policies: tuple[str, ...]
    documents: Mapping[str, str]

    def encode(self) -> bytes:
        """The manifest as a file."""
        return canonical_json(
            {
                "format": FORMAT,
                "made_at": self.made_at,
                "selection": list(self.selection),
                "state_rows": self.state_rows,
                "chains": {
                    str(chain): {
                        "origin": entry.origin,
                        "checkpoints": list(entry.checkpoints),
                        "successions": entry.successions,
                    }
                    for chain, entry in self.chains.items()
                },
                "rows": [list(row) for row in self.rows],
                "versions": list(self.versions),
                "policies": list(self.policies),
                "documents": dict(self.documents),
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """The manifest that a file is. Raises NotEvidence."""
        _demand(len(data) <= MAX_MANIFEST, "length", f"more than {MAX_MANIFEST} bytes")
        try:
            found = json.loads(data)
            spelled = canonical_json(found)
        except (ValueError, RecursionError) as error:
            raise NotEvidence(_WHAT, "text", "not JSON") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise NotEvidence(_WHAT, "format", f"not {FORMAT}; another version of Ansvar may read it")
        _demand(found.keys() == _KEYS, "fields", f"not those of {FORMAT}")
        _demand(spelled == data, "text", "not in canonical form")
        manifest = cls(
            made_at=_matching(found["made_at"], _TIME, "made_at"),
            selection=tuple(_printable(one) for one in _list(found["selection"], "selection")),
            state_rows=_boolean(found["state_rows"], "state_rows"),
            chains=_chains(found["chains"]),
            rows=tuple(_row(one) for one in _list(found["rows"], "rows")),
            versions=tuple(_version(one) for one in _list(found["versions"], "versions")),
            policies=tuple(_matching(one, _HASH, "policies") for one in _list(found["policies"], "policies")),
            documents=_documents(found["documents"]),
        )
        _demand(_ascending([row[:2] for row in manifest.rows]), "rows", "not in ascending order")
        _demand(_ascending(manifest.versions), "versions", "not in ascending order")
        _demand(_ascending(manifest.policies), "policies", "not in ascending order")
        rows_of = {row.chain for row in manifest.rows}
        _demand(bool(rows_of) and rows_of == manifest.chains.keys(), "chains", "not those of the rows")
        return manifest

    def files(self) -> set[str]:
        """The name of every file that the bundle consists of."""
        names = {MANIFEST, ROWS, *self.documents, *map(policy_path, self.policies)}
        names.update(map(schema_path, self.versions))
        for chain, entry in self.chains.items():
            names.update(checkpoint_path(chain, size) for size in entry.checkpoints)
            names.update(consistency_path(chain, size) for size in entry.checkpoints[:-1])
            if entry.successions:
                names.add(successions_path(chain))
        for chain, seq, _ in self.rows:
            names.add(row_path(chain, seq))
            names.add(proof_path(chain, seq))
        return names


def row_path(chain: int, seq: int) -> str:
    """Where a row's canonical bytes are."""
    return f"chains/{chain}/rows/{seq}.row"


def proof_path(chain: int, seq: int) -> str:
    """Where a row's tlog-proof is."""
    return f"chains/{chain}/rows/{seq}.tlog-proof"


def checkpoint_path(chain: int, size: int) -> str:
    """Where a checkpoint is, with all its signatures."""
    return f"chains/{chain}/checkpoints/{size}"


def consistency_path(chain: int, size: int) -> str:
    """Where the proof is that the newest tree begins with the tree of that size."""
    return f"chains/{chain}/consistency/{size}"


def successions_path(chain: int) -> str:
    """Where the notes are by which older keys name newer ones."""
    return f"chains/{chain}/successions"


def policy_path(sha256: str) -> str:
    """Where a policy bundle's canonical bytes are."""
    return f"policy/{sha256}"


def schema_path(version: int) -> str:
    """Where the columns of a row version are listed."""
    return f"schema/row-v{version}.json"


def lean(note: Note) -> bytes:
    """The note with its Ed25519 signatures only: what a proof of the bundle repeats of a checkpoint."""
    kept = tuple(one for one in note.signatures if len(one.blob) <= _COSIGNATURE_BYTES)
    return Note(note.text, kept).encode()


def readable(row: Mapping[str, Any], previous: bytes, leaf: bytes) -> str:
    """A row as a line of rows.jsonl: its columns by name, bytes in hex, then the leaf before and its own."""
    return _ENCODE({**row, "previous": previous, "leaf": leaf}) + "\n"


def schema(version: int) -> bytes:
    """The columns of a row version, by which a stranger can read the .row files."""
    told = {
        "version": version,
        "encoding": "ClickHouse RowBinary of the columns in this order, then 32 bytes: the leaf of the row "
        "before, zeros for the first row of a chain",
        "leaf": "SHA-256(0x00 || the whole file), an RFC 6962 leaf hash",
        "extra": "JSON (RFC 8785) of what a kind of row has no column for",
        "columns": [[column.name, column.sql] for column in COLUMNS[version]],
    }
    return json.dumps(told, indent=1, ensure_ascii=False).encode() + b"\n"


def canonical_json(value: Any) -> bytes:
    """Sorted keys, no spaces, UTF-8; ValueError for text that UTF-8 does not have."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _shown(value: bytes | UUID) -> str:
    """What JSON has no form for."""
    return value.hex() if isinstance(value, bytes) else str(value)


_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_shown).encode


def _demand(holds: bool, where: str, problem: str) -> None:
    if not holds:
        raise NotEvidence(_WHAT, where, problem)


def _ascending(values: Iterable[Any]) -> bool:
    return all(a < b for a, b in pairwise(values))


def _list(value: Any, where: str) -> list[Any]:
    limit = MAX_SELECTION if where == "selection" else MAX_FILES
    if not isinstance(value, list) or len(value) > limit:
        raise NotEvidence(_WHAT, where, f"not a list of at most {limit}")
    return value


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotEvidence(_WHAT, where, "not an object")
    return value


def _boolean(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise NotEvidence(_WHAT, where, "neither true nor false")
    return value


def _number(value: Any, where: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_NUMBER:
        raise NotEvidence(_WHAT, where, "not a number from 0 to 2^63 - 1")
    return value


def _matching(value: Any, pattern: re.Pattern[str], where: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise NotEvidence(_WHAT, where, f"not of the form {pattern.pattern}")
    return value


def _printable(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 2000 or not value.isprintable():
        raise NotEvidence(_WHAT, "selection", "not a line of text")
    return value


def _version(value: Any) -> int:
    if _number(value, "versions") not in COLUMNS:
        raise NotEvidence(_WHAT, "versions", f"rows of version {value}; a newer Ansvar may read them")
    return int(value)


def _row(value: Any) -> Listed:
    match value:
        case [chain, seq, why] if why in WHY:
            return Listed(_number(chain, "rows"), _number(seq, "rows"), why)
    raise NotEvidence(_WHAT, "rows", f"not [chain, seq, one of {', '.join(WHY)}]")


def _chains(value: Any) -> dict[int, ChainEntry]:
    found = {}
    for name, entry in _object(value, "chains").items():
        where = f"chain {_matching(name, _CHAIN, 'chains')}"
        _demand(
            _object(entry, where).keys() == {"origin", "checkpoints", "successions"}, where, "other fields"
        )
        sizes = tuple(_number(size, where) for size in _list(entry["checkpoints"], where))
        _demand(
            bool(sizes) and sizes[0] > 0 and _ascending(sizes), where, "no checkpoints in ascending order"
        )
        origin = _matching(entry["origin"], _ORIGIN, where)
        _demand(origin.endswith(f"/{name}"), where, "the origin is another chain's")
        found[int(name)] = ChainEntry(origin, sizes, _boolean(entry["successions"], where))
    _demand(len({entry.deployment for entry in found.values()}) <= 1, "chains", "of several deployments")
    return found


def _documents(value: Any) -> dict[str, str]:
    found = _object(value, "documents")
    _demand(set(DOCUMENTS) <= found.keys() <= {*DOCUMENTS, WITNESSES}, "documents", "not those of a bundle")
    return {name: _matching(sha256, _HASH, "documents") for name, sha256 in found.items()}
