"""The register of recipients as linked data: who they are, where, under which agreements and instruments.

Invariants: as in `bundles`; every part of an entry (agreement, review, instrument, evidence) is a resource
of its own with its validity.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansvar.policy.bundle import Bundle, Instrument, Recipient
from ansvar.policy.linked_data.terms import Node, country, dated, node, numbered, term, this


def recipient_nodes(bundle: Bundle, recipient: Recipient) -> Iterator[Node]:
    """An entry of the register with all that hangs on it (clauses 6.1 to 6.4)."""
    own = ("recipient", recipient.id)
    role = "authority" if recipient.type == "authority" else recipient.role
    yield node(
        this(*own),
        ("dpv:Recipient", term(bundle, "recipients", role)),
        dct__identifier=recipient.id,
        dpv__hasName=recipient.name,
        ansvar__recipientType=recipient.type,
        dpv__hasCountry=country(recipient.established),
        dpv__hasStorageCondition=[this(*own, "storage", code) for code in recipient.storage],
        dpv__hasDataProcessor=numbered(recipient.subprocessors, *own, "sub-processor"),
        dpv__hasLegalMeasure=numbered(recipient.agreements, *own, "agreement"),
        dpv__hasAssessment=numbered(recipient.guarantees, *own, "guarantees"),
        dpv__hasLegalBasis=[
            *numbered(recipient.instruments, *own, "instrument"),
            *numbered(recipient.scope, *own, "scope"),
        ],
    )
    yield from _places(bundle, recipient)
    yield from _vetting(recipient)
    for name, tool in zip(
        numbered(recipient.instruments, *own, "instrument"), recipient.instruments, strict=True
    ):
        yield from _instrument(bundle, name, tool)
    for name, evidence in zip(numbered(recipient.scope, *own, "scope"), recipient.scope, strict=True):
        yield node(
            name,
            ("dpv:LegalBasis", term(bundle, "safeguards", "adequacy")),
            dct__references=this("adequacy-decision", evidence.decision),
            **dated(evidence.period),
        )


def _places(bundle: Bundle, recipient: Recipient) -> Iterator[Node]:
    """Where the data lie, and whom the recipient employs."""
    own = ("recipient", recipient.id)
    for code in recipient.storage:
        yield node(this(*own, "storage", code), ("dpv:StorageLocation",), dpv__hasCountry=country(code))
    for name, sub in zip(
        numbered(recipient.subprocessors, *own, "sub-processor"), recipient.subprocessors, strict=True
    ):
        yield node(
            name,
            ("dpv:Recipient", term(bundle, "recipients", "subprocessor")),
            dpv__hasName=sub.name,
            dpv__hasCountry=country(sub.country),
        )


def _vetting(recipient: Recipient) -> Iterator[Node]:
    """Processing agreements, and the times for which guarantees were reviewed (clause 6.2)."""
    for kind, article, class_, periods in (
        ("agreement", "GDPR Art. 28(3)", "dpv:ControllerProcessorAgreement", recipient.agreements),
        ("guarantees", "GDPR Art. 28(1)", "dpv:Assessment", recipient.guarantees),
    ):
        for name, period in zip(numbered(periods, "recipient", recipient.id, kind), periods, strict=True):
            yield node(name, (class_,), ansvar__article=article, **dated(period))


def _instrument(bundle: Bundle, name: str, tool: Instrument) -> Iterator[Node]:
    """A transfer tool held with a recipient, and the assessment of the law over there (clause 6.3)."""
    assessment = None if tool.assessment is None else f"{name}.assessment"
    yield node(
        name,
        ("eu-gdpr:DataTransferTool", term(bundle, "safeguards", tool.tool)),
        dct__identifier=tool.reference,
        ansvar__safeguard=tool.tool,
        dct__references=None if tool.set is None else this("scc-set", tool.set),
        dpv__hasAssessment=assessment,
        **dated(tool.period),
    )
    if assessment is not None:
        yield node(assessment, ("dpv:DataTransferImpactAssessment",), dct__identifier=tool.assessment)
