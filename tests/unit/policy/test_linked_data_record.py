"""Verdicts as DPV records: what is said of an event or a row, and that no person is named."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rdflib import RDF, Graph, Literal, URIRef
from rdflib.compare import isomorphic
from rdflib.namespace import DCTERMS

from ansvar.events.model import Event, Identifier
from ansvar.ledger.row import Row
from ansvar.policy.bundle import Bundle
from ansvar.policy.decide import decide
from ansvar.policy.linked_data import OtherBundle, judged_event, judged_row, verdict_node, verdict_to_jsonld
from ansvar.policy.linked_data.terms import NAMESPACES
from ansvar.policy.state import SubjectState
from ansvar.sample import sample_bundle
from judging import PERSON, changed, contract, disclose, interest, judge, process, rights, transfer
from rows import any_row
from strategies import events, personnummer

# rdflib's JSON-LD reader uses its own deprecated class.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")

BASE = "https://example.org/policy#"
EVENT_ID = "01890000-0000-7000-8000-000000000001"
NOTICE = process(
    None,  # type: ignore[arg-type]  # a notice has no operation
    kind="notice",
    topic="policy_version",
    purpose=None,
    legal_basis=None,
    data_categories=None,
)


def graph_of(document: dict[str, Any]) -> Graph:
    return Graph().parse(data=json.dumps(document), format="json-ld")


def record(event: Event, *history: Event, bundle: Bundle | None = None, **options: Any) -> dict[str, Any]:
    policy = bundle or sample_bundle()
    verdict = judge(event, *history, bundle=policy)
    judged = judged_event(event, verdict, policy=policy.sha256, engine=1)
    return verdict_to_jsonld(judged, policy, base=BASE, **options)


def told(event: Event, *history: Event, bundle: Bundle | None = None) -> set[tuple[str, str]]:
    """What the record says of itself, with prefixes; of what it points to, the names alone."""
    graph = graph_of(record(event, *history, bundle=bundle))
    [(subject, _)] = graph.subject_objects(DCTERMS.date)
    return {(short(str(p)), short(str(o))) for p, o in graph.predicate_objects(subject)}


def short(iri: str) -> str:
    for prefix, namespace in {**NAMESPACES, "this": BASE}.items():
        if iri.startswith(namespace):
            return f"{prefix}:{iri.removeprefix(namespace)}"
    return iri


RECORDS = [
    (process(), "dpv:DataProcessingRecord"),
    (disclose(), "dpv:DataProcessingRecord"),
    (transfer(), "dpv:DataTransferRecord"),
    (rights("access", "received", "2026-03-02"), "dpv:RightExerciseRecord"),
    (contract("started", "2026-03-02"), "dpv:RecordsOfActivities"),
    (NOTICE, "dpv:RecordsOfActivities"),
]


@pytest.mark.parametrize(("event", "class_"), RECORDS, ids=lambda value: getattr(value, "kind", None))
def test_the_kind_of_event_decides_the_class_of_record(event: Event, class_: str) -> None:
    assert ("rdf:type", class_) in told(event)


def test_a_record_says_why_on_what_basis_which_data_where_and_by_whom() -> None:
    assert told(process(event_id=EVENT_ID)) >= {
        ("dct:identifier", EVENT_ID),
        ("dct:date", "2026-03-02T13:00:00+00:00"),
        ("dpv:hasPurpose", "this:purpose.legal_obligation"),
        ("dpv:hasLegalBasis", "this:basis.legal_obligation"),
        ("dpv:hasPersonalData", "this:category.name"),
        ("dpv:isImplementedUsingTechnology", "this:system.crm"),
        ("dpv:hasDataController", "this:company"),
        ("dpv:hasPolicy", "this:policy"),
        ("ansvar:operation", "store"),
        ("ansvar:stage", "done"),
        ("ansvar:engine", "1"),
    }


def test_a_record_is_read_without_the_bundles_export() -> None:
    graph = graph_of(record(interest("use", data_categories=["email", "name"])))
    for name, term in (
        ("purpose.evaluation", "dpv:ServiceOptimisation"),
        ("basis.legitimate_interest", "eu-gdpr:A6-1-f"),
        ("category.email", "pd:EmailAddress"),
        ("category.name", "pd:Name"),
    ):
        types = {short(str(kind)) for kind in graph.objects(URIRef(BASE + name), RDF.type)}
        assert term in types
    hashes = list(graph.objects(URIRef(BASE + "policy"), URIRef(NAMESPACES["ansvar"] + "sha256")))
    assert hashes == [Literal(sample_bundle().sha256.hex())]


def test_a_transfer_names_recipient_place_and_tool() -> None:
    sent = transfer("app-hosting-us", country="US", safeguard="scc", via="sms-gateway")
    assert told(sent) >= {
        ("dpv:hasRecipient", "this:recipient.app-hosting-us"),
        ("dpv:hasRecipient", "this:recipient.sms-gateway"),
        ("dpv:hasCountry", "loc:US"),
        ("dpv:hasLegalBasis", "eu-gdpr:A46-2-c"),
        ("dpv:hasLegalBasis", "this:basis.legal_obligation"),
        ("ansvar:safeguard", "scc"),
    }


def test_a_disclosure_names_its_ground_and_a_request_its_right_and_phase() -> None:
    assert ("ansvar:ground", "suspected_crime") in told(disclose())
    assert told(rights("objection", "received", "2026-03-02")) >= {
        ("dpv:hasRight", "eu-gdpr:A21"),
        ("ansvar:phase", "received"),
    }


def test_a_processor_is_named_as_such_and_its_customer_is_not() -> None:
    said = told(process(role="processor", controller="Firma Anna Andersson"))
    assert ("dpv:hasDataProcessor", "this:company") in said
    assert ("ansvar:role", "processor") in said
    assert not any(p == "dpv:hasDataController" or "Andersson" in o for p, o in said)


@pytest.mark.parametrize(
    ("event", "verdict", "lawfulness"),
    [
        (process(), "permit", "eu-gdpr:GDPRCompliant"),
        (disclose(), "flag", "eu-gdpr:GDPRComplianceUnknown"),
        (process(purpose=None), "deny", "eu-gdpr:GDPRNonCompliant"),
    ],
    ids=["permit", "flag", "deny"],
)
def test_a_verdict_is_a_lawfulness(event: Event, verdict: str, lawfulness: str) -> None:
    said = told(event)
    assert [o for p, o in said if p == "dpv:hasLawfulness"] == [lawfulness]
    assert ("ansvar:verdict", verdict) in said


def test_a_finding_has_rule_clause_and_severity_and_no_message() -> None:
    event = process(purpose=None, data_categories=None)
    document = record(event)
    verdict = judge(event)
    assert [found["dct:identifier"] for found in document["ansvar:finding"]] == [
        found.rule for found in verdict.findings
    ]
    graph = graph_of(document)
    rows = graph.query(
        f"""PREFIX ansvar: <{NAMESPACES["ansvar"]}> SELECT ?rule ?clause ?severity WHERE {{
            ?record ansvar:finding ?found .
            ?found ansvar:rule ?rule ; ansvar:clause ?clause ; ansvar:severity ?severity }}"""
    )
    assert {tuple(map(str, row)) for row in rows} == {
        (f"{BASE}rule.{found.rule}", found.clause, found.severity) for found in verdict.findings
    }
    assert len(verdict.findings) >= 2
    assert not any(found.message in json.dumps(document) for found in verdict.findings)


def test_words_that_the_bundle_does_not_declare_are_not_repeated() -> None:
    event = transfer("anna", purpose="anna", legal_basis="anna", system="anna", via="anna", country="ANNA")
    document = record(replace(event, data_categories=("name", "anna")))
    assert document["ansvar:undeclared"] == [
        "system",
        "purpose",
        "legal_basis",
        "recipient",
        "via",
        "country",
        "data_categories",
    ]
    assert "anna" not in json.dumps(document).lower()
    assert document["dpv:hasPersonalData"] == [
        {"@id": "this:category.name", "@type": ["dpv:PersonalData", "pd:Name"]}
    ]


def test_an_operation_has_a_term_where_the_bundle_gives_one() -> None:
    terms = {**sample_bundle().terms, "operations": {"store": NAMESPACES["dpv"] + "Store"}}
    assert ("dpv:hasProcessing", "dpv:Store") in told(process(), bundle=changed(terms=terms))


def test_a_verdict_of_another_bundle_is_refused() -> None:
    judged = judged_event(process(), judge(process()), policy=bytes(32), engine=1)
    with pytest.raises(OtherBundle, match="name the bundle that was in force"):
        verdict_node(judged, sample_bundle())


def row(**changes: Any) -> Row:
    base = {
        "chain": 2,
        "seq": 41,
        "stream": bytes(range(16)),
        "offset": 7,
        "index": 0,
        "recorded_at": 1_772_456_401_250,
        "kind": "transfer",
        "stage": "done",
        "event_id": UUID(EVENT_ID),
        "occurred_at": 1_772_456_400_000_001,
        "subject": b"\xab" * 16,
        "system": "crm",
        "purpose": "contract",
        "legal_basis": "contract",
        "role": "controller",
        "data_categories": ("email",),
        "recipient": "mailing-house",
        "verdict": "deny",
        "findings": ("basis.missing",),
        "policy": sample_bundle().sha256,
        "engine": 2,
    }
    return Row(**{**base, **changes})


def test_a_row_is_a_record_with_a_name_and_the_time_of_recording() -> None:
    judged = judged_row(row())
    assert judged is not None
    document = verdict_to_jsonld(judged, sample_bundle(), base=BASE)
    assert document["@id"] == "this:record.000102030405060708090a0b0c0d0e0f.2.41"
    assert document["dct:date"] == "2026-03-02T13:00:00.000001+00:00"
    assert document["dct:created"] == "2026-03-02T13:00:01.250000+00:00"
    assert document["ansvar:finding"] == [
        {"ansvar:rule": "this:rule.basis.missing", "dct:identifier": "basis.missing", "ansvar:clause": "5.1"}
    ]
    graph = graph_of(document)
    assert (None, RDF.type, URIRef(NAMESPACES["dpv"] + "DataTransferRecord")) in graph


def test_the_reference_of_the_subject_is_told_only_when_asked_for() -> None:
    judged = judged_row(row())
    assert judged is not None
    assert "abab" not in json.dumps(verdict_to_jsonld(judged, sample_bundle()))
    asked = verdict_to_jsonld(judged, sample_bundle(), with_subject=True)
    assert asked["dpv:hasDataSubject"] == {
        "@id": f"urn:ansvar:subject:{'ab' * 16}",
        "@type": ["dpv:DataSubject"],
    }
    nobody = judged_row(row(kind="notice", subject=bytes(16)))
    assert nobody is not None
    assert "dpv:hasDataSubject" not in verdict_to_jsonld(nobody, sample_bundle(), with_subject=True)


@pytest.mark.parametrize(
    "changes", [{"kind": "genesis", "verdict": ""}, {"kind": "finding"}, {"verdict": ""}]
)
def test_a_row_without_a_judged_event_is_no_record(changes: dict[str, Any]) -> None:
    assert judged_row(row(**changes)) is None


def people() -> st.SearchStrategy[Identifier]:
    """Identifiers that cannot stand in a document by chance."""
    return st.one_of(
        st.builds(Identifier, st.just("personnummer"), personnummer()),
        st.builds(Identifier, st.just("phone_number"), st.integers(0, 9_999_999).map("+4670{:07}".format)),
        st.builds(Identifier, st.just("email"), st.integers(0, 10**6).map("anna.{}@example.com".format)),
        st.builds(Identifier, st.just("customer_number"), st.integers(0, 10**6).map("Secret-{}".format)),
    )


def planted(event: Event, secret: str) -> Event:
    """The event with a person's identifier wherever a producer may write what it likes."""
    free = (
        "system", "controller", "correlation_id", "details", "compelling_grounds", "purpose", "legal_basis",
        "source_name", "cookie", "recipient", "via", "country", "reference", "safeguard_reference", "scope",
        "method", "reason", "request_id", "contract_id", "version", "nix_checked_at",
    )  # fmt: skip
    there = {name: secret for name in free if name in event.__struct_fields__}
    return replace(event, data_categories=("name", secret), **there)


def sound(document: dict[str, Any], *secrets: str) -> None:
    """It parses, survives N-Triples, uses declared namespaces only, and says none of the secrets."""
    text = json.dumps(document, ensure_ascii=False)
    assert not any(secret in text for secret in secrets)
    graph = graph_of(document)
    assert isomorphic(Graph().parse(data=graph.serialize(format="nt"), format="nt"), graph)
    declared = (*NAMESPACES.values(), BASE, "urn:ansvar:subject:")
    assert all(str(t).startswith(declared) for triple in graph for t in triple if isinstance(t, URIRef))
    assert len(list(graph.triples((None, URIRef(NAMESPACES["dpv"] + "hasLawfulness"), None)))) == 1


@settings(max_examples=60, deadline=None)
@given(events(identifiers=people()), people(), st.booleans())
def test_every_verdict_parses_and_names_no_person(event: Event, other: Identifier, plant: bool) -> None:
    event = planted(event, other.value) if plant else event
    verdict = decide(event, SubjectState(), sample_bundle(), recorded_at=event.occurred_at)
    judged = judged_event(event, verdict, policy=sample_bundle().sha256, engine=1)
    named = [who.value for who in (event.subject, event.actor, *event.aliases) if isinstance(who, Identifier)]
    sound(verdict_to_jsonld(judged, sample_bundle(), base=BASE, with_subject=True), other.value, *named)


SECRET = "Secret-4711"
KINDS = ("processing", "transfer", "disclosure", "rights", "contract", "notice")
TEXTS = {name for name, kind in Row.__annotations__.items() if kind == "str"} - {"kind", "verdict"}


def timestamps(unit: int) -> st.SearchStrategy[int]:
    return st.integers(
        int(datetime(1900, 1, 1, tzinfo=UTC).timestamp()) * unit,
        int(datetime(2299, 12, 31, tzinfo=UTC).timestamp()) * unit,
    )


@settings(max_examples=40, deadline=None)
@given(
    any_row(
        **{name: st.just(SECRET) for name in TEXTS},
        kind=st.sampled_from(KINDS),
        verdict=st.sampled_from(("permit", "flag", "deny")),
        occurred_at=timestamps(10**6),
        recorded_at=timestamps(10**3),
        data_categories=st.just(("name", SECRET)),
        findings=st.just(("basis.missing", SECRET)),
        policy=st.just(sample_bundle().sha256),
    ),
    st.booleans(),
)
def test_whatever_a_row_holds_no_word_of_it_gets_out(stored: Row, with_subject: bool) -> None:
    judged = judged_row(stored)
    assert judged is not None
    document = verdict_to_jsonld(judged, sample_bundle(), base=BASE, with_subject=with_subject)
    sound(document, SECRET)
    named = f"urn:ansvar:subject:{stored.subject.hex()}" in json.dumps(document)
    assert named == (with_subject and any(stored.subject))


def test_texts_and_the_person_of_an_event_are_not_told() -> None:
    actor = {"type": "email", "value": "a@example.com"}
    text = json.dumps(record(process(details="Anna called", compelling_grounds="so the court", actor=actor)))
    assert not any(word in text for word in ("Anna", "court", "a@example", PERSON["value"]))
