"""What the vault costs: finding and making people, sealing anew, and opening a large one.

python benchmarks/vault.py [--subjects 1000000] [--repeat 5] [--url postgresql+pg8000://...]

On SQLite in a temporary directory, or on the database of `--url`, which must be empty. New people are
different ones every time, known ones are spread over all that are there; of several runs the median counts.
The large vault is filled through `resolve`. Opening is measured in a process of its own: seconds, and how
much memory it takes more than an empty vault.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ansvar.vault.database import Database
from ansvar.vault.generator import RandomGenerator
from ansvar.vault.keys import lookup_tag
from ansvar.vault.vault import Vault, Wanted
from ansvar.vault.wrapping import FileKeys

_PEPPER = bytes(32)
_SIZES = (200, 1_000, 5_000)
_STEP = 5_000


def wanted(number: int) -> Wanted:
    """Somebody."""
    value = f"K{number:010}"
    return Wanted(
        lookup_tag(_PEPPER, "customer_number", value), number % 4, f"customer_number\0{value}".encode()
    )


def opened(where: str, keys: Path) -> Vault:
    """The vault at a path or URL."""
    database = Database(where) if "://" in where else Database.in_file(Path(where))
    return Vault(database, RandomGenerator(), FileKeys(keys))


def resolving(vault: Vault, there: int, repeat: int) -> int:
    """Print what new and known people cost; returns how many there are now."""
    dice = random.Random(1)
    for size in _SIZES:
        for kind in ("new", "known"):
            times = []
            for _ in range(repeat):
                if kind == "new":
                    numbers = range(there, there + size)
                    there += size
                else:
                    numbers = dice.sample(range(there), size)
                people = [wanted(number) for number in numbers]
                start = time.perf_counter()
                vault.resolve(people)
                times.append(time.perf_counter() - start)
            took = statistics.median(times)
            print(f"resolve {size:5} {kind:5}  {took * 1000:8.1f} ms  {size / took:10,.0f}/s")
    return there


def opening(where: str, keys: Path) -> None:
    """Open a vault, find ten people; print seconds and this process's memory."""
    start = time.perf_counter()
    vault = opened(where, keys)
    vault.resolve([wanted(number) for number in range(10)])
    took = time.perf_counter() - start
    print(
        f"{took * 1000:.0f} ms, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB resident"
    )
    vault.close()


def opening_apart(what: str, where: str, keys: Path) -> None:
    """Print what opening takes a new process."""
    command = [sys.executable, __file__, "--open", where, "--keys", str(keys)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603  # ourselves
    print(f"opening a vault of {what}: {told}")


def main() -> None:
    """Run every measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--subjects", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--url")
    parser.add_argument("--open", help=argparse.SUPPRESS)
    parser.add_argument("--keys", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.open:
        opening(asked.open, asked.keys)
        return
    with tempfile.TemporaryDirectory() as home:
        keys = Path(home) / "keys"
        where = asked.url or f"{home}/vault.db"
        opened(where, keys).close()
        opening_apart("nobody", where, keys)
        vault = opened(where, keys)
        there = resolving(vault, 0, asked.repeat)
        start = time.perf_counter()
        for first in range(there, asked.subjects, _STEP):
            vault.resolve([wanted(number) for number in range(first, min(first + _STEP, asked.subjects))])
        if there < asked.subjects:
            took = time.perf_counter() - start
            print(f"filled to {asked.subjects:,}: {(asked.subjects - there) / took:,.0f}/s")
            there = asked.subjects
            resolving(vault, there, asked.repeat)
        opening_apart(f"{there:,}", where, keys)
        vault.rotation.rotate(time.time_ns() // 1_000_000)
        start = time.perf_counter()
        rows = vault.rewrap()
        took = time.perf_counter() - start
        print(f"sealed anew: {rows:,} rows in {took:.1f} s, {rows / took:,.0f}/s")
        vault.close()
        if not asked.url:
            print(f"file: {Path(where).stat().st_size / rows:.0f} bytes a person")


if __name__ == "__main__":
    main()
