"""A policy bundle as JSON-LD: the company, its vocabulary and registers, the dated law, the rules.

Invariants: a pure function of the bundle and the base, with the same order every time; every resource has an
IRI (no blank nodes), so two exports can be compared and merged; each purpose, basis and category is an
instance of the DPV term that the bundle names for it; dates are Stockholm calendar dates, half-open.

How it hangs together: `policy` points to all purposes, bases, categories, recipients, systems and rules.
Every (basis, purpose) of the policy's table is a dpv:Process with that purpose and that basis, which for a
legitimate interest has its balancing tests as assessments.

Not handled here: settings, cookies, methods of identification and the standing of countries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from ansvar.policy.bundle import AdequacyDecision, Bundle, SccSet, System
from ansvar.policy.calendar import stockholm_date
from ansvar.policy.clocks import CLOCKS, Clock
from ansvar.policy.linked_data.recipients import recipient_nodes
from ansvar.policy.linked_data.terms import (
    Node,
    base_of,
    compact,
    context,
    country,
    dated,
    node,
    numbered,
    own_terms,
    term,
    this,
)
from ansvar.policy.rule import Rule
from ansvar.policy.rules import ALL_RULES

_RULES: tuple[Rule | Clock, ...] = (*ALL_RULES, *CLOCKS)


def bundle_to_jsonld(bundle: Bundle, *, base: str | None = None) -> Node:
    """The bundle as a JSON-LD document: `@context` and a flat `@graph`.

    `base` begins the IRIs of the bundle's own resources; by default it is made of the bundle's hash. Raises
    `WrongBase`.
    """
    return {
        "@context": context(base_of(bundle, base)),
        "@graph": [
            _policy(bundle),
            *_company(bundle),
            *_vocabulary(bundle),
            *_processes(bundle),
            *_balancing_tests(bundle),
            *(part for system in bundle.systems.values() for part in _system(system)),
            *(
                part
                for recipient in bundle.recipients.values()
                for part in recipient_nodes(bundle, recipient)
            ),
            *(_decision(bundle, decision) for decision in _decisions(bundle)),
            *(_scc_set(bundle, clauses) for clauses in bundle.scc_sets.values()),
            *(_rule(bundle, rule) for rule in _RULES),
            *own_terms(),
        ],
    }


def _policy(bundle: Bundle) -> Node:
    return node(
        this("policy"),
        ("dpv:Policy",),
        dct__identifier=bundle.name,
        dcat__version=bundle.version,
        ansvar__sha256=bundle.sha256.hex(),
        dpv__hasDataController=None if bundle.company is None else this("company"),
        dpv__hasPurpose=_all("purpose", bundle.purposes),
        dpv__hasLegalBasis=_all("basis", (basis.id for basis in bundle.bases.values() if basis.clause)),
        dpv__hasPersonalData=_all("category", bundle.categories),
        dpv__hasProcess=[this("process", basis, purpose) for basis, purpose in _pairs(bundle)],
        dpv__isImplementedUsingTechnology=_all("system", bundle.systems),
        dpv__hasRecipient=_all("recipient", bundle.recipients),
        dpv__hasRule=_all("rule", (rule.id for rule in _RULES)),
    )


def _company(bundle: Bundle) -> Iterator[Node]:
    """The controller, whom a person turns to, and who supervises (clauses 1.1, 10.1 and 10.2)."""
    company = bundle.company
    if company is None:
        return
    yield node(
        this("company"),
        ("dpv:DataController", "dpv:Organisation"),
        dpv__hasName=company.name,
        dpv__hasIdentifier=company.registration,
        ansvar__website=company.website,
        dpv__hasDataProtectionOfficer=this("data-protection-officer"),
        dpv__hasAuthority=this("authority"),
    )
    yield node(
        this("data-protection-officer"), ("dpv:DataProtectionOfficer",), dpv__hasContact=company.contact
    )
    yield node(
        this("authority"),
        ("dpv:DataProtectionAuthority", term(bundle, "recipients", "authority")),
        dpv__hasName=company.authority,
        ansvar__website=company.authority_website,
    )


def _vocabulary(bundle: Bundle) -> Iterator[Node]:
    """Purposes, legal bases and categories (clauses 2.4, 3.1, 3.2 and 5)."""
    for purpose in bundle.purposes.values():
        others = sorted(bundle.compatible.get(purpose.id, frozenset()) - {purpose.id})
        yield node(
            this("purpose", purpose.id),
            ("dpv:Purpose", compact(purpose.iri)),
            dct__identifier=purpose.id,
            skos__prefLabel=dict(purpose.label),
            ansvar__clause=purpose.clause,
            ansvar__mayAlsoServe=_all("purpose", others),
        )
    for basis in bundle.bases.values():
        yield node(
            this("basis", basis.id),
            ("dpv:LegalBasis", compact(basis.iri)),
            dct__identifier=basis.id,
            skos__prefLabel=dict(basis.label),
            ansvar__article=basis.article,
            ansvar__clause=basis.clause,
        )
    for category in bundle.categories.values():
        yield node(
            this("category", category.id),
            ("dpv:PersonalData", compact(category.iri)),
            dct__identifier=category.id,
            skos__prefLabel=dict(category.label),
            ansvar__clause=category.clause,
            ansvar__profilingOnly=category.profiling_only,
        )


def _processes(bundle: Bundle) -> Iterator[Node]:
    """The table of bases and purposes (clauses 5.2 to 5.4)."""
    for basis, purpose in _pairs(bundle):
        tests = bundle.balancing_tests.get(purpose, ()) if basis == "legitimate_interest" else ()
        yield node(
            this("process", basis, purpose),
            ("dpv:Process",),
            dpv__hasDataController=None if bundle.company is None else this("company"),
            dpv__hasPurpose=this("purpose", purpose),
            dpv__hasLegalBasis=this("basis", basis),
            dpv__hasAssessment=numbered(tests, "balancing-test", purpose),
        )


def _balancing_tests(bundle: Bundle) -> Iterator[Node]:
    """The recorded balancings of interests (clause 5.4)."""
    for purpose, tests in bundle.balancing_tests.items():
        for name, test in zip(numbered(tests, "balancing-test", purpose), tests, strict=True):
            yield node(
                name,
                ("dpv:LegitimateInterestAssessment",),
                dct__identifier=test.reference,
                dpv__hasPurpose=this("purpose", purpose),
                **dated(test.period),
            )


def _system(entries: Sequence[System]) -> Iterator[Node]:
    """A system, and where and how it ran at each time (clause 6.3)."""
    name = entries[0].id
    versions = numbered(entries, "system", name)
    yield node(
        this("system", name),
        ("dpv:Technology",),
        dct__identifier=name,
        skos__prefLabel=dict(entries[-1].label),
        dct__hasVersion=versions,
    )
    for version, entry in zip(versions, entries, strict=True):
        yield node(
            version,
            ("dpv:Technology",),
            dct__isVersionOf=this("system", name),
            dpv__hasCountry=country(entry.country),
            dpv__hasContext="dpv:AutomatedDecisionMaking" if entry.automated else None,
            **dated(entry.period),
        )


def _decisions(bundle: Bundle) -> Iterator[AdequacyDecision]:
    for table in (bundle.decisions, bundle.organisations):
        for decisions in table.values():
            yield from decisions


def _decision(bundle: Bundle, decision: AdequacyDecision) -> Node:
    """A decision of the Commission, which for an organisation names no country."""
    placed = decision.country in bundle.countries
    return node(
        this("adequacy-decision", decision.id),
        ("eu-gdpr:AdequacyDecision", term(bundle, "safeguards", "adequacy")),
        dct__identifier=decision.id,
        dct__bibliographicCitation=decision.citation,
        dct__source=decision.source or None,
        dpv__hasCountry=country(decision.country) if placed else None,
        ansvar__organisation=None if placed else decision.country,
        ansvar__scope=decision.scope,
        ansvar__claimedAs=decision.word,
        ansvar__underAppeal=decision.under_appeal,
        **dated(decision.period),
    )


def _scc_set(bundle: Bundle, clauses: SccSet) -> Node:
    return node(
        this("scc-set", clauses.id),
        ("eu-gdpr:SCCByCommission", term(bundle, "safeguards", "scc")),
        dct__identifier=clauses.id,
        dct__bibliographicCitation=clauses.citation,
        dct__source=clauses.source or None,
        ansvar__repealed=_day(clauses.repealed),
        **dated(clauses.period),
    )


def _rule(bundle: Bundle, rule: Rule | Clock) -> Node:
    """A rule or clock as this bundle has it: with the severity that the company switched it to, and why."""
    reason = bundle.switch_reasons.get(rule.id)
    return node(
        this("rule", rule.id),
        ("dpv:Rule",),
        dct__identifier=rule.id,
        skos__prefLabel={"en": rule.title_en, "sv": rule.title_sv},
        skos__definition={"en": rule.meaning} if rule.meaning else None,
        ansvar__clause=rule.clause,
        ansvar__article=rule.article,
        ansvar__severity=bundle.severities.get(rule.id, rule.severity),
        ansvar__switchReason=reason,
    )


def _pairs(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Every (basis, purpose) of the policy's table, in the bundle's order."""
    for basis in bundle.bases.values():
        for purpose in bundle.purposes:
            if purpose in basis.purposes:
                yield basis.id, purpose


def _all(kind: str, names: Iterable[str] | Mapping[str, object]) -> list[str]:
    return [this(kind, name) for name in names]


def _day(at: datetime | None) -> str | None:
    return None if at is None else stockholm_date(at).isoformat()
