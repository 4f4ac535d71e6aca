"""Cutting batches: order, bounds, and no waiting beyond the linger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansvar.emitter.batching import Buffer, Limits, Prepared, Waiting


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Futures need a loop to belong to; here none of them is ever awaited."""
    with asyncio.Runner() as runner:
        yield runner.get_loop()


def waiting(loop: asyncio.AbstractEventLoop, number: int, size: int, since: float = 0.0) -> Waiting:
    return Waiting(Prepared(UUID(int=number), 0, bytes(size)), since, loop.create_future())


@given(
    sizes=st.lists(st.integers(1, 50), max_size=60),
    events=st.integers(1, 10),
    most=st.integers(1, 100),
)
def test_batches_keep_order_and_bounds(
    loop: asyncio.AbstractEventLoop, sizes: list[int], events: int, most: int
) -> None:
    buffer = Buffer(Limits(events, most, 0.02))
    for number, size in enumerate(sizes):
        buffer.add(waiting(loop, number, size))
    batches = []
    while batch := buffer.take():
        batches.append(batch)
    assert [item.event.event_id.int for batch in batches for item in batch] == list(range(len(sizes)))
    for batch in batches:
        size = sum(len(item.event.encoded) for item in batch)
        assert len(batch) <= events
        assert size <= most or len(batch) == 1
    # No batch could have taken in the first event of the next one.
    for batch, following in pairwise(batches):
        size = sum(len(item.event.encoded) for item in [*batch, following[0]])
        assert len(batch) == events or size > most
    assert len(buffer) == 0
    assert buffer.due_in(0.0) is None
    assert not buffer.full


def test_when_a_batch_is_due(loop: asyncio.AbstractEventLoop) -> None:
    buffer = Buffer(Limits(3, 100, 0.5))
    assert buffer.due_in(9.0) is None
    buffer.add(waiting(loop, 0, 10, since=10.0))
    buffer.add(waiting(loop, 1, 10, since=10.4))
    assert buffer.due_in(10.4) == pytest.approx(0.1)
    assert buffer.due_in(10.5) == 0.0
    buffer.add(waiting(loop, 2, 10, since=10.4))
    assert buffer.due_in(10.4) == 0.0  # three are a full batch
    assert len(buffer.take()) == 3
    buffer.add(waiting(loop, 3, 100, since=11.0))
    assert buffer.due_in(11.0) == 0.0  # so are a hundred bytes


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ((0, 1, 0.0), "max_batch_events"),
        ((1001, 1, 0.0), "max_batch_events"),
        ((1, 0, 0.0), "max_batch_bytes"),
        ((1, 1 << 30, 0.0), "max_batch_bytes"),
        ((1, 1, -0.1), "linger"),
        ((1, 1, float("nan")), "linger"),
    ],
)
def test_limits_out_of_range(limits: tuple[int, int, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Limits(*limits)
