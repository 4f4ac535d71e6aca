"""What the index of a chain's keys costs: noting a row, committing, proving, verifying, beginning anew.

    python benchmarks/completeness.py [--keys 100000] [--touched 1000] [--repeat 5]

Tags and leaves are made before the clock starts, which counts processor time. Of several runs the fastest
counts. Memory is what a whole index takes beside its tags, as tracemalloc counts it.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import time
import tracemalloc
from collections.abc import Callable

from ansvar.ledger.completeness import Index, verify_complete
from ansvar.ledger.sparse_tree import parse_proof, verify_entry


def seconds(step: Callable[[], object]) -> float:
    started = time.process_time()
    step()
    return time.process_time() - started


def hashed(what: str, number: int) -> bytes:
    return hashlib.sha256(f"{what} {number}".encode()).digest()


def note_all(index: Index, tags: list[bytes], leaf: bytes) -> None:
    for tag in tags:
        index.note(tag, leaf)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the index of a chain's keys on one core.")
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--touched", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    tags = [hashed("tag", number) for number in range(asked.keys)]
    absent = [hashed("absent", number) for number in range(2_000)]
    leaf, dice = hashed("leaf", 0), random.Random(7)

    tracemalloc.start()
    index = Index()
    note_all(index, tags, leaf)
    index.commit()
    print(f"memory                 {tracemalloc.get_traced_memory()[0] / asked.keys:9,.0f} B a key")
    tracemalloc.stop()

    entries = {tag: entry for tag in tags if (entry := verify_entry(index.root, tag, index.prove(tag)))}
    anew = min(seconds(lambda: Index(entries)) for _ in range(asked.repeat))
    print(f"begin with {asked.keys:,} keys {anew:9.3f} s")

    rows = dice.choices(tags, k=200_000)
    noting = min(seconds(lambda: note_all(index, rows, leaf)) for _ in range(asked.repeat))
    print(f"note                   {noting / len(rows) * 1e6:9.2f} µs a row and key")
    index.commit()

    known, fresh = [], []
    for _ in range(asked.repeat):
        note_all(index, dice.sample(tags, asked.touched), leaf)
        known.append(seconds(index.commit))
    for turn in range(asked.repeat):
        note_all(index, [hashed(f"new {turn}", number) for number in range(asked.touched)], leaf)
        fresh.append(seconds(index.commit))
    print(
        f"commit {asked.touched:,} touched   {min(known) * 1e3:9.1f} ms; "
        f"{min(fresh) * 1e3:.1f} ms if all are new"
    )

    for what, some in (("present", dice.sample(tags, 2_000)), ("absent", absent)):
        proving = seconds(lambda some=some: [index.prove(tag) for tag in some])  # type: ignore[misc]
        proofs = [index.prove(tag).encode() for tag in some]
        checking = seconds(
            lambda some=some, proofs=proofs: [  # type: ignore[misc]
                verify_entry(index.root, tag, parse_proof(proof))
                for tag, proof in zip(some, proofs, strict=True)
            ]
        )
        sizes = sorted(map(len, proofs))
        print(
            f"proof, {what:8}        {sizes[len(sizes) // 2]:9,} B (largest {sizes[-1]:,}); "
            f"made in {proving / len(some) * 1e6:.0f} µs, "
            f"parsed and verified in {checking / len(some) * 1e6:.0f} µs"
        )

    leaves = [hashed("row", number) for number in range(10_000)]
    one = Index()
    for row in leaves:
        one.note(tags[0], row)
    entry = verify_entry(one.commit(), tags[0], one.prove(tags[0]))
    print(f"verify 10,000 rows     {seconds(lambda: verify_complete(None, leaves, entry)) * 1e3:9.1f} ms")


if __name__ == "__main__":
    main()
