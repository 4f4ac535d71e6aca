"""What the log knows of one subject, as a fold over facts: `observe` for each, in the order of the rows.

Invariants:
- A state holds only what some rule reads, and never an identifier: requests and contracts stand under
  opaque keys (keyed hashes in the ledger), free text only as "a reason was given".
- Every step is kept at its `occurred_at`, sorted, steps of one instant in order of arrival. Questions take
  the instant they ask about, so history that arrives late gives the answers that it would have given in time.
- Continuing from `decode_state(encode_state(state))` equals never having stopped.
- Only what happened counts: stages `intent` and `not_run` change nothing; a denied `collect` gives no
  collected-for. Everything else counts whatever its verdict.

Not handled here: what the steps of one contract or request mean (`contracts`, `requests`), which rule asks
what (`rules/`), which words the bundle declares, joining two subjects (`joining`).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Container, Iterator
from datetime import datetime
from operator import attrgetter

import msgspec
from msgspec import Struct

from ansvar.events.model import (
    ContractEvent,
    ContractPhase,
    CustomerType,
    Event,
    Kind,
    Operation,
    ProcessingEvent,
    Right,
    RightsEvent,
    RightsPhase,
    Source,
    Stage,
)
from ansvar.policy import collecting
from ansvar.policy.collecting import Collected as Collected
from ansvar.policy.collecting import Collection
from ansvar.policy.contracts import (
    ACTIVE,
    NO_CONTRACT,
    RUNNING,
    Contracts,
    ContractStep,
    customer_type,
    end_before,
    lasts,
    opens,
)
from ansvar.policy.requests import Objection, RequestStep, objections, restricted, stands
from ansvar.policy.verdict import Verdict

_HAPPENED: frozenset[Stage] = frozenset({"done", "fail_open"})
_at = attrgetter("at")


class Fact(Struct, frozen=True, kw_only=True, gc=False):
    """What the fold reads of one event or ledger row. `request` and `contract` are keys, not the ids."""

    kind: Kind
    occurred_at: datetime
    stage: Stage = "done"
    denied: bool = False
    operation: Operation | None = None
    purpose: str | None = None
    data_categories: tuple[str, ...] = ()
    source: Source | None = None
    right: Right | None = None
    request: bytes | None = None
    scope: str | None = None
    method: str | None = None
    has_reason: bool = False
    fee: int | None = None
    contract: bytes | None = None
    customer_type: CustomerType | None = None
    phase: RightsPhase | ContractPhase | None = None


class SubjectState(Struct, gc=False, forbid_unknown_fields=True):
    """Everything known of one subject. Changed by `observe` alone; judging reads it and never writes.

    Kept small and in few objects: with more subjects than the processor's cache holds, fetching them from
    memory is most of what judging an event costs.
    """

    contracts: dict[bytes, list[ContractStep]] = {}
    requests: dict[Right, dict[bytes, list[RequestStep]]] = {}
    collected: list[Collected] = []
    erasures: list[datetime] = []  # when an erasure was fulfilled (9.3, Art. 17)

    def contracts_at(self, at: datetime) -> Contracts:
        """How the contracts stand at an instant (clause 5.2, 8.2). One that begins later is not known yet."""
        last_end: datetime | None = None
        for steps in self.contracts.values():
            latest = steps[-1]
            if latest.phase == "started" and latest.at <= at:
                return ACTIVE
            end = end_before(steps, at)
            if end is RUNNING:
                return ACTIVE
            if end is not None and (last_end is None or end > last_end):
                last_end = end
        return NO_CONTRACT if last_end is None else Contracts("ended", last_end)

    def customer_at(self, at: datetime) -> frozenset[CustomerType]:
        """The customer types of the contracts that run at an instant (clause 11.1), as far as stated."""
        types = (customer_type(steps, at) for steps in self.contracts.values())
        return frozenset(stated for stated in types if stated is not None)

    def contract_lasts(self, since: datetime, at: datetime) -> bool:
        """Whether a contract that ran at `since` still runs at `at`, without having ended meanwhile."""
        return any(lasts(steps, since, at) for steps in self.contracts.values())

    def contract_opens(self, after: datetime, until: datetime) -> bool:
        """Whether a contract began in `after < t <= until`, whether or not it has ended since."""
        return any(opens(steps, after, until) for steps in self.contracts.values())

    def collected_for(self, category: str, at: datetime) -> list[str]:
        """The purposes for which a category is known to have been collected by an instant (clause 3.2).

        A fulfilled erasure clears what was collected up to and including its own instant.
        """
        return collecting.purposes(self.collected, category, self.last_erasure(at), at)

    def unserved(self, categories: tuple[str, ...], origins: frozenset[str], at: datetime) -> list[str]:
        """Of some categories those that are known to have been collected, but for none of `origins` (3.2)."""
        # The usual case: each was collected for a purpose that serves this one.
        if not self.erasures and not collecting.missing(self.collected, categories, origins, at):
            return []
        return [
            category
            for category in categories
            if (known := self.collected_for(category, at)) and origins.isdisjoint(known)
        ]

    def not_collected(
        self,
        categories: tuple[str, ...],
        purposes: Container[str],
        since: datetime,
        at: datetime,
        source: Source | None = None,
    ) -> list[str]:
        """Of some categories those not collected anew in `since <= t <= at` (clause 8.2, 9.3).

        Only collects for one of `purposes` count, with `source` only those from there, and none that an
        erasure by `at` has cleared.
        """
        cleared = self.last_erasure(at)
        missing = dict.fromkeys(categories)
        for group in self.collected:
            if group.purpose in purposes and any(
                (source is None or collect.source == source) and (cleared is None or collect.at > cleared)
                for collect in collecting.within(group, since, at)
            ):
                for category in group.categories:
                    missing.pop(category, None)
        return list(missing)

    def last_erasure(self, at: datetime) -> datetime | None:
        """When the latest erasure by an instant was fulfilled, or None."""
        if not self.erasures:
            return None
        count = bisect_right(self.erasures, at)
        return self.erasures[count - 1] if count else None

    def restricted_since(self, at: datetime) -> datetime | None:
        """Since when processing is restricted at an instant, None where it is not (Art. 18)."""
        requests = self.requests.get("restriction")
        if requests is None:
            return None
        held = (restricted(steps, at) for steps in requests.values())
        return min((since for since in held if since is not None), default=None)

    def objections_at(self, at: datetime, *, marketing: bool) -> list[Objection]:
        """The objections that hold at an instant (clause 4.2, 9.5; Art. 21), see `requests.objections`."""
        held: list[Objection] = []
        for steps in self.requests.get("objection", {}).values():
            held += objections(steps, at, marketing)
        return held

    def steps(self, right: Right, request: bytes, at: datetime) -> list[RequestStep]:
        """The steps of a request of this right and key by an instant, in order."""
        known = self.requests.get(right, {}).get(request, [])
        return known[: bisect_right(known, at, key=_at)]

    def requested(self, right: Right, request: bytes, at: datetime) -> bool:
        """Whether a request of this right and key was received by an instant and not withdrawn since."""
        return stands(self.requests.get(right, {}).get(request, ()), at)

    def receipts(self, right: Right) -> Iterator[tuple[bytes, datetime]]:
        """Each `received` of the requests of a right, with the request's key; of all times, in no order."""
        for request, steps in self.requests.get(right, {}).items():
            for step in steps:
                if step.phase == "received":
                    yield request, step.at


def fact_of(
    event: Event, verdict: Verdict, request_key: bytes | None = None, contract_key: bytes | None = None
) -> Fact | None:
    """What the fold is to read of a judged event, or None where the event changes no state (most do not).

    `request_key` is needed for rights events and `contract_key` for contract events.
    """
    if event.stage not in _HAPPENED:
        return None
    if type(event) is ProcessingEvent:
        if event.operation != "collect" or event.purpose is None or verdict.verdict == "deny":
            return None
        return Fact(
            kind="processing",
            occurred_at=event.occurred_at,
            stage=event.stage,
            operation="collect",
            purpose=event.purpose,
            data_categories=event.data_categories,
            source=event.source,
        )
    if type(event) is RightsEvent:
        return Fact(
            kind="rights",
            occurred_at=event.occurred_at,
            stage=event.stage,
            right=event.right,
            request=request_key,
            phase=event.phase,
            scope=event.scope,
            method=event.method,
            has_reason=event.reason is not None,
            fee=event.fee,
        )
    if type(event) is ContractEvent:
        return Fact(
            kind="contract",
            occurred_at=event.occurred_at,
            stage=event.stage,
            contract=contract_key,
            phase=event.phase,
            customer_type=event.customer_type,
        )
    return None


def observe(state: SubjectState, fact: Fact) -> None:
    """Add one fact to a state, in place. A fact that changes no state is allowed and ignored."""
    if fact.stage not in _HAPPENED:
        return
    if fact.kind == "processing":
        _observe_collect(state, fact)
    elif fact.kind == "rights":
        _observe_request(state, fact)
    elif fact.kind == "contract":
        _observe_contract(state, fact)


def _observe_collect(state: SubjectState, fact: Fact) -> None:
    if fact.operation != "collect" or fact.purpose is None or fact.denied:
        return
    if fact.data_categories:
        collection = Collection(fact.occurred_at, fact.source)
        collecting.add(state.collected, fact.purpose, fact.data_categories, collection)


def _observe_request(state: SubjectState, fact: Fact) -> None:
    if fact.right is None or fact.request is None or fact.phase is None:
        raise TypeError("a rights fact needs right, request and phase")
    if fact.phase == "started" or fact.phase == "ended":
        raise TypeError("a rights fact needs a phase of a request, not of a contract")
    if fact.phase == "recipients_notified":
        return  # moves no clock of the request; who was told (Art. 19) is asked of the ledger
    step = RequestStep(fact.occurred_at, fact.phase, fact.scope, fact.method, fact.has_reason, fact.fee)
    insort(state.requests.setdefault(fact.right, {}).setdefault(fact.request, []), step, key=_at)
    if fact.right == "erasure" and fact.phase == "fulfilled":
        insort(state.erasures, fact.occurred_at)


def _observe_contract(state: SubjectState, fact: Fact) -> None:
    if fact.contract is None or not (fact.phase == "started" or fact.phase == "ended"):
        raise TypeError("a contract fact needs contract and phase started or ended")
    step = ContractStep(fact.occurred_at, fact.phase, fact.customer_type)
    insort(state.contracts.setdefault(fact.contract, []), step, key=_at)


# What a state means to the fold. A change of the fold, or of what a state holds, is a new version, so that a
# snapshot of before is not read as if it were of today.
_VERSION = b"\x01"
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SubjectState)


def encode_state(state: SubjectState) -> bytes:
    """A snapshot of a state (a version and MessagePack). Not canonical: equal states may differ in bytes."""
    return _VERSION + _encoder.encode(state)


def decode_state(snapshot: bytes) -> SubjectState:
    """The state of a snapshot. Raises `msgspec.DecodeError` where the bytes are not one of this version."""
    if snapshot[:1] != _VERSION:
        raise msgspec.DecodeError(f"a state of version {snapshot[:1].hex()}, not {_VERSION.hex()}")
    return _decoder.decode(snapshot[1:])
