"""`python -m ansvar.verifier case.zip --key VKEY`: verify an evidence bundle where only `cryptography` is.

Exit code 0: all of it holds. 1: something does not. 2: no evidence bundle, or a key is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ansvar.ledger.errors import LedgerError
from ansvar.verifier.evidence import verify_archive
from ansvar.verifier.telling import HOLDS, exit_code, keys_of, lines_of, policy_of, to_json

_NOT_JUDGED = (
    "The verdicts were not worked out again: that takes all of Ansvar. Install it and run: ansvar verify"
)


def main(arguments: list[str] | None = None) -> int:
    """Verify, print and return the exit code."""
    given = _parser().parse_args(arguments)
    try:
        report = verify_archive(given.bundle, keys_of(given.key), policy_of(given.policy))
    except LedgerError as error:
        if given.json:
            _print(json.dumps({"holds": False, "problem": str(error)}))
        sys.stderr.write(f"{given.bundle}: {error}\n")
        return exit_code(error)
    if given.json:
        _print(json.dumps(to_json(report) | {"verdicts": None}, indent=1))
    else:
        _print("\n".join([*lines_of(report), "", _NOT_JUDGED]))
    return HOLDS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ansvar.verifier", description="Verify an evidence bundle."
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE.zip")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="VKEY|FILE",
        help="a log's verifier key, or a file with one a line; not from the bundle; repeatable",
    )
    parser.add_argument(
        "--policy", type=Path, metavar="FILE", help="which witnesses must have cosigned (C2SP tlog-policy)"
    )
    parser.add_argument("--json", action="store_true", help="print the whole report as one JSON object")
    return parser


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
