"""Fuzzing every format with atheris, each in a process of its own.

    python tests/fuzz/run.py [TARGET ...] [--seconds 60]
    python tests/fuzz/run.py TARGET --again FILE

Ends with 1 where an input broke what `targets.py` says of it, took more than ten seconds or two gigabytes;
such an input is kept as a file whose name is printed, for `--again`. atheris is in the extra `fuzz`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

_STATISTIC = re.compile(r"^stat::number_of_executed_units:\s*(\d+)$", re.MULTILINE)
_COVERAGE = re.compile(r"cov: (\d+) ft: (\d+)")
_MEMORY = Path("/dev/shm")  # where there is one, files cost no disk


def fuzz(name: str, seconds: int, corpus: Path) -> None:
    """Fuzz one target; this process ends with it."""
    import atheris

    kept = tempfile.gettempdir()
    tempfile.tempdir = str(corpus.parent)  # what targets write goes with the corpus
    with atheris.instrument_imports(include=["ansvar.ledger", "ansvar.verifier"]):
        from fuzz.targets import TARGETS

    target = TARGETS[name]
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    longest = max(map(len, target.seeds))
    options = {
        "max_total_time": seconds,
        "max_len": longest + longest // 2 + 64,
        "timeout": 10,
        "rss_limit_mb": 2048,
        "print_final_stats": 1,
        "artifact_prefix": f"{kept}/ansvar-fuzz-{name}-",
    }
    given = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([sys.argv[0], *given, str(corpus)], target.check)
    atheris.Fuzz()


def run(name: str, seconds: int) -> bool:
    """Fuzz one target in another process; say what came out, and return whether all was well."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as scratch:
        corpus = Path(scratch, "corpus")
        corpus.mkdir()
        command = [sys.executable, __file__, name, "--seconds", str(seconds), "--corpus", str(corpus)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    runs = _STATISTIC.search(done.stderr)
    covered = _COVERAGE.findall(done.stderr)
    fine = done.returncode == 0 and runs is not None
    if not fine:
        said = [line for line in done.stderr.splitlines() if not line.startswith(("#", "INFO:", "WARNING:"))]
        print("\n".join(said), file=sys.stderr)
    edges = covered[-1][0] if covered else "?"
    count = int(runs[1]) if runs else 0
    print(f"{name:<16} {count:>10,} runs  {edges:>6} edges  {'well' if fine else 'FAILED'}", flush=True)
    return fine


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description="Fuzz the formats that come from outside.")
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=60, help="of each target")
    parser.add_argument("--again", type=Path, help="an input to be checked once more")
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.corpus is not None:
        fuzz(asked.targets[0], asked.seconds, asked.corpus)
    from fuzz.targets import TARGETS

    if unknown := set(asked.targets) - TARGETS.keys():
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if asked.again is not None:
        for name in asked.targets or TARGETS:
            TARGETS[name].check(asked.again.read_bytes())
        return
    results = [run(name, asked.seconds) for name in asked.targets or TARGETS]
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
