"""The part of `ansvar verify` that takes an evidence bundle: its proofs, its verdicts worked out again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansvar.accountability.reexecution import Reexecution

_SHOWN = 10  # rows of a sort that are listed; JSON has all


def verify_bundle(path: Path, keys: list[str], policy: Path | None, as_json: bool) -> int:
    """Verify a bundle by keys (each a vkey, or a file of them) and a file with a witness policy; print it.

    Returns the exit code: 0 where all holds, 1 where a proof, a signature or a verdict does not, 2 where the
    file is no evidence bundle, or keys or policy cannot be used. Needs no data directory and no network.
    """
    from ansvar.accountability.reexecution import reexecute
    from ansvar.ledger.errors import LedgerError
    from ansvar.verifier.evidence import verify_archive
    from ansvar.verifier.telling import FOUND, HOLDS, exit_code, keys_of, lines_of, policy_of, to_json

    try:
        report = verify_archive(path, keys_of(keys), policy_of(policy))
    except LedgerError as error:
        if as_json:
            _print(json.dumps({"holds": False, "problem": str(error)}))
        sys.stderr.write(f"ansvar: {path}: {error}\n")
        return exit_code(error)
    again = reexecute(report)
    if as_json:
        told = to_json(report) | {"holds": not again.differing, "verdicts": _verdicts(again)}
        _print(json.dumps(told, indent=1))
    else:
        _print("\n".join([*lines_of(report), "", *_lines(again)]))
    for one in again.differing:
        sys.stderr.write(
            f"{path}: chain {one.chain}, seq {one.seq}: the verdict is {one.recorded} and, worked out again, "
            f"{one.verdict}: it was judged otherwise, or rows about the same person were left out\n"
        )
    return FOUND if again.differing else HOLDS


def _verdicts(again: Reexecution) -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(again)
    return found


def _lines(again: Reexecution) -> list[str]:
    lines = [
        f"{again.agreeing} verdicts were worked out again and are the same; {len(again.differing)} differ, "
        f"{len(again.not_done)} could not be worked out."
    ]
    lines += [f"  chain {one.chain}, seq {one.seq}: {one.reason}" for one in again.not_done[:_SHOWN]]
    if len(again.not_done) > _SHOWN:
        lines.append(f"  and {len(again.not_done) - _SHOWN} more (all are in --json)")
    return lines


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
