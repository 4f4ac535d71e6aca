"""The demo's second part: what fell due by the year's end, and what rests on a decision that ends.

Invariants: the sweeps, the activation and the worker are the real ones; repeating the demo sends no second
activation and records no finding twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from uuid import uuid4

from msgspec import Struct

from ansvar.accountability.overview import Table
from ansvar.accountability.policies import in_force
from ansvar.embedded.errors import EmbeddedError
from ansvar.embedded.stack import Stack
from ansvar.emitter.commanding import send_commands
from ansvar.emitter.kit import ProducerKit
from ansvar.events.control import signed_activation
from ansvar.initiation import CONTROL_PRODUCER
from ansvar.policy.canonical import canonical, decode, encode
from ansvar.policy.decide import ENGINE
from ansvar.policy.loader import bundle_from_bytes
from ansvar.sample import SAMPLE_BUNDLE
from ansvar.sample.company import Year
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.vault.keyring import kit_path, operator_key

_NOTICE_DAYS = 60  # from the year's end to the end of the framework
_ADEQUACY = "law/adequacy.yaml"
_FRAMEWORK = "  - id: US-DPF\n    country: US\n    citation: (EU) 2023/1795\n    valid_from: 2023-07-10\n"


class LookedBack(Struct, frozen=True):
    """What the sweeps recorded: findings by clock, and what came of transfers to the US as law changed."""

    clocks: Mapping[str, int]
    answers: tuple[Table, ...]


async def look_back(
    stack: Stack, year: Year, say: Callable[[str], None], count: Callable[[str, int, int], None]
) -> LookedBack:
    """Sweep as of the year's end, put a policy in force that ends the framework, and sweep again."""
    ends = year.ends + timedelta(days=_NOTICE_DAYS)
    say("Sweeping for what fell due by the end of the year")
    await stack.sweep(year.as_of, count)
    say(f"The law changes: a policy under which the Data Privacy Framework ends on {ends}")
    await _activate(stack, ends)
    await stack.caught_up(count)
    await stack.sweep(year.as_of, count)
    clocks = dict(await asyncio.to_thread(stack.store.query, _CLOCKS))
    shield = await asyncio.to_thread(_shield, stack.store)
    return LookedBack(clocks, (shield, await asyncio.to_thread(_resting, stack.store, ends)))


async def _activate(stack: Stack, ends: date) -> None:
    """Send the activation, unless it is in force already."""
    files = decode(canonical(SAMPLE_BUNDLE))
    before, found, after = files[_ADEQUACY].partition(_FRAMEWORK)
    if not found:
        raise EmbeddedError(
            f"{_ADEQUACY} of the sample company does not hold US-DPF as this version knows it"
        )
    changed = f"{before}{_FRAMEWORK}    valid_to: {ends}\n{after}"
    content = encode({**files, _ADEQUACY: changed})
    sha256 = bundle_from_bytes(content).sha256.hex()
    policies = await asyncio.to_thread(in_force, LedgerStore(stack.store))
    lacking = [policy.chain for policy in policies if (policy.bundle, policy.engine) != (sha256, ENGINE)]
    if lacking:
        kit = ProducerKit.read(kit_path(stack.directory.keys, CONTROL_PRODUCER))
        operator = operator_key(stack.directory.keys)
        command = signed_activation(operator, kit.deployment.bytes, uuid4(), content, ENGINE)
        await send_commands(kit, stack.kafka, [(chain, command) for chain in lacking])


_CLOCKS = (
    "SELECT arrayJoin(findings) AS rule, count() FROM {database}.ledger "
    "WHERE kind = 'finding' GROUP BY rule ORDER BY rule"
)


def _shield(store: Store) -> Table:
    """Transfers under Privacy Shield, before and after its annulment (C-311/18)."""
    rows = store.query(
        "SELECT if(occurred_at < toDateTime64('2020-07-15 22:00:00', 6, 'UTC'), 'to 2020-07-15', "
        "'from 2020-07-16') AS period, recipient, count(), countIf(verdict = 'flag'), "
        "countIf(verdict = 'deny') "
        "FROM {database}.ledger WHERE safeguard = 'privacy_shield' AND kind IN ('transfer', 'disclosure') "
        "GROUP BY period, recipient ORDER BY period DESC, recipient"
    )
    return Table(
        "What did Privacy Shield carry, by the day of the transfer?",
        ("day", "recipient", "transfers", "permitted with flags", "denied"),
        tuple(rows),
    )


def _resting(store: Store, ends: date) -> Table:
    """The transfers that rest on the framework, by recipient, with what could stand in its place."""
    rows = store.query(
        "SELECT about.recipient, count(), uniqExact(about.subject), min(about.occurred_at), "
        "max(about.occurred_at), any(splitByString('; ', JSONExtractString(found.extra, 'message'))[-1]) "
        "FROM {database}.ledger AS found JOIN {database}.ledger AS about "
        "ON about.chain = toUInt32(JSONExtractUInt(found.extra, 'chain')) "
        "AND about.seq = toUInt64(JSONExtractUInt(found.extra, 'seq')) "
        "WHERE found.kind = 'finding' AND has(found.findings, 'adequacy.annulled') "
        "GROUP BY about.recipient ORDER BY count() DESC, about.recipient"
    )
    return Table(
        f"What rests on the Data Privacy Framework, which ends on {ends}?",
        ("recipient", "transfers", "people", "first", "last", "then"),
        tuple((*row[:3], row[3].date(), row[4].date(), row[5]) for row in rows),
    )
