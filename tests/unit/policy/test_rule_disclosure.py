"""Clauses 6.4 and 7.1: authorities and legal requests."""

from __future__ import annotations

import pytest

from judging import RuleCase, disclose, fires, process, silent, transfer

AUTHORITIES = ("police", "tax-agency", "imy", "court")

CASES = [
    *(fires("disclosure.authority", authority, disclose(authority)) for authority in AUTHORITIES),
    fires("disclosure.authority", "a transfer to one", transfer("police")),
    fires(
        "disclosure.authority",
        "stated, where the register knows nothing",
        disclose("enforcement-authority", recipient_type="authority"),
    ),
    silent("disclosure.authority", "no authority", disclose("mailing-house")),
    silent(
        "disclosure.authority",
        "the register outranks what is stated",
        disclose("mailing-house", recipient_type="authority"),
    ),
    silent("disclosure.authority", "unknown and not stated", disclose("enforcement-authority")),
    silent("disclosure.authority", "via an authority is not to one", disclose("mailing-house", via="police")),
    silent("disclosure.authority", "processing", process()),
    fires("disclosure.ground_missing", "no ground", disclose(ground=None)),
    fires(
        "disclosure.ground_missing",
        "a ground that is none for authorities",
        disclose(ground="service_delivery"),
    ),
    fires("disclosure.ground_missing", "a transfer always", transfer("police")),
    fires(
        "disclosure.ground_missing",
        "stated as authority",
        disclose("enforcement-authority", recipient_type="authority", ground=None),
    ),
    *(
        silent("disclosure.ground_missing", ground, disclose(ground=ground, reference="B 1-26"))
        for ground in ("legal_obligation", "suspected_crime", "legal_request", "fraud_prevention")
    ),
    silent("disclosure.ground_missing", "no authority", disclose("mailing-house", ground=None)),
    fires("disclosure.reference_missing", "legal request", disclose(ground="legal_request")),
    fires(
        "disclosure.reference_missing", "not to an authority", disclose("google-maps", ground="legal_request")
    ),
    silent(
        "disclosure.reference_missing",
        "with its reference",
        disclose(ground="legal_request", reference="B 1-26"),
    ),
    silent("disclosure.reference_missing", "another ground", disclose(ground="suspected_crime")),
    silent("disclosure.reference_missing", "no ground", disclose(ground=None)),
    silent("disclosure.reference_missing", "a transfer", transfer("police")),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: RuleCase) -> None:
    case.check()


def test_messages_state_the_facts() -> None:
    finding = fires("disclosure.ground_missing", "", disclose(ground="service_delivery")).check()
    assert finding is not None
    assert finding.message == "disclosure to police at 2026-03-02 14:00: ground service_delivery"
    finding = fires(
        "disclosure.authority", "", disclose("enforcement-authority", recipient_type="authority")
    ).check()
    assert finding is not None
    assert finding.message == "disclosure to an authority at 2026-03-02 14:00"
