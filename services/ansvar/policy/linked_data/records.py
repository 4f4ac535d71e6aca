"""One judged event, or one row of the ledger, as a DPV record in JSON-LD.

Invariants: what is written is a closed word of the event format, a word that the bundle declares, a hash, a
number or a time; every other word of a producer's is left out and only its field named (`ansvar:undeclared`),
because it may hold what identifies a person. Neither texts nor messages nor identifiers are written; the
ledger's opaque reference of the subject is, when the caller asks for it.

| kind | record |
|---|---|
| processing, disclosure | dpv:DataProcessingRecord |
| transfer | dpv:DataTransferRecord |
| rights | dpv:RightExerciseRecord |
| contract, notice | dpv:RecordsOfActivities |

Not handled here: rows that record no event (sessions, checkpoints, findings of later sweeps).
"""

from __future__ import annotations

import re
from typing import Any, Final, get_args

from ansvar.events.model import (
    ContractPhase,
    Ground,
    Operation,
    RecipientType,
    Right,
    RightsPhase,
    Role,
    Safeguard,
    Stage,
)
from ansvar.policy.bundle import Bundle
from ansvar.policy.errors import PolicyError
from ansvar.policy.linked_data.judged import FoundRule, Judged
from ansvar.policy.linked_data.terms import Node, base_of, compact, context, country, node, term, this
from ansvar.policy.rules import ALL_RULES
from ansvar.policy.verdict import Severity

_CLAUSES: Final = {rule.id: rule.clause for rule in ALL_RULES}
_RULE_ID: Final = re.compile(r"[a-z]+\.[a-z_]+")
_SEVERITIES: Final = frozenset(get_args(Severity))
_CLOSED: Final = {
    "stage": frozenset(get_args(Stage)),
    "role": frozenset(get_args(Role)),
    "operation": frozenset(get_args(Operation)),
    "ground": frozenset(get_args(Ground)),
    "phase": frozenset(get_args(RightsPhase) + get_args(ContractPhase)),
    "safeguard": frozenset(get_args(Safeguard)),
    "recipient_type": frozenset(get_args(RecipientType)),
    "right": frozenset(get_args(Right)),
}


class OtherBundle(PolicyError):
    """A verdict that was given under another bundle than the one at hand."""

    def __init__(self, judged_by: bytes, given: bytes) -> None:
        super().__init__(
            f"the verdict was given under bundle {judged_by.hex()[:12]}, not under {given.hex()[:12]}; "
            "name the bundle that was in force"
        )


def verdict_to_jsonld(
    judged: Judged, bundle: Bundle, *, base: str | None = None, with_subject: bool = False
) -> Node:
    """A judged event as a JSON-LD document of its own.

    `base` is that of the bundle's own export. With `with_subject` the ledger's opaque reference of the
    subject is named, where there is one. Raises `WrongBase` and `OtherBundle`.
    """
    return {
        "@context": context(base_of(bundle, base)),
        **verdict_node(judged, bundle, with_subject=with_subject),
    }


def verdict_node(judged: Judged, bundle: Bundle, *, with_subject: bool = False) -> Node:
    """The same without the context, for a graph of many. Raises `OtherBundle`."""
    if judged.policy != bundle.sha256:
        raise OtherBundle(judged.policy, bundle.sha256)
    closed = {name: _closed(judged, name) for name in _CLOSED}
    reference = judged.subject if with_subject else None
    company = None if bundle.company is None else this("company")
    return node(
        None if judged.name is None else this("record", judged.name),
        (_record(bundle, judged.kind),),
        dct__identifier=None if judged.event_id is None else str(judged.event_id),
        ansvar__kind=judged.kind,
        ansvar__stage=closed["stage"],
        dct__date=judged.occurred_at.isoformat(),
        dct__created=None if judged.recorded_at is None else judged.recorded_at.isoformat(),
        dpv__hasDataSubject=None if reference is None else _subject(reference),
        dpv__hasDataController=company if closed["role"] == "controller" else None,
        dpv__hasDataProcessor=company if closed["role"] == "processor" else None,
        ansvar__role=closed["role"],
        **_use(judged, bundle),
        ansvar__operation=closed["operation"],
        dpv__hasProcessing=term(bundle, "operations", closed["operation"]),
        ansvar__recipientType=closed["recipient_type"],
        ansvar__safeguard=closed["safeguard"],
        ansvar__ground=closed["ground"],
        dpv__hasRight=term(bundle, "rights", closed["right"]),
        ansvar__phase=closed["phase"],
        ansvar__undeclared=_undeclared(judged, bundle),
        dpv__hasLawfulness=term(bundle, "verdicts", judged.verdict),
        ansvar__verdict=judged.verdict,
        ansvar__finding=[_finding(found) for found in judged.findings if _RULE_ID.fullmatch(found.rule)],
        dpv__hasPolicy=node(this("policy"), ("dpv:Policy",), ansvar__sha256=judged.policy.hex()),
        ansvar__engine=judged.engine,
    )


def _use(judged: Judged, bundle: Bundle) -> dict[str, Any]:
    """Why, on what basis, which data, in which system and to whom, as far as the bundle declares it.

    Purpose, basis and categories carry their DPV terms, so that a record is read without the bundle's export.
    """
    purpose = bundle.purposes.get(judged.purpose)
    basis = bundle.bases.get(judged.legal_basis)
    bases: list[Node | str] = []
    if basis is not None:
        bases.append(node(this("basis", basis.id), ("dpv:LegalBasis", compact(basis.iri))))
    if (tool := term(bundle, "safeguards", judged.safeguard)) is not None:
        bases.append(tool)
    categories = [bundle.categories[word] for word in judged.data_categories if word in bundle.categories]
    return {
        "dpv__hasPurpose": None
        if purpose is None
        else node(this("purpose", purpose.id), ("dpv:Purpose", compact(purpose.iri))),
        "dpv__hasLegalBasis": bases,
        "dpv__hasPersonalData": [
            node(this("category", category.id), ("dpv:PersonalData", compact(category.iri)))
            for category in categories
        ],
        "dpv__isImplementedUsingTechnology": this("system", judged.system)
        if judged.system in bundle.systems
        else None,
        "dpv__hasRecipient": [
            this("recipient", word) for word in (judged.recipient, judged.via) if word in bundle.recipients
        ],
        "dpv__hasCountry": country(judged.country) if judged.country in bundle.countries else None,
    }


def _undeclared(judged: Judged, bundle: Bundle) -> list[str]:
    """The fields with a word that the bundle does not know."""
    known = {
        "system": bundle.systems,
        "purpose": bundle.purposes,
        "legal_basis": bundle.bases,
        "recipient": bundle.recipients,
        "via": bundle.recipients,
        "country": bundle.countries,
    }
    fields = [
        field for field, words in known.items() if (word := getattr(judged, field)) and word not in words
    ]
    if any(word not in bundle.categories for word in judged.data_categories):
        fields.append("data_categories")
    return fields


def _record(bundle: Bundle, kind: str) -> str:
    """The class of record. A disclosure is processing; what is told or agreed is no processing at all."""
    return (
        term(bundle, "records", "processing" if kind == "disclosure" else kind) or "dpv:RecordsOfActivities"
    )


def _finding(found: FoundRule) -> Node:
    severity = found.severity if found.severity in _SEVERITIES else None
    return {
        "ansvar:rule": this("rule", found.rule),
        "dct:identifier": found.rule,
        **({"ansvar:clause": _CLAUSES[found.rule]} if found.rule in _CLAUSES else {}),
        **({} if severity is None else {"ansvar:severity": severity}),
    }


def _subject(reference: bytes) -> Node:
    return node(f"urn:ansvar:subject:{reference.hex()}", ("dpv:DataSubject",))


def _closed(judged: Judged, name: str) -> str | None:
    """A word that the event format itself defines; None for any other, which a row of ours never holds."""
    word: str = getattr(judged, name)
    return word if word in _CLOSED[name] else None
