"""The rows and the tree of one chain against what was signed of it: what that says, as faults.

Invariants: a root that differs is a fault of its own only where no row at fault explains it; so is a tile.
The first row that can differ is the one after the largest claim that the tree meets.
"""

from __future__ import annotations

from msgspec import Struct

from ansvar.ledger.errors import Fault, FaultKind
from ansvar.ledger.tiles import WIDTH
from ansvar.store.claims import Claim, Claims
from ansvar.store.growing import GrowingTree
from ansvar.store.recompute import Rows
from ansvar.store.trees import TilesMissing


class Compared(Struct, frozen=True):
    """The rows that passed and their root, the newest checkpoint that holds, and what does not hold."""

    rows: int
    root: bytes
    covered: Claim
    faults: tuple[Fault, ...]


def compare(
    chain: int, end: int, confirmed: int, claims: Claims | None, rows: Rows, tree: GrowingTree
) -> Compared:
    """Hold a chain of `end` rows against its claims (None: nothing signed is looked at)."""
    return _Comparison(chain, end, confirmed, claims, rows, tree).compared()


class _Comparison:
    def __init__(
        self, chain: int, end: int, confirmed: int, claims: Claims | None, rows: Rows, tree: GrowingTree
    ) -> None:
        self._chain, self._end, self._confirmed = chain, end, confirmed
        self._claims, self._rows, self._tree = claims, rows, tree
        self._faults: list[Fault] = []
        start = tree.size
        self._sound = Claim(start, tree.root_at(start), "checkpoint")  # the largest that the tree meets
        self._covered = Claim(0, b"", "checkpoint")  # the newest stored checkpoint that it meets
        self._wrong: Claim | None = None  # the first that it does not meet
        self._met: list[Claim] = []  # those beside the stored checkpoints that it meets
        self._beyond: list[Claim] = []  # those of more rows than there are

    def compared(self) -> Compared:
        passed, root = min([self._rows.unbroken, *[fault.seq for fault in self._rows.faults]]), b""
        try:
            root = self._follow(passed)
            whole = self._tree.finish()
            if self._wrong is None and self._rows.root not in (None, whole):
                self._found(
                    "edited", self._sound.size, "SQL and Python give different trees of the same rows"
                )
        except TilesMissing as error:  # beyond more faults than are told
            self._found("missing", passed, str(error))
        if self._wrong is not None and self._sound.size < passed:
            passed, root = self._sound.size, self._sound.root
        self._judge_end()
        self._judge_roots()
        if self._claims is not None:
            self._judge_stored(self._claims)
            self._judge_tiles(self._claims)
            self._faults += self._claims.faults
        return Compared(passed, root, self._covered, tuple(self._faults))

    def _follow(self, passed: int) -> bytes:
        """Grow the tree past every claim; returns its root at `passed`."""
        root = None
        for page in [] if self._claims is None else self._claims.pages(self._tree.size):
            self._tree.prepare([claim.size for claim in page])
            for claim in page:
                if claim.size > self._end:
                    self._beyond.append(claim)
                elif claim.size <= self._rows.unbroken:
                    if root is None and claim.size > passed:
                        root = self._tree.root_at(passed)
                    self._hold(claim, self._tree.root_at(claim.size))
        return self._tree.root_at(passed) if root is None else root

    def _hold(self, claim: Claim, root: bytes) -> None:
        if claim.root != root:
            self._wrong = self._wrong or claim
        elif self._wrong is None:
            self._sound = claim
            if claim.source == "checkpoint":
                self._covered = claim
            else:
                self._met.append(claim)

    def _judge_end(self) -> None:
        """Whether rows are cut off."""
        kept = [claim for claim in self._beyond if claim.source == "kept checkpoint"]
        stored = [claim for claim in self._beyond if claim.source != "kept checkpoint"]
        tiled = 0 if self._claims is None else self._claims.tiled
        if stored:
            newest = stored[-1]
            self._found("truncated", self._end, f"the log signed a {newest.source} of {newest.size} rows")
        elif kept:
            message = (
                f"a checkpoint of {kept[-1].size} rows was kept elsewhere: rows and checkpoints are older"
            )
            self._found("rolled-back", self._end, message)
        elif self._confirmed >= self._end:
            self._found("truncated", self._end, f"the rows up to {self._confirmed} were confirmed once")
        elif tiled > self._end:
            self._found("truncated", self._end, f"a stored tile is of rows up to {tiled - 1}")

    def _judge_roots(self) -> None:
        """Whether rows were exchanged for others that link and hash as they should."""
        if self._wrong is not None and not self._explained(self._sound.size, self._wrong.size):
            message = (
                f"the first {self._wrong.size} rows are not those of the {self._wrong.source} of that size"
            )
            self._found("forked", self._sound.size, message)

    def _judge_stored(self, claims: Claims) -> None:
        """Whether checkpoints that there were are stored."""
        lost = [claim for claim in self._met if claim.size not in claims.filed]
        newer = [claim for claim in lost if claim.size > claims.newest]
        if newer:
            message = (
                f"there was a checkpoint of {newer[-1].size} rows ({newer[-1].source}), and none is stored"
            )
            self._found("rolled-back", claims.newest, message)
        for claim in lost:
            if claim.size < claims.newest:
                message = f"the checkpoint of {claim.size} rows ({claim.source}) is not stored any more"
                self._found("missing", claim.size - 1, message)

    def _judge_tiles(self, claims: Claims) -> None:
        """Whether the stored tiles are those of the rows, and are there as far as the log has signed."""
        for first, rows, level in self._tree.altered:
            forked = self._wrong is not None and self._sound.size < first + rows
            if not forked and not self._explained(first, first + rows):
                index = first // rows
                message = f"the stored root of tile {index} of level {level} is not that of its rows"
                self._found("edited", first, message)
        signed = min(claims.newest, self._covered.size)
        missing = [tile for tile in self._tree.missing if tile[0] + tile[1] <= signed]
        if missing:
            lowest = [first for first, _, level in missing if level == 0]
            tail = lowest == list(range(lowest[0], signed // WIDTH * WIDTH, WIDTH)) if lowest else False
            level = missing[0][2]
            message = f"{len(missing)} stored tiles, the first of level {level}, are not there any more"
            self._found("truncated" if tail else "missing", min(first for first, _, _ in missing), message)

    def _explained(self, first: int, end: int) -> bool:
        """Whether a row at fault explains that the rows from `first` to before `end` have another root.

        One that was sealed anew is told at the row after it.
        """
        return any(first <= fault.seq <= end for fault in self._rows.faults)

    def _found(self, kind: FaultKind, seq: int, message: str) -> None:
        self._faults.append(Fault(kind, self._chain, seq, message))
