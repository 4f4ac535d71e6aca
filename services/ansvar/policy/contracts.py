"""The contracts of one subject in time: what the steps of one contract say about an instant.

Invariants: steps are sorted by time, those of one instant in order of arrival, and never empty. A contract
lasts from `started` until `ended` (the end instant is outside). `ended` without `started` means started at an
unknown earlier time; `started` after `ended` opens a new period; a repeated step changes nothing. What
happens later changes no answer about earlier, but for an end without a start and a customer type stated late.

Not handled here: several contracts of a subject (`state`), what follows from an end (`rules/`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from ansvar.events.model import ContractPhase, CustomerType


class ContractStep(Struct, frozen=True, array_like=True, gc=False):
    """A contract started or ended at an instant."""

    at: datetime
    phase: ContractPhase
    customer_type: CustomerType | None


class Contracts(Struct, frozen=True):
    """How all contracts of a subject stand at one instant.

    `none`: nothing known by then. `active`: at least one runs. `ended`: all known ones ended, the last at
    `last_end` (itself already outside the contract).
    """

    standing: Literal["none", "active", "ended"]
    last_end: datetime | None = None


NO_CONTRACT = Contracts("none")
ACTIVE = Contracts("active")

RUNNING = datetime.max.replace(tzinfo=UTC)  # stands for "has not ended"; compared by identity only


def end_before(steps: list[ContractStep], at: datetime) -> datetime | None:
    """Of one contract: `RUNNING` if it runs at `at`, else the end of its last period, or None before any."""
    end: datetime | None = RUNNING if steps[0].phase == "ended" else None
    for step in steps:
        if step.at > at:
            break
        if step.phase == "started":
            end = RUNNING
        elif end is RUNNING:
            end = step.at
    return end


def lasts(steps: list[ContractStep], since: datetime, at: datetime) -> bool:
    """Whether a contract that runs at `since` still runs at `at`, in the same period."""
    if end_before(steps, since) is not RUNNING:
        return False
    return not any(step.phase == "ended" and since < step.at <= at for step in steps)


def opens(steps: list[ContractStep], after: datetime, until: datetime) -> bool:
    """Whether a period of a contract begins in `after < t <= until`."""
    running = steps[0].phase == "ended"
    for step in steps:
        if step.at > until:
            break
        if step.phase == "started" and not running and step.at > after:
            return True
        running = step.phase == "started"
    return False


def customer_type(steps: list[ContractStep], at: datetime) -> CustomerType | None:
    """The type of the customer of a contract that runs at `at`; None where it does not run or nobody said.

    As last stated by then, else as first stated afterwards: a contract is of one type from its beginning.
    """
    if end_before(steps, at) is not RUNNING:
        return None
    stated: CustomerType | None = None
    for step in steps:
        if step.customer_type is not None and (step.at <= at or stated is None):
            stated = step.customer_type
    return stated
