"""The checked files of a bundle as look-up tables.

Invariants: total for files that `check` found nothing wrong with; every date becomes the start of its
Stockholm day in UTC, every term a full IRI; nothing is decided here that the files do not say, except that a
purpose is compatible with itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TypeVar

import msgspec

from ansvar.policy.bundle import (
    PROFILES,
    AdequacyDecision,
    BalancingTest,
    Basis,
    Bundle,
    Category,
    Company,
    Instrument,
    Period,
    Purpose,
    Recipient,
    SccSet,
    ScopeEvidence,
    Settings,
    SubProcessor,
    System,
)
from ansvar.policy.calendar import day_start
from ansvar.policy.shapes import BundleFile, DecisionPart, Files, Label, PlacesFile, RecipientPart, Validity

_T = TypeVar("_T")


def compile_bundle(files: Files, sha256: bytes) -> Bundle:
    """The tables of a bundle. `sha256` is the hash of its canonical form."""
    prefixes = files.vocabulary.prefixes
    places = files.places
    return Bundle(
        sha256=sha256,
        name=files.bundle.name,
        version=files.bundle.version,
        purposes={
            p.id: Purpose(p.id, p.clause, _iri(p.iri, prefixes), _label(p.label))
            for p in files.purposes.purposes
        },
        categories={
            c.id: Category(c.id, c.clause, _iri(c.iri, prefixes), c.profiling_only, _label(c.label))
            for c in files.categories.categories
        },
        bases=_bases(files),
        compatible={p.id: frozenset({p.id, *p.may_also_serve}) for p in files.purposes.purposes},
        balancing_tests=_group(
            (t.purpose, BalancingTest(t.reference, t.purpose, _period(t)))
            for t in files.balancing_tests.balancing_tests
        ),
        systems=_group(
            (s.id, System(s.id, s.country, s.automated, _label(s.label), _period(s)))
            for s in files.systems.systems
        ),
        recipients={r.id: _recipient(r) for r in files.recipients.recipients},
        decisions=_group((d.country, _decision(d)) for d in files.adequacy.decisions if d.country),
        scc_sets={
            s.id: SccSet(s.id, s.citation, _period(s), s.source, _start(s.repealed))
            for s in files.scc_sets.scc_sets
        },
        inside=_inside(places),
        countries=frozenset(places.iso_3166_1.codes),
        disputed=frozenset(places.territories_disputed.codes),
        suggestions=dict(places.suggestions),
        secure_methods=_group((m.id, _period(m)) for m in files.methods.secure_methods),
        cookies=frozenset(c.id for c in files.cookies.cookies),
        settings=_settings(files.bundle),
        severities={rule: switch.severity for rule, switch in files.bundle.switches.items()},
        profile=files.bundle.profile,
        switch_reasons={rule: switch.reason for rule, switch in files.bundle.switches.items()},
        company=_company(files.bundle),
        corporate_contact=frozenset(files.bundle.corporate_contact),
        organisations=_group(
            (d.organisation, _decision(d)) for d in files.adequacy.decisions if d.organisation
        ),
        labels={
            "methods": {m.id: _label(m.label) for m in files.methods.secure_methods},
            "cookies": {c.id: _label(c.label) for c in files.cookies.cookies},
        },
        terms={
            group: {word: _iri(term, prefixes) for word, term in words.items()}
            for group, words in files.vocabulary.terms.items()
        },
    )


def _bases(files: Files) -> dict[str, Basis]:
    """All six bases of Art. 6(1); those that the policy does not name serve no purpose and have no clause."""
    used = {b.id: b for b in files.bases.bases}
    return {
        law.id: Basis(
            law.id,
            law.article,
            _iri(law.iri, files.vocabulary.prefixes),
            used[law.id].clause if law.id in used else None,
            frozenset(used[law.id].purposes if law.id in used else ()),
            _label(law.label),
        )
        for law in files.vocabulary.legal_bases
    }


def _recipient(part: RecipientPart) -> Recipient:
    return Recipient(
        id=part.id,
        name=part.name,
        type=part.type,
        role=part.role,
        established=part.established,
        storage=part.storage,
        subprocessors=tuple(SubProcessor(s.name, s.country) for s in part.subprocessors),
        agreements=tuple(_period(a) for a in part.agreements),
        guarantees=tuple(_period(g) for g in part.guarantees),
        instruments=tuple(
            Instrument(i.tool, i.reference, i.set, _period(i), i.assessment) for i in part.instruments
        ),
        scope=tuple(ScopeEvidence(s.decision, _period(s)) for s in part.scope),
    )


def _decision(part: DecisionPart) -> AdequacyDecision:
    return AdequacyDecision(
        part.id,
        part.country or part.organisation or "",
        part.citation,
        _period(part),
        part.scope,
        part.claimed_as,
        part.source,
        part.under_appeal,
    )


def _inside(places: PlacesFile) -> dict[str, tuple[Period, ...]]:
    """Current members and their territories count as always inside; former members while they did."""
    always = (*places.eu.codes, *places.eea_efta.codes, *places.territories_inside.codes)
    return {
        **{code: (Period(),) for code in always},
        **_group((m.country, _period(m)) for m in places.inside_for_a_time),
    }


def _settings(part: BundleFile) -> Settings:
    """The profile's settings with what the file says itself."""
    chosen = {
        name: value for name, value in msgspec.structs.asdict(part.settings).items() if value is not None
    }
    return msgspec.structs.replace(PROFILES[part.profile], **chosen)


def _company(part: BundleFile) -> Company:
    return Company(
        part.company.name,
        part.company.registration,
        part.company.website,
        part.data_protection_officer,
        part.authority.name,
        part.authority.website,
    )


def _start(day: date | None) -> datetime | None:
    return None if day is None else day_start(day)


def _period(part: Validity) -> Period:
    return Period(_start(part.valid_from), _start(part.valid_to))


def _label(label: Label) -> dict[str, str]:
    return {"en": label.en, "sv": label.sv}


def _iri(term: str, prefixes: Mapping[str, str]) -> str:
    prefix, _, name = term.partition(":")
    return prefixes[prefix] + name if prefix in prefixes else term


def _group(pairs: Iterable[tuple[str, _T]]) -> dict[str, tuple[_T, ...]]:
    groups: dict[str, list[_T]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in groups.items()}
