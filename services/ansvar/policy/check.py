"""What the shapes of a bundle's files cannot say: references resolve, nothing is doubled, dates make sense.

Invariants: every check reports all that it finds and raises nothing; a problem stands at the line of the word
that is wrong, not at the word it should have named.

Not handled here: the shapes (`shapes`), whether the policy is a good one (`ansvar policy lint`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansvar.policy.bundle import FULL_SCOPE
from ansvar.policy.check_words import Dated, Place, country_code, known_word, validities
from ansvar.policy.clocks import CLOCK
from ansvar.policy.document import Path, Reader
from ansvar.policy.rules import ALL_RULES
from ansvar.policy.shapes import DecisionPart, Files, InstrumentPart, RecipientPart, SccSetPart, Term

Readers = Mapping[str, Reader]


def check(files: Files, readers: Readers) -> None:
    """Report every problem between and inside the files to the reader of the file that has it."""
    _ids(files, readers)
    _company(files, readers)
    _purposes(files, readers)
    _places(files, readers["places"])
    _adequacy(files, readers["adequacy"])
    _scc_sets(files, readers["scc_sets"])
    for i, recipient in enumerate(files.recipients.recipients):
        _recipient(files, readers["recipients"], ("recipients", i), recipient)
    _terms(files, readers)


def _ids(files: Files, readers: Readers) -> None:
    """No id is given twice in one list, but systems and methods may be, for times that do not overlap."""
    lists: tuple[tuple[str, str, Iterable[str]], ...] = (
        ("purposes", "purposes", (p.id for p in files.purposes.purposes)),
        ("categories", "categories", (p.id for p in files.categories.categories)),
        ("bases", "bases", (p.id for p in files.bases.bases)),
        ("recipients", "recipients", (p.id for p in files.recipients.recipients)),
        ("cookies", "cookies", (p.id for p in files.cookies.cookies)),
        ("vocabulary", "legal_bases", (p.id for p in files.vocabulary.legal_bases)),
        ("adequacy", "decisions", (p.id for p in files.adequacy.decisions)),
        ("scc_sets", "scc_sets", (p.id for p in files.scc_sets.scc_sets)),
    )
    for name, field, ids in lists:
        first: dict[str, Path] = {}
        for i, word in enumerate(ids):
            path = (field, i, "id")
            if word in first:
                line = readers[name].line(first[word])
                readers[name].report(
                    path, f"`{word}` is given twice (first in line {line})", "keep one of them"
                )
            first.setdefault(word, path)
    _dated(readers["systems"], "systems", ((s.id, s) for s in files.systems.systems))
    _dated(readers["methods"], "secure_methods", ((m.id, m) for m in files.methods.secure_methods))


def _dated(reader: Reader, field: str, entries: Iterable[tuple[str, Dated]]) -> None:
    alike: dict[str, list[Place]] = {}
    for i, (word, entry) in enumerate(entries):
        alike.setdefault(word, []).append(((field, i), entry))
    for places in alike.values():
        validities(reader, places)


def _company(files: Files, readers: Readers) -> None:
    categories = {c.id for c in files.categories.categories}
    for i, word in enumerate(files.bundle.corporate_contact):
        known_word(
            readers["bundle"], ("corporate_contact", i), word, categories, "category", "categories.yaml"
        )
    rules = {rule.id for rule in ALL_RULES} | set(CLOCK)
    for word in files.bundle.switches:
        known_word(readers["bundle"], ("switches", word), word, rules, "rule", "the code")
    countries = frozenset(files.places.iso_3166_1.codes)
    for i, system in enumerate(files.systems.systems):
        country_code(files, readers["systems"], ("systems", i, "country"), system.country, countries)


def _purposes(files: Files, readers: Readers) -> None:
    """Purposes, the bases they rest on, their balancing tests (clauses 3.1, 3.2, 5.1 to 5.4)."""
    purposes = {p.id for p in files.purposes.purposes}
    based = {word for basis in files.bases.bases for word in basis.purposes}
    for i, purpose in enumerate(files.purposes.purposes):
        if purpose.id not in based:
            readers["purposes"].report(
                ("purposes", i, "id"),
                f"no legal basis serves the purpose `{purpose.id}`",
                "name it under a basis in bases.yaml, or remove it",
            )
        for j, word in enumerate(purpose.may_also_serve):
            path: Path = ("purposes", i, "may_also_serve", j)
            known_word(readers["purposes"], path, word, purposes, "purpose", "purposes.yaml")
    law = {b.id for b in files.vocabulary.legal_bases}
    for i, basis in enumerate(files.bases.bases):
        known_word(readers["bases"], ("bases", i, "id"), basis.id, law, "legal basis", "law/vocabulary.yaml")
        for j, word in enumerate(basis.purposes):
            path = ("bases", i, "purposes", j)
            known_word(readers["bases"], path, word, purposes, "purpose", "purposes.yaml")
    tests: dict[tuple[str, str], list[Place]] = {}
    for i, test in enumerate(files.balancing_tests.balancing_tests):
        path = ("balancing_tests", i)
        reader = readers["balancing_tests"]
        known_word(reader, (*path, "purpose"), test.purpose, purposes, "purpose", "purposes.yaml")
        tests.setdefault((test.reference, test.purpose), []).append((path, test))
    for places in tests.values():
        validities(readers["balancing_tests"], places)


def _places(files: Files, reader: Reader) -> None:
    """Each code is assigned by ISO 3166-1 and stands in one group only."""
    places = files.places
    iso = frozenset(places.iso_3166_1.codes)
    seen: dict[str, str] = {}
    for name in (
        "iso_3166_1",
        "eu",
        "eea_efta",
        "territories_inside",
        "territories_disputed",
        "territories_third",
    ):
        codes: tuple[str, ...] = getattr(places, name).codes
        within: dict[str, str] = seen if name != "iso_3166_1" else {}
        for i, code in enumerate(codes):
            path: Path = (name, "codes", i)
            if code in within:
                reader.report(path, f"`{code}` already stands under {within[code]}", "keep it in one place")
            elif code not in iso:
                country_code(files, reader, path, code, iso)
            within[code] = name
    dated: dict[str, list[Place]] = {}
    for i, membership in enumerate(places.inside_for_a_time):
        here: Path = ("inside_for_a_time", i)
        if membership.country in seen:
            other = seen[membership.country]
            message = f"`{membership.country}` already stands under {other}"
            reader.report((*here, "country"), message, "keep it in one place")
        country_code(files, reader, (*here, "country"), membership.country, iso)
        dated.setdefault(membership.country, []).append((here, membership))
    for entries in dated.values():
        validities(reader, entries)
    for wrong, right in places.suggestions.items():
        if wrong in iso:
            message = f"`{wrong}` is itself a country code of ISO 3166-1"
            reader.report(("suggestions", wrong), message, "suggest only for codes that are not")
        country_code(files, reader, ("suggestions", wrong), right, iso)


def _adequacy(files: Files, reader: Reader) -> None:
    iso = frozenset(files.places.iso_3166_1.codes)
    alike: dict[tuple[str, str], list[Place]] = {}
    for i, decision in enumerate(files.adequacy.decisions):
        path: Path = ("decisions", i)
        if (decision.country is None) == (decision.organisation is None):
            message = "a decision is about a country or about an organisation"
            reader.report(path, message, "give one of `country` and `organisation`")
        if decision.country is not None:
            country_code(files, reader, (*path, "country"), decision.country, iso)
        if decision.scope != FULL_SCOPE and decision.scope.strip().casefold() == FULL_SCOPE:
            message = f"`{decision.scope}` would be read as the words of a limit"
            reader.report(
                (*path, "scope"), message, f"write {FULL_SCOPE}, or what the decision is limited to"
            )
        about = decision.country or decision.organisation or decision.id
        alike.setdefault((about, decision.claimed_as), []).append((path, decision))
    for places in alike.values():
        validities(reader, places)


def _scc_sets(files: Files, reader: Reader) -> None:
    for i, scc_set in enumerate(files.scc_sets.scc_sets):
        path: Path = ("scc_sets", i)
        validities(reader, [(path, scc_set)])
        if scc_set.repealed and scc_set.valid_to and scc_set.repealed > scc_set.valid_to:
            message = f"is repealed ({scc_set.repealed}) after its contracts have lapsed ({scc_set.valid_to})"
            reader.report((*path, "repealed"), message, "correct one of the dates")


def _recipient(files: Files, reader: Reader, path: Path, recipient: RecipientPart) -> None:
    iso = frozenset(files.places.iso_3166_1.codes)
    country_code(files, reader, (*path, "established"), recipient.established, iso)
    for i, code in enumerate(recipient.storage):
        country_code(files, reader, (*path, "storage", i), code, iso)
    for i, sub in enumerate(recipient.subprocessors):
        country_code(files, reader, (*path, "subprocessors", i, "country"), sub.country, iso)
    for name, entries in (("agreements", recipient.agreements), ("guarantees", recipient.guarantees)):
        validities(reader, [((*path, name, i), entry) for i, entry in enumerate(entries)])
    sets = {s.id: s for s in files.scc_sets.scc_sets}
    held: dict[str, list[Place]] = {}
    for i, instrument in enumerate(recipient.instruments):
        here = (*path, "instruments", i)
        _instrument(reader, here, instrument, sets)
        held.setdefault(instrument.reference, []).append((here, instrument))
    decisions = {d.id: d for d in files.adequacy.decisions}
    for i, scope in enumerate(recipient.scope):
        here = (*path, "scope", i)
        _scope(reader, here, recipient, scope.decision, decisions)
        held.setdefault(f"scope of {scope.decision}", []).append((here, scope))
    for places in held.values():
        validities(reader, places)


def _instrument(
    reader: Reader, path: Path, instrument: InstrumentPart, sets: Mapping[str, SccSetPart]
) -> None:
    if instrument.tool != "scc":
        if instrument.set is not None:
            reader.report((*path, "set"), f"{instrument.tool} has no set of clauses", "remove `set`")
        return
    if instrument.set is None:
        reader.report((*path, "set"), "is missing for scc", "name the set, such as 2021/914")
        return
    known_word(reader, (*path, "set"), instrument.set, sets, "SCC set", "law/scc_sets.yaml")
    known, start = sets.get(instrument.set), instrument.valid_from
    if known is None or start is None:
        return
    if known.valid_from and start < known.valid_from:
        message = f"begins before the set {known.id} could be used ({known.valid_from})"
        reader.report((*path, "valid_from"), message, "correct the date or name the set that was signed")
    if known.repealed and start >= known.repealed:
        message = f"begins after the set {known.id} was repealed ({known.repealed})"
        reader.report((*path, "valid_from"), message, "correct the date or name the set that was signed")


def _scope(
    reader: Reader, path: Path, recipient: RecipientPart, word: str, decisions: Mapping[str, DecisionPart]
) -> None:
    here = (*path, "decision")
    known_word(reader, here, word, decisions, "adequacy decision", "law/adequacy.yaml")
    country = decisions[word].country if word in decisions else None
    places = {recipient.established, *recipient.storage, *(s.country for s in recipient.subprocessors)}
    if country is not None and country not in places:
        message = f"`{word}` is about {country}, where this recipient has no place"
        reader.report(here, message, "name the decision on a country of this recipient")


def _terms(files: Files, readers: Readers) -> None:
    """Every term has a prefix that the vocabulary defines."""
    terms: list[tuple[str, Path, Term]] = [
        *(("purposes", ("purposes", i, "iri"), p.iri) for i, p in enumerate(files.purposes.purposes)),
        *(("categories", ("categories", i, "iri"), c.iri) for i, c in enumerate(files.categories.categories)),
        *(
            ("vocabulary", ("legal_bases", i, "iri"), b.iri)
            for i, b in enumerate(files.vocabulary.legal_bases)
        ),
        *(
            ("vocabulary", ("terms", group, word), term)
            for group, words in files.vocabulary.terms.items()
            for word, term in words.items()
        ),
    ]
    prefixes = {**files.vocabulary.prefixes, "https": ""}
    for name, path, term in terms:
        prefix = term.partition(":")[0]
        known_word(readers[name], path, prefix, prefixes, "prefix", "law/vocabulary.yaml")
