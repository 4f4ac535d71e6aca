"""Judging the rows of a verified evidence bundle again, from what is in the bundle alone.

Pure. A verdict follows from the row, the rows before it that changed its subject's state, the policy bundle
that it names, and what the deployment lets its producer claim, which the chain's genesis row says and its
`keys` rows change. Rows that were proved are taken as they are; rows that were left out cannot be missed
here, so a verdict that differs may also come from a bundle whose maker left some out.

Not handled here: whether the bundle holds (`verifier.evidence`), which has to be known first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby

import msgspec
from msgspec import Struct

from ansvar.deployment import DeploymentError, from_record
from ansvar.enforcement.replaying import Replayed, replay
from ansvar.enforcement.wiring import scopes
from ansvar.ledger.row import ZERO16, Row, decode
from ansvar.policy.bundle import Bundle
from ansvar.policy.case import ProducerScope
from ansvar.policy.decide import ENGINE, ENGINES
from ansvar.policy.errors import PolicyError
from ansvar.policy.loader import bundle_from_bytes
from ansvar.verifier.evidence import EvidenceReport, ProvedRow

# What rows that were sealed, but by a program that writes nonsense, make the rules' code raise.
_NONSENSE = (
    *(ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError),
    msgspec.MsgspecError,
)


class Differing(Struct, frozen=True):
    """A row whose verdict or findings are others than judging it again gives."""

    chain: int
    seq: int
    recorded: str
    recorded_findings: tuple[str, ...]
    verdict: str
    findings: tuple[str, ...]


class NotDone(Struct, frozen=True):
    """A row with a verdict that could not be worked out again, and why."""

    chain: int
    seq: int
    reason: str


class Reexecution(Struct, frozen=True):
    """How many verdicts came out the same, which did not, and which could not be worked out."""

    agreeing: int
    differing: tuple[Differing, ...]
    not_done: tuple[NotDone, ...]


class _Known(Struct, frozen=True):
    """What rows are judged by: the policies that compile, by SHA-256, and whether states are known."""

    bundles: Mapping[bytes, Bundle]
    state_rows: bool

    def judge(self, policy: bytes, engine: int) -> tuple[Bundle, int]:
        """The row's own policy and engine; any others where they are not to be had (see `unfit`)."""
        bundle = self.bundles.get(policy) or next(iter(self.bundles.values()))
        return bundle, engine if engine in ENGINES else ENGINE

    def unfit(self, row: Row) -> str | None:
        """Why a row cannot be judged again, None where it can."""
        if row.policy not in self.bundles:
            return "this version of Ansvar cannot read its policy"
        if row.engine not in ENGINES:
            return f"this version of Ansvar does not have its engine {row.engine}"
        if row.subject != ZERO16 and not self.state_rows:
            return "the rows before it about the same person are not in the bundle"
        return None


def reexecute(report: EvidenceReport) -> Reexecution:
    """Judge again every row of a verified bundle that judges an event."""
    known = _Known(dict(_compiled(report.policies)), report.manifest.state_rows)
    agreeing, differing, not_done = 0, [], []
    for chain, proved in groupby(report.rows, lambda row: row.chain):
        for answer in _of_chain(chain, list(proved), known):
            if answer is None:
                agreeing += 1
            elif isinstance(answer, Differing):
                differing.append(answer)
            else:
                not_done.append(answer)
    return Reexecution(agreeing, tuple(differing), tuple(not_done))


def _compiled(policies: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, Bundle]]:
    for sha256, content in policies.items():
        try:
            yield sha256, bundle_from_bytes(content)
        except (PolicyError, *_NONSENSE):
            continue


def _of_chain(chain: int, proved: Sequence[ProvedRow], known: _Known) -> Iterator[Differing | NotDone | None]:
    """An answer for each row with a verdict: None where it comes out the same."""
    waiting = {row.seq: None for row in _rows(proved) if row.verdict}  # in order
    not_done = partial(NotDone, chain)
    claims = _claims(next(_rows(proved)))
    if claims is None or not known.bundles:
        what = "the chain's genesis row" if claims is None else "a policy that this version can read"
        yield from (not_done(seq, f"{what} is not in the bundle") for seq in waiting)
        return
    reason = "it records a finding, and judges no event"
    replayed = replay(_rows(proved), known.judge, claims)
    while True:
        try:
            again = next(replayed, None)
        except _NONSENSE as error:
            reason = f"a row before it cannot be read as an event ({type(error).__name__})"
            break
        if again is None:
            break
        waiting.pop(again.row.seq, None)
        unfit = known.unfit(again.row)
        yield _compared(again) if unfit is None else not_done(again.row.seq, unfit)
    yield from (not_done(seq, reason) for seq in waiting)


def _rows(proved: Sequence[ProvedRow]) -> Iterator[Row]:
    """The rows one by one: decoded, a row can be many times as large as its bytes."""
    return (decode(row.canonical)[0] for row in proved)


def _claims(first: Row) -> dict[str, ProducerScope] | None:
    """What producers may claim, as the genesis row has it; None without a readable one."""
    if first.kind != "genesis":
        return None
    try:
        return scopes(from_record(first.extra.encode()))
    except (DeploymentError, *_NONSENSE):
        return None


def _compared(again: Replayed) -> Differing | None:
    row, verdict = again.row, again.verdict
    if again.agrees:
        return None
    found = tuple(finding.rule for finding in verdict.findings)
    return Differing(row.chain, row.seq, row.verdict, row.findings, verdict.verdict, found)
