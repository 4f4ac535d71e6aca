"""The self-check tells each fault once as long as it stands, and survives stores that are away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ansvar.enforcement.self_checking import SelfCheck, Wrong
from ansvar.policy.verdict import Finding
from ansvar.store.errors import StoreUnavailable

EDITED = Wrong(0, 7, "edited: the stored columns do not give the stored leaf")
MISSING = Wrong(1, 3, "missing: the next row is 5")


class Ledger:
    """What a check finds, one list a look; an error is raised."""

    def __init__(self, *looks: list[Wrong] | Exception) -> None:
        self.looks = list(looks)

    def __call__(self, stopped: Callable[[], bool]) -> Sequence[Wrong]:
        found = self.looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return [] if stopped() else found


class Told:
    """What was told; the broker takes it or not."""

    def __init__(self) -> None:
        self.takes = True
        self.heard: list[tuple[int, int, str]] = []

    async def __call__(self, chain: int, seq: int, finding: Finding) -> bool:
        assert (finding.rule, finding.severity) == ("log.tampered", "deny")
        self.heard.append((chain, seq, finding.message))
        return self.takes


async def test_a_fault_is_told_once_as_long_as_it_stands() -> None:
    told = Told()
    looking = SelfCheck(Ledger([], [EDITED], [EDITED, MISSING], [MISSING], [EDITED]), told, 1)
    heard = []
    for _ in range(5):
        await looking.look()
        heard.append([(chain, seq) for chain, seq, _ in told.heard])
        told.heard.clear()
    assert heard == [[], [(0, 7)], [(1, 3)], [], [(0, 7)]]


async def test_what_the_broker_did_not_take_is_told_again() -> None:
    told = Told()
    told.takes = False
    looking = SelfCheck(Ledger([EDITED], [EDITED], [EDITED]), told, 1)
    await looking.look()
    told.takes = True
    await looking.look()
    await looking.look()
    assert [message for _, _, message in told.heard] == [f"{EDITED.text}. Run: ansvar verify"] * 2


async def test_a_store_that_is_away_is_looked_at_later(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    looking = SelfCheck(Ledger(StoreUnavailable("ClickHouse did not answer"), [EDITED]), told, 1)
    await looking.look()
    assert told.heard == []
    assert "ClickHouse did not answer" in caplog.text
    await looking.look()
    assert len(told.heard) == 1


async def test_a_look_that_is_broken_off_tells_nothing() -> None:
    told = Told()
    await SelfCheck(Ledger([EDITED]), told, 1).look(lambda: True)
    assert told.heard == []
