"""The command `ansvar`: one thin module a command group, errors in one place.

Invariants: exit code 0 is fine, 1 is "the check found something", 2 is wrong use or bad input with one clear
line on standard error; no input makes a traceback. `--help` is fast: a command imports what it runs only when
it runs.
"""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """The entry point of the program. A request to end (SIGTERM) is a Ctrl-C: what was started is stopped."""
    try:
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        sys.exit(_run())
    except KeyboardInterrupt:
        sys.stderr.write("ansvar: stopped\n")
        sys.exit(130)


def _run() -> int:
    try:
        from ansvar.cli.program import run
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("ansvar"):
            raise
        sys.stderr.write(
            f"ansvar: the command needs the package {error.name}, which the SDK alone does not install. "
            'Run: pip install "ansvar[embedded]"\n'
        )
        sys.exit(2)
    return run()
