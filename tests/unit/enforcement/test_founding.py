"""The first row of a chain, and the health of a worker as a value."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ansvar.deployment import from_record
from ansvar.enforcement.founding import genesis
from ansvar.enforcement.health import Health
from ansvar.ledger.check import ChainChecker
from ansvar.ledger.row import ZERO16, decode
from records import HOUR, NOW, bundle, deployment


def test_genesis_is_the_first_row_of_a_valid_chain() -> None:
    made = genesis(deployment(), 3)
    checker = ChainChecker(3)
    checker.feed(made.stored[:-32], made.leaf)
    row = made.row
    assert decode(made.stored[:-32]) == (row, len(made.stored) - 32)
    assert (row.kind, row.seq, row.offset, row.index, row.stream) == ("genesis", 0, -1, 0, ZERO16)
    assert row.recorded_at == NOW - HOUR == deployment().founded_at
    assert (row.policy, row.engine) == (bundle().sha256, deployment().engine)
    assert from_record(row.extra.encode()) == deployment()


def test_every_worker_writes_the_same() -> None:
    assert genesis(deployment(), 0).stored == genesis(replace(deployment()), 0).stored
    others = [genesis(deployment(), 1), genesis(deployment(), 0, b"f" * 16), genesis(deployment(5), 0)]
    assert len({made.leaf for made in [genesis(deployment(), 0), *others]}) == 4


def test_health_is_a_value() -> None:
    fine = Health(processing=True, reason="", partitions=4)
    assert fine == Health(True, "", 4)
    with pytest.raises(AttributeError):
        fine.processing = False  # type: ignore[misc] # frozen, which is what is tested
