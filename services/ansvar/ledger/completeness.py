"""Evidence that some rows are all rows of a key: counted and hashed for each key, committed in `index` rows.

Pure. A key is a subject, a recipient, or the class of disclosures to authorities; a chain's rows are noted
under the tags of their keys in the order of the chain. Between two `index` rows of one chain and one
beginning, the entry at the first and the leaves of the key's rows, in order, give the entry at the second;
whoever leaves out, adds, exchanges or alters a row gets another one. Noting a row costs one hash a key;
`commit` hashes the paths of the tags that were touched since the last one.

Not handled here: that an `index` row and the rows shown are leaves of a signed tree, stand where they say and
name the key (inclusion proofs and row columns: the caller); where tags get their keys from (the vault).
docs/completeness.md has the whole argument, and what it does not show. No worker writes `index` rows yet.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, Protocol

from ansvar.ledger.errors import Malformed, Unproved
from ansvar.ledger.sparse_tree import EMPTY, Entry, MapProof, SparseTree, verify_entry

KeyKind = Literal["subject", "recipient", "authorities"]
_TAG_LABEL: Final = b"ansvar/index/tag/v1\0"
_NO_SUBJECT: Final = bytes(16)
_NONE_YET: Final = Entry(0, bytes(32))


class Key(NamedTuple):
    """What can be asked for. The name: a subject's reference, a recipient's word in UTF-8, or nothing."""

    kind: KeyKind
    name: bytes


AUTHORITIES: Final = Key("authorities", b"")

# The tag of a key, 32 bytes; None for a subject behind its `erasure` row: no row is noted under it any more.
TagOf = Callable[[Key], bytes | None]


class RowFacts(Protocol):
    """The columns of a row that say which keys it has."""

    @property
    def kind(self) -> str: ...
    @property
    def subject(self) -> bytes: ...
    @property
    def recipient(self) -> str: ...
    @property
    def recipient_type(self) -> str: ...
    @property
    def via(self) -> str: ...


def keys(row: RowFacts) -> tuple[Key, ...]:
    """The keys of a row, each once: whoever it names as subject, recipient or sub-processor, at any stage."""
    found = [] if row.subject == _NO_SUBJECT else [Key("subject", row.subject)]
    found += [Key("recipient", name.encode()) for name in dict.fromkeys((row.recipient, row.via)) if name]
    if row.kind == "disclosure" and row.recipient_type == "authority":
        found.append(AUTHORITIES)
    return tuple(found)


def tags(row: RowFacts, tag_of: TagOf) -> list[bytes]:
    """The tags under which a row is noted."""
    return [tag for tag in map(tag_of, keys(row)) if tag is not None]


def tag(secret: bytes, key: Key) -> bytes:
    """HMAC-SHA256(secret, label || kind || 0x00 || name), 32 bytes.

    The secret is the subject's own index key, and for the other kinds the deployment's.
    """
    return hmac.digest(secret, _TAG_LABEL + key.kind.encode() + b"\0" + key.name, "sha256")


class Index:
    """The fold over a chain's rows: entries as of the last commit, and what was noted since."""

    def __init__(self, entries: Mapping[bytes, Entry] = MappingProxyType({})) -> None:
        """Begin with the entries of an `index` row; the caller compares `root` with the row's."""
        self._tree = SparseTree()
        self._noted: dict[bytes, Entry] = dict(entries)
        self.commit()

    @property
    def root(self) -> bytes:
        """The root as of the last commit, 32 bytes."""
        return self._tree.root

    @property
    def size(self) -> int:
        """How many keys the last commit has."""
        return len(self._tree.entries)

    @property
    def noted(self) -> Mapping[bytes, Entry]:
        """The entries that the next commit will change: what is to be stored beside its `index` row."""
        return MappingProxyType(self._noted)

    def note(self, tag: bytes, leaf: bytes) -> None:
        """The chain's next row has this tag. One hash."""
        before = self._noted.get(tag) or self._tree.entries.get(tag) or _NONE_YET
        self._noted[tag] = _extended(before, leaf)

    def commit(self) -> bytes:
        """Take what was noted into the map; returns its root. Raises Malformed for a tag of a wrong size."""
        self._tree.update(self._noted)
        self._noted = {}
        return self._tree.root

    def prove(self, tag: bytes) -> MapProof:
        """The tag's entry as of the last commit, or that it has none."""
        return self._tree.prove(tag)


@dataclass(frozen=True, slots=True)
class Commitment:
    """What the `index` row `seq` states about the rows behind row `since` and before itself.

    `since` is the `index` row with which this index began, its own `seq` in that row. `names` is the SHA-256
    of the deployment's index key. Raises Malformed for values that no `index` row has.
    """

    seq: int
    since: int
    keys: int
    root: bytes
    names: bytes

    def __post_init__(self) -> None:
        if not len(self.root) == len(self.names) == 32:
            raise _malformed(self.seq, "root and names have 32 bytes each")
        if not 0 <= self.since <= self.seq:
            raise _malformed(self.seq, f"the index of this row cannot have begun at row {self.since}")
        if (
            self.keys < 0
            or (self.keys == 0) != (self.root == EMPTY)
            or (self.keys and self.since == self.seq)
        ):
            raise _malformed(self.seq, f"{self.keys} keys do not go with its root or its beginning")

    def extra(self) -> str:
        """The row's `extra`: RFC 8785 JSON."""
        root, names = self.root.hex(), self.names.hex()
        return f'{{"keys":{self.keys},"names":"{names}","root":"{root}","since":{self.since}}}'


# RFC 8785 has numbers up to 2^53: fifteen digits are fewer.
_EXTRA: Final = re.compile(
    r'\{"keys":(?P<keys>0|[1-9][0-9]{0,14}),"names":"(?P<names>[0-9a-f]{64})",'
    r'"root":"(?P<root>[0-9a-f]{64})","since":(?P<since>0|[1-9][0-9]{0,14})\}'
)


def parse_commitment(seq: int, extra: str) -> Commitment:
    """The commitment of the `index` row `seq` from its `extra`. Raises Malformed."""
    found = _EXTRA.fullmatch(extra)
    if found is None:
        raise _malformed(seq, "its extra is not the JSON of a commitment")
    root, names = bytes.fromhex(found["root"]), bytes.fromhex(found["names"])
    return Commitment(seq, int(found["since"]), int(found["keys"]), root, names)


def verify_name_tag(commitment: Commitment, secret: bytes, key: Key) -> bytes:
    """The tag of a recipient or of the authorities, from the index key that was handed over for it.

    Raises Unproved when the commitment names another key. A subject's key is bound by nothing in the ledger.
    """
    if hashlib.sha256(secret).digest() != commitment.names:
        raise Unproved(f"index row {commitment.seq}: its tags were not made with this index key")
    if key.kind == "subject":
        raise Unproved(
            "a subject's tag is not made with the deployment's index key: ask for the subject's own"
        )
    return tag(secret, key)


def verify_complete(before: Entry | None, leaves: Sequence[bytes], after: Entry | None) -> None:
    """The leaves, in order, are all that was noted between two entries of one tag; None is no entry.

    Raises Unproved, which says how many rows are missing or too many; Malformed for a leaf of a wrong size.
    """
    start, end = before or _NONE_YET, after or _NONE_YET
    if end.rows < start.rows:
        raise Unproved(f"completeness: {start.rows} rows were committed first and {end.rows} later")
    committed = end.rows - start.rows
    if len(leaves) < committed:
        missing = committed - len(leaves)
        raise Unproved(f"completeness: {missing} of {committed} rows are missing: ask for the rest")
    if len(leaves) > committed:
        raise Unproved(f"completeness: {len(leaves) - committed} rows more than the {committed} committed")
    if any(len(leaf) != 32 for leaf in leaves):
        raise Malformed("leaf", "length", "a leaf has 32 bytes")
    entry = start
    for leaf in leaves:
        entry = _extended(entry, leaf)
    if entry != end:
        raise Unproved(f"completeness: {_what_is_wrong(leaves)}")


def verify_between(
    tag: bytes,
    older: tuple[Commitment, MapProof],
    newer: tuple[Commitment, MapProof],
    leaves: Sequence[bytes],
) -> None:
    """The leaves, in order, are those of all rows of the tag between two `index` rows of one chain.

    Raises Unproved, also where the two rows are not of one index; Malformed.
    """
    (first, first_proof), (last, last_proof) = older, newer
    if last.seq < first.seq:
        raise Unproved(f"completeness: index row {last.seq} stands before {first.seq}: exchange them")
    if (first.since, first.names) != (last.since, last.names):
        raise Unproved(
            f"completeness: the index began anew between rows {first.seq} and {last.seq}; "
            "what lies between them cannot be shown as a whole: ask for either side"
        )
    before = verify_entry(first.root, tag, first_proof)
    verify_complete(before, leaves, verify_entry(last.root, tag, last_proof))


def _what_is_wrong(leaves: Sequence[bytes]) -> str:
    """Why as many rows as were committed give another hash, as far as they show it themselves."""
    seen: set[bytes] = set()
    for at, leaf in enumerate(leaves, start=1):
        if leaf in seen:
            return f"row {at} of {len(leaves)} is there twice"
        seen.add(leaf)
    if not leaves:
        return "no row lies between two entries that differ"
    return f"the {len(leaves)} rows are as many as committed, but others or in another order"


def _extended(entry: Entry, leaf: bytes) -> Entry:
    return Entry(entry.rows + 1, hashlib.sha256(b"\2" + entry.running + leaf).digest())


def _malformed(seq: int, problem: str) -> Malformed:
    return Malformed("index row", f"seq {seq}", problem)
