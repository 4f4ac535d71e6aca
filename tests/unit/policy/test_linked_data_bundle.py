"""A bundle as JSON-LD: read back by an RDF library, everything of the bundle is there, in DPV's terms."""

from __future__ import annotations

import json
from functools import cache
from itertools import chain
from typing import Any

import pytest
from msgspec.structs import replace
from rdflib import RDF, Graph, Literal, URIRef
from rdflib.compare import isomorphic
from rdflib.namespace import DCTERMS, SKOS

from ansvar.policy.bundle import Bundle, Period, System
from ansvar.policy.clocks import CLOCKS, Clock
from ansvar.policy.linked_data import WrongBase, bundle_to_jsonld
from ansvar.policy.linked_data.terms import NAMESPACES, OWN
from ansvar.policy.rule import Rule
from ansvar.policy.rules import ALL_RULES
from ansvar.sample import sample_bundle
from judging import changed, days

# rdflib's JSON-LD reader uses its own deprecated class.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")

BASE = "https://example.org/policy#"
DPV, GDPR, LOC, OURS = (NAMESPACES[prefix] for prefix in ("dpv", "eu-gdpr", "loc", "ansvar"))


def graph_of(document: dict[str, Any]) -> Graph:
    return Graph().parse(data=json.dumps(document), format="json-ld")


@cache
def sample_graph() -> Graph:
    return graph_of(bundle_to_jsonld(sample_bundle(), base=BASE))


def ask(question: str, graph: Graph | None = None, **bound: Any) -> list[tuple[str, ...]]:
    prefixes = "".join(f"PREFIX {name}: <{iri}>\n" for name, iri in {**NAMESPACES, "this": BASE}.items())
    rows = (graph or sample_graph()).query(prefixes + question, initBindings=bound)
    return sorted(tuple(str(value) for value in row) for row in rows)


@pytest.mark.parametrize(
    ("property_", "class_", "kind", "table"),
    [
        ("dpv:hasPurpose", "dpv:Purpose", "purpose", lambda b: b.purposes),
        ("dpv:hasPersonalData", "dpv:PersonalData", "category", lambda b: b.categories),
        (
            "dpv:hasLegalBasis",
            "dpv:LegalBasis",
            "basis",
            lambda b: {name: basis for name, basis in b.bases.items() if basis.clause},
        ),
    ],
)
def test_every_word_of_the_policy_is_there_with_its_term(
    property_: str, class_: str, kind: str, table: Any
) -> None:
    found = ask(
        f"""SELECT ?id ?word ?term ?clause ?en ?sv WHERE {{
            this:policy {property_} ?word .
            ?word a {class_}, ?term ; dct:identifier ?id ; ansvar:clause ?clause ;
                skos:prefLabel ?en, ?sv .
            FILTER (?term != {class_} && LANG(?en) = "en" && LANG(?sv) = "sv")
        }}"""
    )
    words = table(sample_bundle())
    assert len(words) >= 3
    assert found == sorted(
        (name, f"{BASE}{kind}.{name}", word.iri, word.clause, word.label["en"], word.label["sv"])
        for name, word in words.items()
    )


def test_the_six_bases_of_the_law_are_defined_and_only_the_policys_are_used() -> None:
    found = ask("SELECT ?article WHERE { ?basis a dpv:LegalBasis ; ansvar:article ?article }")
    assert found == [(f"6(1)({letter})",) for letter in "abcdef"]


def test_purposes_say_what_else_their_data_may_serve() -> None:
    found = ask(
        """SELECT ?from ?to WHERE {
            ?one ansvar:mayAlsoServe ?other . ?one dct:identifier ?from . ?other dct:identifier ?to }"""
    )
    assert found == sorted(
        (purpose, other)
        for purpose, others in sample_bundle().compatible.items()
        for other in others
        if other != purpose
    )


def test_the_table_of_bases_and_purposes_is_processes() -> None:
    found = ask(
        """SELECT ?basis ?purpose WHERE {
            this:policy dpv:hasProcess ?process .
            ?process a dpv:Process ; dpv:hasDataController this:company ;
                dpv:hasLegalBasis/dct:identifier ?basis ; dpv:hasPurpose/dct:identifier ?purpose }"""
    )
    bases = sample_bundle().bases.values()
    assert found == sorted((basis.id, purpose) for basis in bases for purpose in basis.purposes)


def test_an_interest_has_its_balancing_test() -> None:
    found = ask(
        """SELECT ?purpose ?reference ?from WHERE {
            ?process dpv:hasLegalBasis this:basis.legitimate_interest ; dpv:hasAssessment ?test ;
                dpv:hasPurpose ?word .
            ?word dct:identifier ?purpose .
            ?test a dpv:LegitimateInterestAssessment ; dpv:hasPurpose ?word ; dct:identifier ?reference ;
                ansvar:validFrom ?from }"""
    )
    assert found == [
        ("customer_service", "LIA-B", "2024-01-01"),
        ("evaluation", "LIA-E", "2024-01-01"),
        ("marketing", "LIA-A", "2024-01-01"),
        ("recruitment", "LIA-C", "2024-01-01"),
        ("security", "LIA-D", "2024-01-01"),
    ]
    assert ask("SELECT ?test WHERE { this:process.contract.contract dpv:hasAssessment ?test }") == []


def test_company_officer_and_authority_are_who_a_person_turns_to() -> None:
    company = sample_bundle().company
    assert company is not None
    found = ask(
        """SELECT ?name ?number ?contact ?authority ?site WHERE {
            this:policy dpv:hasDataController ?company .
            ?company a dpv:DataController ; dpv:hasName ?name ; dpv:hasIdentifier ?number ;
                dpv:hasDataProtectionOfficer ?officer ; dpv:hasAuthority ?supervisor .
            ?officer a dpv:DataProtectionOfficer ; dpv:hasContact ?contact .
            ?supervisor a dpv:DataProtectionAuthority ; dpv:hasName ?authority ; ansvar:website ?site }"""
    )
    assert found == [
        (company.name, company.registration, company.contact, company.authority, company.authority_website)
    ]


ROLES = {"processor": "DataProcessor", "controller": "ThirdParty", "authority": "Authority"}


def test_every_recipient_has_role_country_and_type() -> None:
    found = ask(
        """SELECT ?id ?recipient ?name ?role ?country ?type WHERE {
            this:policy dpv:hasRecipient ?recipient .
            ?recipient a dpv:Recipient, ?role ; dct:identifier ?id ; dpv:hasName ?name ;
                dpv:hasCountry ?country ; ansvar:recipientType ?type .
            FILTER (?role != dpv:Recipient) }"""
    )
    assert found == sorted(
        (
            r.id,
            f"{BASE}recipient.{r.id}",
            r.name,
            DPV + ROLES["authority" if r.type == "authority" else r.role],
            LOC + r.established,
            r.type,
        )
        for r in sample_bundle().recipients.values()
    )


def test_recipients_name_storage_and_sub_processors() -> None:
    found = ask(
        """SELECT ?id ?country WHERE {
            ?recipient dct:identifier ?id ; dpv:hasStorageCondition ?place .
            ?place a dpv:StorageLocation ; dpv:hasCountry ?country }"""
    )
    recipients = sample_bundle().recipients.values()
    assert found == sorted((r.id, LOC + code) for r in recipients for code in r.storage)
    below = ask(
        """SELECT ?id ?name ?country WHERE {
            ?recipient dct:identifier ?id ; dpv:hasDataProcessor ?sub .
            ?sub a dpv:DataSubProcessor ; dpv:hasName ?name ; dpv:hasCountry ?country }"""
    )
    assert below == [("sms-gateway", "SMS routing", LOC + "GB")]


def test_agreements_and_reviews_have_their_days() -> None:
    question = """SELECT ?id ?from ?to WHERE {
        ?recipient dct:identifier ?id ; %s ?part . ?part a %s ; ansvar:validFrom ?from .
        OPTIONAL { ?part ansvar:validTo ?to } }"""
    agreements = ask(question % ("dpv:hasLegalMeasure", "dpv:ControllerProcessorAgreement"))
    reviews = ask(question % ("dpv:hasAssessment", "dpv:Assessment"))
    assert ("lapsed-printer", "2022-01-01", "None") in agreements
    assert ("lapsed-printer", "2022-01-01", "2025-12-31") in reviews  # reviewed to and including the 30th
    assert len(agreements) == sum(len(r.agreements) for r in sample_bundle().recipients.values())
    assert len(reviews) == sum(len(r.guarantees) for r in sample_bundle().recipients.values())


def test_instruments_are_the_tools_of_the_law_with_validity_and_assessment() -> None:
    found = ask(
        """SELECT ?id ?reference ?tool ?from ?tia ?set WHERE {
            ?recipient dct:identifier ?id ; dpv:hasLegalBasis ?instrument .
            ?instrument a eu-gdpr:DataTransferTool, ?tool ; dct:identifier ?reference ;
                ansvar:validFrom ?from .
            FILTER (?tool != eu-gdpr:DataTransferTool)
            OPTIONAL { ?instrument dpv:hasAssessment ?assessment .
                ?assessment a dpv:DataTransferImpactAssessment ; dct:identifier ?tia }
            OPTIONAL { ?instrument dct:references/dct:identifier ?set } }"""
    )
    assert found == [
        ("app-hosting-us", "SCC-2023-04", GDPR + "A46-2-c", "2023-04-01", "TIA-2023-04", "2021/914"),
        ("monitoring-group-ch", "BCR-CH-1", GDPR + "A46-2-b", "2024-01-15", "TIA-CH-1", "None"),
        ("support-desk-in", "SCC-2024-02", GDPR + "A46-2-c", "2024-02-01", "None", "2021/914"),
    ]


def test_a_place_in_an_adequacy_decision_is_a_basis_that_refers_to_it() -> None:
    found = ask(
        """SELECT ?id ?decision ?from WHERE {
            ?recipient dct:identifier ?id ; dpv:hasLegalBasis ?place .
            ?place a eu-gdpr:A45-3 ; ansvar:validFrom ?from ; dct:references ?one .
            ?one a eu-gdpr:AdequacyDecision ; dct:identifier ?decision }"""
    )
    assert found == [
        ("app-hosting-us", "US-DPF", "2023-09-01"),
        ("google-maps", "US-DPF", "2023-09-01"),
        ("hr-platform-ca", "CA-PIPEDA", "2024-03-01"),
    ]


def test_adequacy_decisions_have_country_scope_and_days() -> None:
    found = ask(
        """SELECT ?id ?place ?scope ?word ?from ?to WHERE {
            ?decision a eu-gdpr:AdequacyDecision ; dct:identifier ?id ; ansvar:scope ?scope ;
                ansvar:claimedAs ?word ; ansvar:validFrom ?from .
            OPTIONAL { ?decision dpv:hasCountry ?country } OPTIONAL { ?decision ansvar:organisation ?body }
            OPTIONAL { ?decision ansvar:validTo ?to } BIND (COALESCE(?country, ?body) AS ?place) }"""
    )
    bundle = sample_bundle()
    decisions = list(chain(*bundle.decisions.values(), *bundle.organisations.values()))
    assert [row[0] for row in found] == sorted(decision.id for decision in decisions)
    by_id = {row[0]: row[1:] for row in found}
    shield = next(d.id for d in decisions if d.word == "privacy_shield")
    assert by_id[shield][0] == LOC + "US"
    assert by_id[shield][2:] == ("privacy_shield", "2016-07-12", "2020-07-16")
    assert by_id["EPO-2025"][0] == "EPO"
    assert ask("SELECT ?case WHERE { ?d dct:identifier 'US-DPF' ; ansvar:underAppeal ?case }")


def test_sets_of_clauses_say_when_they_were_repealed() -> None:
    found = ask(
        """SELECT ?id ?repealed ?to WHERE {
            ?set a eu-gdpr:SCCByCommission, eu-gdpr:A46-2-c ; dct:identifier ?id .
            OPTIONAL { ?set ansvar:repealed ?repealed ; ansvar:validTo ?to } }"""
    )
    old = [(name, "2021-09-27", "2022-12-27") for name in ("2001/497", "2004/915", "2010/87")]
    assert found == [*old, ("2021/914", "None", "None")]


def test_systems_have_country_and_whether_they_decide() -> None:
    question = """SELECT ?id ?country ?automated WHERE {
        this:policy dpv:isImplementedUsingTechnology ?system .
        ?system a dpv:Technology ; dct:identifier ?id ; dct:hasVersion ?version .
        ?version dct:isVersionOf ?system ; dpv:hasCountry ?country .
        OPTIONAL { ?version dpv:hasContext ?automated } }"""
    found = {row[0]: row[1:] for row in ask(question)}
    assert found.keys() == sample_bundle().systems.keys()
    assert found["legacy_backup"] == (LOC + "US", "None")
    assert found["pricing_engine"] == (LOC + "SE", DPV + "AutomatedDecisionMaking")


def test_a_system_that_moved_has_a_version_for_each_place() -> None:
    moved = (
        System("crm", "SE", False, {"en": "Register", "sv": "Register"}, days(None, "2025-03-01")),
        System("crm", "DE", True, {"en": "Register", "sv": "Register"}, days("2025-03-01")),
    )
    graph = graph_of(bundle_to_jsonld(changed(systems={"crm": moved}), base=BASE))
    question = """SELECT ?country ?from ?to WHERE {
        this:system.crm dct:hasVersion ?version . ?version dpv:hasCountry ?country .
        OPTIONAL { ?version ansvar:validFrom ?from } OPTIONAL { ?version ansvar:validTo ?to } }"""
    assert ask(question, graph) == [
        (LOC + "DE", "2025-03-01", "None"),
        (LOC + "SE", "None", "2025-03-01"),
    ]


def test_every_rule_and_clock_has_clause_article_severity_and_both_titles() -> None:
    found = ask(
        """SELECT ?id ?clause ?article ?severity ?en ?sv WHERE {
            this:policy dpv:hasRule ?rule .
            ?rule a dpv:Rule ; dct:identifier ?id ; ansvar:clause ?clause ; ansvar:article ?article ;
                ansvar:severity ?severity ; skos:prefLabel ?en, ?sv .
            FILTER (LANG(?en) = "en" && LANG(?sv) = "sv") }"""
    )
    rules: tuple[Rule | Clock, ...] = (*ALL_RULES, *CLOCKS)
    assert found == sorted((r.id, r.clause, r.article, r.severity, r.title_en, r.title_sv) for r in rules)


def test_a_rule_that_the_company_switched_says_so_and_why() -> None:
    switched = changed(severities={"purpose.missing": "off"}, switch_reasons={"purpose.missing": "A trial."})
    question = (
        "SELECT ?s ?why WHERE { this:rule.purpose.missing ansvar:severity ?s ; ansvar:switchReason ?why }"
    )
    assert ask(question, graph_of(bundle_to_jsonld(switched, base=BASE))) == [("off", "A trial.")]
    assert ask(question) == []


def test_the_policy_names_bundle_version_and_hash() -> None:
    bundle = sample_bundle()
    question = """SELECT ?name ?version ?hash WHERE {
        ?policy a dpv:Policy ; dct:identifier ?name ; dcat:version ?version ; ansvar:sha256 ?hash }"""
    assert ask(question) == [(bundle.name, bundle.version, bundle.sha256.hex())]


def iris(graph: Graph) -> set[str]:
    named = {str(term) for triple in graph for term in triple if isinstance(term, URIRef)}
    return named | {str(t.datatype) for _, _, t in graph if isinstance(t, Literal) and t.datatype}


def test_every_iri_lies_in_a_declared_namespace() -> None:
    bundle = sample_bundle()
    document = bundle_to_jsonld(bundle)
    declared = (*NAMESPACES.values(), document["@context"]["this"]["@id"])
    used = iris(graph_of(document))
    assert [iri for iri in used if not iri.startswith(declared)] == []
    assert all(any(iri.startswith(NAMESPACES[name]) for iri in used) for name in NAMESPACES)


def test_every_resource_of_ours_that_is_named_is_described() -> None:
    graph = sample_graph()
    named = {term for term in iris(graph) if term.startswith((BASE, OURS))}
    assert {term for term in named if (URIRef(term), RDF.type, None) not in graph} == set()


def test_every_term_of_ours_is_defined_with_both_labels() -> None:
    graph = sample_graph()
    for name in OWN:
        labels = {label.language for label in graph.objects(URIRef(OURS + name), SKOS.prefLabel)}
        assert labels == {"en", "sv"}


def test_there_and_back_through_n_triples() -> None:
    graph = sample_graph()
    assert isomorphic(Graph().parse(data=graph.serialize(format="nt"), format="nt"), graph)
    assert len(graph) > 1_000


def test_nothing_is_anonymous_and_no_name_is_given_twice() -> None:
    nodes = bundle_to_jsonld(sample_bundle())["@graph"]
    names = [node["@id"] for node in nodes]
    assert len(names) == len(set(names))
    assert all(node["@type"] for node in nodes)


def test_the_same_bundle_gives_the_same_document() -> None:
    first, second = (json.dumps(bundle_to_jsonld(sample_bundle())) for _ in range(2))
    assert first == second


def test_own_resources_are_named_by_the_bundles_hash_unless_told_otherwise() -> None:
    bundle = sample_bundle()
    policy = URIRef(f"urn:ansvar:bundle:{bundle.sha256.hex()}#policy")
    assert (policy, DCTERMS.identifier, Literal(bundle.name)) in graph_of(bundle_to_jsonld(bundle))


@pytest.mark.parametrize(
    "base",
    [
        "",
        "policy#",
        "https://example.org/policy",
        "https://example.org/a b#",
        'https://e"x/',
        "https://é<>#",
        "#",
    ],
)
def test_a_base_that_names_cannot_follow_is_refused(base: str) -> None:
    with pytest.raises(WrongBase, match="ends in # or /"):
        bundle_to_jsonld(sample_bundle(), base=base)


def bare(bundle: Bundle) -> Bundle:
    """A bundle as a test builds it by hand: without what only exports need."""
    return replace(bundle, company=None, terms={}, organisations={}, switch_reasons={})


def test_a_bundle_without_company_and_terms_is_exported_with_what_it_has() -> None:
    graph = graph_of(bundle_to_jsonld(bare(sample_bundle()), base=BASE))
    assert len(ask("SELECT ?r WHERE { this:policy dpv:hasRecipient ?r }", graph)) == 16
    assert ask("SELECT ?c WHERE { ?c a dpv:DataController }", graph) == []
    assert isomorphic(Graph().parse(data=graph.serialize(format="nt"), format="nt"), graph)


def test_a_term_outside_the_usual_vocabularies_stays_as_it_is() -> None:
    purpose = replace(sample_bundle().purposes["marketing"], iri="https://example.org/terms/Selling")
    graph = graph_of(bundle_to_jsonld(changed(purposes={"marketing": purpose}), base=BASE))
    assert ("https://example.org/terms/Selling",) in ask(
        "SELECT ?t WHERE { this:purpose.marketing a ?t }", graph
    )


def test_a_reference_with_signs_that_an_iri_lacks_is_escaped() -> None:
    test = replace(sample_bundle().balancing_tests["marketing"][0], purpose="å b", period=Period())
    graph = graph_of(bundle_to_jsonld(changed(balancing_tests={"å b": (test,)}), base=BASE))
    assert (URIRef(f"{BASE}balancing-test.%C3%A5%20b.1"), DCTERMS.identifier, Literal("LIA-A")) in graph
