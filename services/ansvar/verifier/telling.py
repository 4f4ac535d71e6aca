"""What the verification of a bundle is told as: lines for a person, and JSON data for a program.

Also which keys a person gives: lines or files. Words that the maker of a bundle chose are marked as such.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ansvar.ledger.checkpoint import Signed
from ansvar.ledger.errors import LedgerError, Malformed
from ansvar.ledger.notes import COSIGNATURE_MLDSA44, VerifierKey
from ansvar.ledger.trust import MAX_POLICY, NO_WITNESSES, TrustPolicy
from ansvar.verifier.archive import NotEvidence, regular
from ansvar.verifier.evidence import EvidenceReport
from ansvar.verifier.trees import NoKey, ProvedCheckpoint

HOLDS, FOUND, WRONG_USE = 0, 1, 2  # exit codes

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_KEYS: Final = 1 << 22  # bytes of a file of keys
_SHOWN: Final = 5  # checkpoints of a chain that are listed; JSON has all


class WrongUse(LedgerError):
    """What was given to verify with cannot be used."""


def keys_of(given: Sequence[str]) -> list[VerifierKey]:
    """The keys that someone names: each a vkey, or a file with one vkey a line. Raises WrongUse."""
    keys = []
    for one in given:
        # Unlike Path.is_file, os.path.isfile takes whatever can be no file's name.
        lines = [one] if one.count("+") >= 2 and not os.path.isfile(one) else _read(one)  # noqa: PTH113
        for line in lines:
            try:
                keys.append(VerifierKey.parse(line))
            except Malformed as error:
                raise WrongUse(f"--key: {error}") from error
    return keys


def _read(name: str) -> list[str]:
    content = _content(Path(name), _MAX_KEYS, "--key")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise WrongUse(f"--key: {name} is no text") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def policy_of(file: Path | None) -> TrustPolicy:
    """The witness policy in a file, or that none need have signed. Raises WrongUse."""
    if file is None:
        return NO_WITNESSES
    try:
        return TrustPolicy.parse(_content(file, MAX_POLICY, "--policy"))
    except Malformed as error:
        raise WrongUse(f"--policy: {error}") from error


def _content(file: Path, limit: int, option: str) -> bytes:
    try:
        with regular(file) as stream:
            return stream.read(limit + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a name"
        raise WrongUse(f"{option}: neither a verifier key nor a file that can be read ({why})") from error


def exit_code(error: LedgerError) -> int:
    """Whether an error says that the bundle does not hold, or that there is no bundle or key to look at."""
    return WRONG_USE if isinstance(error, (NotEvidence, NoKey, WrongUse)) else FOUND


def to_json(report: EvidenceReport) -> dict[str, Any]:
    """The report as JSON data; `unproved` has what only the maker of the bundle says."""
    manifest = report.manifest
    return {
        "holds": True,
        "rows": [{"chain": r.chain, "seq": r.seq, "why": r.why, "tree_size": r.size} for r in report.rows],
        "chains": {str(chain): entry.origin for chain, entry in manifest.chains.items()},
        "verified_by": {
            str(chain): "pinned key" if report.signed_by_pinned(chain) else "successor"
            for chain in report.chains
        },
        "checkpoints": [_checkpoint(one) for one in report.checkpoints],
        "policies": list(manifest.policies),
        "keys": [{"key": str(key), "algorithm": _algorithm(key)} for key in report.keys],
        "unproved": {
            "made_at": manifest.made_at,
            "selection": list(manifest.selection),
            "complete": None,
            "documents": sorted(manifest.documents),
        },
    }


def _checkpoint(one: ProvedCheckpoint) -> dict[str, Any]:
    earliest, latest = one.witnessed or (None, None)
    return {
        "chain": one.chain,
        "size": one.checkpoint.size,
        "root": one.checkpoint.root.hex(),
        "held_by": "signature" if one.signed_by_log else "consistency",
        "signatures": [
            {"name": s.key.name, "key_id": s.key.key_id.hex(), "algorithm": _algorithm(s.key), "time": s.time}
            for s in one.signed
        ],
        "witnessed_earliest": earliest,
        "witnessed_latest": latest,
    }


def lines_of(report: EvidenceReport) -> list[str]:
    """The report for a person."""
    manifest = report.manifest
    why = Counter(row.why for row in report.rows)
    lines = [
        f"{len(report.rows)} rows are proved: {why['selected']} selected, {why['state']} for the state of "
        f"their subjects, {why['policy']} for the policies in force ({len(manifest.policies)}).",
    ]
    for chain, entry in manifest.chains.items():
        rows = sum(row.chain == chain for row in report.rows)
        lines += ["", f"chain {chain}: {rows} rows in {entry.origin}", f"  {_by(report, chain)}"]
        seen = [one for one in report.checkpoints if one.chain == chain]
        left_out = len(seen) - _SHOWN
        if left_out > 0:
            lines.append(f"  {left_out} older checkpoints (all are in --json)")
            seen = seen[-_SHOWN:]
        for one in seen:
            lines.append(f"  checkpoint of {one.checkpoint.size} rows: {_held(one)}")
            lines += [f"    {_signature(signed)}" for signed in one.signed]
    lines += ["", "Not proved, but said by whoever made the bundle:"]
    lines += [f"  made at {manifest.made_at}", f"  selected by: {'; '.join(manifest.selection) or '-'}"]
    lines += ["  that nothing was left out: this bundle cannot show it"]
    return lines


def _by(report: EvidenceReport, chain: int) -> str:
    if report.signed_by_pinned(chain):
        return "verified by a key that was given"
    return (
        "verified by a successor of the key that was given: whoever holds that old key could have named it; "
        "get the present key and drop the old one"
    )


def _held(one: ProvedCheckpoint) -> str:
    by = "signed by the log" if one.signed_by_log else "held by its consistency with the newest"
    if one.witnessed is None:
        return f"{by}; no known witness"
    return f"{by}; witnessed by {_moment(one.witnessed[0])}"


def _signature(signed: Signed) -> str:
    at = f", {_moment(signed.time)}" if signed.time else ""
    return f"{_algorithm(signed.key)} signature of {signed.key.name} ({signed.key.key_id.hex()}){at}"


def _algorithm(key: VerifierKey) -> str:
    return "ML-DSA-44" if key.kind == COSIGNATURE_MLDSA44 else "Ed25519"


def _moment(seconds: int) -> str:
    try:
        return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:  # a witness may state any number
        return f"second {seconds} since 1970"
