"""What was signed of one chain, to be held against its rows: checkpoints, the last verification, kept files.

Invariants: a claim is a size and a root under a signature of the chain's log that verified; whatever does not
is a Fault. What says how far a chain reached is read when a `Claims` is made, so before the rows that it
speaks of: a worker that goes on meanwhile makes no claim look too large.

Not handled here: whether rows and roots agree (`verify`), and keys (`vault.logkeys` is a `LogKeys`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol
from uuid import UUID

from msgspec import Struct

from ansvar.ledger import anchor_file
from ansvar.ledger.checkpoint import Checkpoint, open_checkpoint
from ansvar.ledger.errors import BadSignature, Fault, FaultKind, LedgerError, Malformed, WrongOrigin
from ansvar.ledger.notes import COSIGNATURE_MLDSA44, ED25519, MAX_NUMBER, Note, VerifierKey
from ansvar.ledger.statements import Verified, open_statement
from ansvar.ledger.tiles import HEIGHT, WIDTH
from ansvar.store.checkpoints import Checkpoints
from ansvar.store.client import Store

_PAGE: Final = 500  # checkpoints read and opened together
_CHAIN_DIGITS: Final = 10  # of a u32


class LogKeys(Protocol):
    """Whose signatures count for a chain."""

    def origin(self, chain: int) -> str:
        """The origin of the chain's checkpoints."""
        ...

    def public(self, chain: int) -> tuple[VerifierKey, ...]:
        """Every key that ever signed for the chain; empty where no signature can be checked."""
        ...


class NoKeys(Struct, frozen=True):
    """Stands in where the log's keys are not at hand: origins are checked, signatures are not."""

    deployment: bytes

    def origin(self, chain: int) -> str:
        return f"ansvar/{UUID(bytes=self.deployment)}/{chain}"

    def public(self, chain: int) -> tuple[VerifierKey, ...]:
        del chain
        return ()


class Claim(NamedTuple):
    """That a chain's first `size` rows have this root, and who says so."""

    size: int
    root: bytes
    source: Literal["checkpoint", "verification", "kept checkpoint"]


class Claims:
    """What was signed of one chain. `faults` are those of the notes opened so far, each kind once."""

    def __init__(self, store: Store, chain: int, keys: LogKeys, kept: Iterable[Checkpoint] = ()) -> None:
        self._store, self._chain, self._keys = store, chain, keys
        self._faults: dict[FaultKind, list[Fault]] = {}
        self.filed: set[int] = set()  # the sizes under which checkpoints are stored, as far as they were read
        newest = Checkpoints(store).newest(chain)
        self.newest = 0 if newest is None else newest.size  # size of the newest checkpoint, as it is filed
        self.tiled = self._tiled()  # rows that the stored tiles reach to
        self.verified = self._last_verified()
        self.kept = sorted({Claim(c.size, c.root, "kept checkpoint") for c in kept})

    @property
    def faults(self) -> list[Fault]:
        """What is wrong with the notes: of each kind the first, which says how many there are."""
        return [
            Fault(first.kind, first.chain, first.seq, f"{first.message}{_more(len(rest))}")
            for first, *rest in self._faults.values()
        ]

    @property
    def beside(self) -> list[Claim]:
        """The claims that are no stored checkpoints, by size."""
        return sorted([*self.kept, *([] if self.verified is None else [self.verified])])

    def pages(self, start: int) -> Iterator[list[Claim]]:
        """All claims on `start` rows or more by size, some hundred at a time; together with those beside.

        What a worker has signed since this was made is left out: it may cover rows that nobody has read yet.
        """
        beside = [claim for claim in self.beside if claim.size >= start]
        more = True
        while more and start <= MAX_NUMBER:
            found = self._store.query(
                "SELECT size, hex(note) FROM {database}.checkpoints WHERE chain = {chain:UInt32} "
                "AND size BETWEEN {start:UInt64} AND {newest:UInt64} "
                "ORDER BY size LIMIT {page:UInt64} WITH TIES",
                {"chain": self._chain, "start": start, "newest": self.newest, "page": _PAGE},
            )
            more = len(found) >= _PAGE
            start = found[-1][0] + 1 if more else MAX_NUMBER + 1
            self.filed.update(size for size, _ in found)
            opened = [self._opened(size, bytes.fromhex(note)) for size, note in found]
            page = [claim for claim in opened if claim is not None]
            yield sorted([*page, *(claim for claim in beside if claim.size < start)])
            beside = [claim for claim in beside if claim.size >= start]

    def _opened(self, size: int, note: bytes) -> Claim | None:
        try:
            checkpoint = open_signed(note, self._chain, self._keys)
        except LedgerError as error:
            self._fault(error, size)
            return None
        if checkpoint.size != size:
            problem = f"the checkpoint filed under size {size} is the one of size {checkpoint.size}"
            self._found(Fault("edited", self._chain, max(size - 1, 0), problem))
            return None
        return Claim(checkpoint.size, checkpoint.root, "checkpoint")

    def _last_verified(self) -> Claim | None:
        data = Checkpoints(self._store).last_verified(self._chain)
        if data is None:
            return None
        public, origin = self._keys.public(self._chain), self._keys.origin(self._chain)
        try:
            stated = Verified.parse(open_statement(data, public)[0] if public else Note.parse(data).text)
            if stated.checkpoint.origin != origin:
                raise WrongOrigin(f"a verification of {stated.checkpoint.origin!r}, not of {origin!r}")
        except LedgerError as error:
            self._fault(error, 0)
            return None
        return Claim(stated.checkpoint.size, stated.checkpoint.root, "verification")

    def _tiled(self) -> int:
        found = self._store.query(
            "SELECT level, max(index) FROM {database}.tiles WHERE chain = {chain:UInt32} GROUP BY level",
            {"chain": self._chain},
        )
        return max([(index + 1) * WIDTH << HEIGHT * level for level, index in found], default=0)

    def _fault(self, error: LedgerError, size: int) -> None:
        kind: FaultKind = "wrong-origin" if isinstance(error, WrongOrigin) else "bad-signature"
        self._found(Fault(kind, self._chain, max(size - 1, 0), str(error)))

    def _found(self, fault: Fault) -> None:
        self._faults.setdefault(fault.kind, []).append(fault)


def open_signed(note: bytes, chain: int, keys: LogKeys) -> Checkpoint:
    """A checkpoint of a chain with both signatures of its log, Ed25519 and ML-DSA-44.

    Without keys, what it says is only read. Raises Malformed, WrongOrigin or BadSignature.
    """
    public, origin = keys.public(chain), keys.origin(chain)
    if not public:
        checkpoint = Checkpoint.parse(Note.parse(note).text)
        if checkpoint.origin != origin:
            raise WrongOrigin(f"a checkpoint of {checkpoint.origin!r} where one of {origin!r} is expected")
        return checkpoint
    opened = open_checkpoint(note, public, origin=origin)
    kinds = {signed.key.kind for signed in opened.signed}
    if not kinds >= {ED25519, COSIGNATURE_MLDSA44}:
        lost = "Ed25519" if ED25519 not in kinds else "ML-DSA-44"
        size = opened.checkpoint.size
        raise BadSignature(f"checkpoint of {origin!r}, size {size}: the log's {lost} signature is not there")
    return opened.checkpoint


def read_kept(data: bytes, keys: LogKeys) -> tuple[Mapping[int, Sequence[Checkpoint]], list[Fault]]:
    """The checkpoints of a kept file by chain, and the faults of its notes. Raises Malformed for the file."""
    kept: dict[int, list[Checkpoint]] = {}
    faults: list[Fault] = []
    for number, note in enumerate(anchor_file.read(data), start=1):
        try:
            stated = Checkpoint.parse(Note.parse(note).text)
        except Malformed as error:
            raise Malformed("kept checkpoints", f"note {number}", str(error)) from error
        digits = stated.origin.rpartition("/")[2]
        readable = digits.isdecimal() and digits.isascii() and len(digits) <= _CHAIN_DIGITS
        chain = int(digits) if readable else 0
        try:
            kept.setdefault(chain, []).append(open_signed(note, chain, keys))
        except WrongOrigin as error:
            faults.append(Fault("wrong-origin", chain, max(stated.size - 1, 0), f"kept file: {error}"))
        except LedgerError as error:
            faults.append(Fault("bad-signature", chain, max(stated.size - 1, 0), f"kept file: {error}"))
    return kept, faults


def _more(count: int) -> str:
    return f"; and {count} more like it" if count else ""
