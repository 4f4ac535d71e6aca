"""Clause 6.2: whoever reports does so for what it is registered for."""

from __future__ import annotations

import pytest

from ansvar.policy.case import ProducerScope
from judging import NOW, RuleCase, contract, disclose, fires, process, rights, silent, transfer


def scope(systems: str = "crm billing", kinds: str = "processing contract") -> ProducerScope:
    return ProducerScope(frozenset(systems.split()), frozenset(kinds.split()))


CASES = [
    silent("producer.out_of_scope", "both registered", process(), scope=scope()),
    fires("producer.out_of_scope", "another system", process(system="webshop"), scope=scope()),
    fires("producer.out_of_scope", "erasing in it", process("erase", system="webshop"), scope=scope()),
    silent("producer.out_of_scope", "any system", process(system="webshop"), scope=scope("*")),
    fires("producer.out_of_scope", "any system, another kind", transfer(), scope=scope("*")),
    *(
        fires("producer.out_of_scope", f"another kind, {event.kind}", event, scope=scope())
        for event in (transfer(), disclose(), rights("access", "received", NOW))
    ),
    silent("producer.out_of_scope", "another kind of those", contract("started", NOW), scope=scope()),
    silent("producer.out_of_scope", "any kind", transfer(), scope=scope(kinds="*")),
    fires("producer.out_of_scope", "any kind, another system", transfer(system="x"), scope=scope(kinds="*")),
    silent("producer.out_of_scope", "anything", disclose(system="somewhere"), scope=scope("*", "*")),
    fires("producer.out_of_scope", "registered for nothing", process(), scope=scope("", "")),
    silent("producer.out_of_scope", "no producer known", process(system="webshop")),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


@pytest.mark.parametrize(
    ("systems", "kinds", "lacking"),
    [
        ("crm", "*", "system 'webshop'"),
        ("*", "contract", "kind processing"),
        ("crm", "contract", "system 'webshop' and kind processing"),
    ],
)
def test_messages_state_what_the_registration_lacks(systems: str, kinds: str, lacking: str) -> None:
    case = fires("producer.out_of_scope", "", process(system="webshop"), scope=scope(systems, kinds))
    finding = case.check()
    assert finding is not None
    assert finding.message == f"the producer's registration at {NOW} lacks {lacking}"
