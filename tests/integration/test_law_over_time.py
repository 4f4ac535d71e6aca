"""Law that changes over time, end to end: judged as it stood, and looked back on when it ends.

Privacy Shield was annulled on 2020-07-16 (C-311/18). Transfers before that day are permitted with a flag, the
same transfers from it on are denied. Then a policy that ends the Data Privacy Framework is activated, and
the sweep lists every transfer that rests on it, with what could stand in its place.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from ansvar import ContractEvent, Event, Identifier, ProcessingEvent, TransferEvent
from ansvar.emitter.commanding import send_commands
from ansvar.emitter.kit import ProducerKit
from ansvar.enforcement.replaying import replay
from ansvar.enforcement.sweep.running import Swept, sweep_and_record
from ansvar.enforcement.wiring import as_recorded
from ansvar.events.control import signed_activation
from ansvar.initiation import CONTROL_PRODUCER
from ansvar.policy.canonical import canonical, decode, encode
from ansvar.policy.decide import ENGINE
from ansvar.policy.loader import bundle_from_bytes
from ansvar.sample import SAMPLE_BUNDLE
from ansvar.store.client import Store
from ansvar.vault import keyring
from workers import Deployed, published

CUSTOMER = Identifier("customer_number", "C-1001")
END = datetime(2026, 11, 1, tzinfo=UTC)
SHIELDED = {"safeguard": "privacy_shield", "recipient": "google-maps"}


def transfer(at: datetime, **fields: str) -> TransferEvent:
    return TransferEvent(
        event_id=uuid4(),
        occurred_at=at,
        subject=CUSTOMER,
        system="crm",
        purpose="contract",
        legal_basis="contract",
        data_categories=("address",),
        **fields,  # type: ignore[arg-type] # words of the event format
    )


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc] # year, month, day, ...


BEGAN = utc(2019, 3, 1, 9)
LIFE: tuple[Event, ...] = (
    ProcessingEvent(
        event_id=uuid4(),
        occurred_at=BEGAN,
        subject=CUSTOMER,
        system="webshop",
        operation="collect",
        source="data_subject",
        purpose="contract",
        legal_basis="contract",
        data_categories=("address",),
    ),
    ContractEvent(
        event_id=uuid4(),
        occurred_at=BEGAN,
        subject=CUSTOMER,
        system="crm",
        contract_id="A-1",
        phase="started",
        customer_type="consumer",
    ),
)
IN_JUNE = transfer(utc(2020, 6, 15, 12), **SHIELDED)
LAST_MOMENT = transfer(utc(2020, 7, 15, 21, 59, 59), **SHIELDED)  # 23:59:59 in Stockholm
ANNULLED = transfer(utc(2020, 7, 15, 22), **SHIELDED)
THE_DAY_AFTER = transfer(utc(2020, 7, 17, 12), **SHIELDED)
ON_DPF = transfer(utc(2026, 9, 1, 12), recipient="google-maps", safeguard="adequacy")
ON_DPF_WITH_SCC = transfer(utc(2026, 9, 2, 12), recipient="app-hosting-us", safeguard="adequacy")
ON_SCC = transfer(utc(2026, 9, 3, 12), recipient="app-hosting-us", safeguard="scc")
AFTER_THE_END = transfer(utc(2026, 11, 2, 12), recipient="google-maps", safeguard="adequacy")
EVENTS = (
    *LIFE,
    IN_JUNE,
    LAST_MOMENT,
    ANNULLED,
    THE_DAY_AFTER,
    ON_DPF,
    ON_DPF_WITH_SCC,
    ON_SCC,
    AFTER_THE_END,
)


@pytest.fixture
def deployed(kafka: str, store: Store, tmp_path: Path) -> Deployed:
    return Deployed(kafka, store, tmp_path)


def without_the_framework() -> bytes:
    """The sample's bundle, with a Data Privacy Framework that ends."""
    files = decode(canonical(SAMPLE_BUNDLE))
    name = next(name for name, text in files.items() if "id: US-DPF" in text)
    before = files[name]
    after = before.replace("valid_from: 2023-07-10\n", "valid_from: 2023-07-10\n    valid_to: 2026-11-01\n")
    assert after != before
    return encode({**files, name: after})


async def test_from_privacy_shield_to_the_end_of_the_framework(deployed: Deployed) -> None:
    await deployed.make_topics()
    await deployed.emit(EVENTS)
    await deployed.processed()
    rows = {row.event_id: row for row in deployed.rows() if row.verdict and row.stage}
    told = {event.event_id: set(rows[event.event_id].findings) - {"event.late"} for event in EVENTS[2:]}
    flagged, tool = {"transfer.third_country"}, {"transfer.third_country", "transfer.tool_invalid"}
    assert [told[event.event_id] for event in EVENTS[2:]] == [
        *(flagged, flagged, tool, tool),  # 2020
        *(flagged, flagged, flagged, flagged),  # 2026
    ]
    assert [rows[event.event_id].verdict for event in EVENTS[2:6]] == ["flag", "flag", "deny", "deny"]

    content = without_the_framework()
    kit = ProducerKit.read(keyring.kit_path(deployed.directory.keys, CONTROL_PRODUCER))
    command = signed_activation(
        keyring.operator_key(deployed.directory.keys), kit.deployment.bytes, UUID(int=1), content, ENGINE
    )
    async with deployed.worker() as worker:
        assert not [one for one in await _swept(deployed, kit) if one.rule == "adequacy.annulled"]
        await send_commands(kit, deployed.kafka, [(chain, command) for chain in range(kit.chains)])
        await deployed.caught_up(worker)
        found = {one.seq: one for one in await _swept(deployed, kit) if one.rule == "adequacy.annulled"}
        assert await _swept(deployed, kit) == []
    at = {event.event_id: rows[event.event_id].seq for event in EVENTS}
    assert found.keys() == {at[event.event_id] for event in (ON_DPF, ON_DPF_WITH_SCC, AFTER_THE_END)}
    assert "no instrument could replace it" in found[at[ON_DPF.event_id]].message
    assert "SCC-2023-04" in found[at[ON_DPF_WITH_SCC.event_id]].message
    severities = [found[at[event.event_id]].severity for event in (ON_DPF, ON_DPF_WITH_SCC, AFTER_THE_END)]
    assert severities == ["flag", "flag", "deny"]
    assert found[at[ON_DPF.event_id]].since == bundle_from_bytes(content).decisions["US"][2].period.end

    named = [row for row in deployed.rows("finding") if row.findings == ("adequacy.annulled",)]
    assert len(named) == 3
    alerts = await published(deployed.kafka.bootstrap, deployed.settings.alerts_topic)
    assert [alert["rule"] for alert in alerts].count("adequacy.annulled") == 3  # flags of a sweep, too
    judge, claims = as_recorded(deployed.store)
    for chain in deployed.ledger.chains():
        stored = [row for row, _ in deployed.ledger.rows(chain, 0, deployed.ledger.last_seq(chain) + 1)]
        assert all(again.agrees for again in replay(stored, judge, claims))
    assert deployed.intact()


async def _swept(deployed: Deployed, kit: ProducerKit) -> list[Swept]:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    return await sweep_and_record(deployed.store, kit, deployed.kafka, now, lambda *_: None)
