"""From a judged event to its ledger row, and from a row back to the fact that the fold reads.

Pure. What a row needs of a person (reference, keyed ids, digest, sealed details) comes in as `Sealing`; the
identifier itself never reaches a row. `extra` is RFC 8785 JSON of the facts of one kind that have no column,
enough that a verdict can be recomputed from rows; where a text is personal or free it says only that it was
there. A disclosure's reference that is a request of the subject's own is a request id: it stands keyed in
`request_id`, and the column `reference` is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, cast

import msgspec
from msgspec import structs

from ansvar.events.model import (
    ContractEvent,
    DisclosureEvent,
    Event,
    Identifier,
    NoticeEvent,
    ProcessingEvent,
    RightsEvent,
    TransferEvent,
)
from ansvar.ledger.row import ZERO16, Row
from ansvar.policy.state import Fact
from ansvar.policy.verdict import Verdict

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LARGEST_EXACT: Final = 2**53 - 1

EXTRA_FIELDS: Final[dict[type, tuple[str, ...]]] = {
    ProcessingEvent: (
        "aggregated",
        "automated_decision",
        "cookie",
        "deidentified",
        "nix_checked_at",
        "nix_exemption",
        "nix_listed",
        "source",
        "source_name",
        "subject_informed",
    ),
    TransferEvent: ("remote_access",),
    DisclosureEvent: (),
    RightsEvent: ("fee", "method", "scope"),
    ContractEvent: ("customer_type",),
    NoticeEvent: ("topic", "version"),
}
_NOTHING: Final[Mapping[str, Any]] = {}
_json = msgspec.json.Encoder(order="sorted")


class Sealing(Protocol):
    """What the row says of persons and free text, under keys that this module never sees."""

    reference: bytes
    digest: bytes

    def contract_id(self, value: str) -> bytes: ...
    def correlation_id(self, value: str) -> bytes: ...
    def actor(self, named: str | Identifier | None) -> str: ...
    def details(self, text: bytes) -> bytes: ...


class Place(msgspec.Struct, frozen=True):
    """Where a row stands and where it comes from; times in ms since 1970."""

    chain: int
    seq: int
    stream: bytes
    offset: int
    index: int
    recorded_at: int
    policy: bytes
    engine: int
    producer: str = ""
    session: bytes = ZERO16
    batch: int = 0


def place_columns(place: Place) -> dict[str, Any]:
    """The columns by which a row says where it stands and what was in force there."""
    return structs.asdict(place)


def microseconds(at: datetime) -> int:
    """Microseconds since 1970 of an aware time, exactly."""
    return (at - EPOCH) // _MICROSECOND


def time_of(ms: int) -> datetime:
    """The aware UTC time of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=ms)


def extra_json(facts: dict[str, Any]) -> str:
    """RFC 8785 JSON of a flat object of strings, lists of them, booleans and integers; '' when there is none.

    An integer that a double cannot hold is written as a string (RFC 7493, 2.2; RFC 8785, appendix D).
    """
    told = {
        name: str(value) if isinstance(value, int) and abs(value) > _LARGEST_EXACT else value
        for name, value in facts.items()
    }
    return _json.encode(told).decode() if told else ""


def extra_of(row: Row) -> dict[str, Any]:
    """What a row says in its `extra`, by name."""
    found: dict[str, Any] = msgspec.json.decode(row.extra) if row.extra else {}
    return found


def joined_of(row: Row) -> bytes | None:
    """The reference that a `link` row joins to its subject or sends elsewhere, 16 bytes; None for neither."""
    joined = extra_of(row).get("joined")
    return None if joined is None else bytes.fromhex(joined)


def origin_of(row: Row) -> tuple[int, str]:
    """Broker time (ms) and producer of the record that an event was first sent in, forwarded or not."""
    extra = extra_of(row)
    return extra.get("origin_at", row.recorded_at), extra.get("origin_producer", row.producer)


def told_of(row: Row) -> tuple[int, int] | None:
    """Which chain a `link` or `forwarded` row tells something, and the how manieth that is, from 0."""
    extra = extra_of(row)
    return (extra["to"], extra["number"]) if "to" in extra else None


def event_row(
    event: Event,
    verdict: Verdict,
    place: Place,
    sealing: Sealing,
    *,
    request: bytes | None = None,
    own_request: bool = False,
    further: Mapping[str, Any] = _NOTHING,
) -> Row:
    """The row of one judged event.

    `request` is the keyed id of the request that the event names: that of a rights event, and of a disclosure
    whose reference is a request of the subject's. `own_request` tells whether the latter is a portability
    request that stands (clause 9.4). `further` is what `extra` says besides.
    """
    extra = {name: value for name in EXTRA_FIELDS[type(event)] if (value := getattr(event, name)) is not None}
    if event.compelling_grounds is not None:
        extra["compelling_grounds"] = True
    if own_request:
        extra["own_request"] = True
    reason = event.reason if isinstance(event, RightsEvent) else None
    if reason is not None:
        extra["reason"] = True
    extra |= further
    assert event.event_id is not None  # noqa: S101 - the codec refuses an event without one
    return Row(
        chain=place.chain,
        seq=place.seq,
        stream=place.stream,
        offset=place.offset,
        index=place.index,
        recorded_at=place.recorded_at,
        kind=event.kind,
        stage=event.stage,
        event_id=event.event_id,
        occurred_at=microseconds(event.occurred_at),
        subject=sealing.reference,
        system=event.system,
        actor=sealing.actor(event.actor),
        purpose=event.purpose or "",
        legal_basis=event.legal_basis or "",
        role=event.role,
        controller=event.controller or "",
        data_categories=event.data_categories,
        correlation_id=ZERO16
        if event.correlation_id is None
        else sealing.correlation_id(event.correlation_id),
        digest=sealing.digest,
        verdict=verdict.verdict,
        findings=tuple(finding.rule for finding in verdict.findings),
        policy=place.policy,
        engine=place.engine,
        producer=place.producer,
        session=place.session,
        batch=place.batch,
        details=_details(event, reason, sealing),
        extra=extra_json(extra),
        **_own_columns(event, sealing, request),
    )


def _own_columns(event: Event, sealing: Sealing, request: bytes | None) -> dict[str, Any]:
    match event:
        case ProcessingEvent():
            return {"operation": event.operation}
        case TransferEvent():
            return {
                "recipient": event.recipient,
                "country": event.country or "",
                "safeguard": event.safeguard or "",
                "safeguard_reference": event.safeguard_reference or "",
                "via": event.via or "",
            }
        case DisclosureEvent():
            return {
                "recipient": event.recipient,
                "recipient_type": event.recipient_type or "",
                "ground": event.ground or "",
                "reference": event.reference or "" if request is None else "",
                "request_id": request or ZERO16,
                "country": event.country or "",
                "safeguard": event.safeguard or "",
                "safeguard_reference": event.safeguard_reference or "",
                "via": event.via or "",
            }
        case RightsEvent():
            return {
                "request_id": request or ZERO16,
                "right": event.right,
                "phase": event.phase,
                "recipient": event.recipient or "",
            }
        case ContractEvent():
            return {"contract_id": sealing.contract_id(event.contract_id), "phase": event.phase}
        case NoticeEvent():
            return {}


def _details(event: Event, reason: str | None, sealing: Sealing) -> bytes:
    texts = {
        name: text
        for name, text in (
            ("compelling_grounds", event.compelling_grounds),
            ("details", event.details),
            ("reason", reason),
        )
        if text is not None
    }
    return sealing.details(_json.encode(texts)) if texts else b""


def fact_of_row(row: Row) -> Fact | None:
    """What the fold is to read of a stored row: equal to `fact_of` of the event it was made from."""
    if row.stage not in ("done", "fail_open"):
        return None
    extra = extra_of(row)
    at = EPOCH + timedelta(microseconds=row.occurred_at)
    stage = cast("Any", row.stage)
    if row.kind == "processing":
        if row.operation != "collect" or not row.purpose or row.verdict == "deny":
            return None
        return Fact(
            kind="processing",
            occurred_at=at,
            stage=stage,
            operation="collect",
            purpose=row.purpose,
            data_categories=row.data_categories,
            source=extra.get("source"),
        )
    if row.kind == "rights":
        return Fact(
            kind="rights",
            occurred_at=at,
            stage=stage,
            right=cast("Any", row.right),
            request=row.request_id,
            phase=cast("Any", row.phase),
            scope=extra.get("scope"),
            method=extra.get("method"),
            has_reason=extra.get("reason", False),
            fee=extra.get("fee"),
        )
    if row.kind == "contract":
        return Fact(
            kind="contract",
            occurred_at=at,
            stage=stage,
            contract=row.contract_id,
            phase=cast("Any", row.phase),
            customer_type=extra.get("customer_type"),
        )
    return None
