"""The names that linked data of ours is written in: namespaces, the JSON-LD context, and our own few terms.

Invariants: every IRI that an export makes lies in one of `NAMESPACES` or under the document's base; which DPV
term a word of the company or of the law stands for is read from the bundle, never decided here; the terms of
`OWN` exist only where DPV 2.3 has none, and a bundle's document defines each of them.

Not handled here: what is said with the terms (`bundles`, `records`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sized
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from ansvar.policy.bundle import Bundle, Period
from ansvar.policy.calendar import stockholm_date
from ansvar.policy.errors import PolicyError

Node = dict[str, Any]  # a JSON object of JSON-LD

DPV: Final = "https://w3id.org/dpv#"

NAMESPACES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dpv": DPV,
        "pd": "https://w3id.org/dpv/pd#",
        "loc": "https://w3id.org/dpv/loc#",
        "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
        "ansvar": "urn:ansvar:terms#",
        "dcat": "http://www.w3.org/ns/dcat#",
        "dct": "http://purl.org/dc/terms/",
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "skos": "http://www.w3.org/2004/02/skos/core#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    }
)

_LINKS: Final = (
    "ansvar:mayAlsoServe",
    "ansvar:rule",
    "dct:isPartOf",
    "dct:isVersionOf",
    "dct:hasVersion",
    "dct:references",
    "dpv:hasAssessment",
    "dpv:hasAuthority",
    "dpv:hasContext",
    "dpv:hasCountry",
    "dpv:hasDataController",
    "dpv:hasDataProcessor",
    "dpv:hasDataProtectionOfficer",
    "dpv:hasDataSubject",
    "dpv:hasLawfulness",
    "dpv:hasLegalBasis",
    "dpv:hasLegalMeasure",
    "dpv:hasPersonalData",
    "dpv:hasPolicy",
    "dpv:hasProcess",
    "dpv:hasProcessing",
    "dpv:hasPurpose",
    "dpv:hasRecipient",
    "dpv:hasRight",
    "dpv:hasRule",
    "dpv:hasStorageCondition",
    "dpv:isImplementedUsingTechnology",
)
_LITERALS: Final = {
    "ansvar:validFrom": "xsd:date",
    "ansvar:validTo": "xsd:date",
    "ansvar:repealed": "xsd:date",
    "ansvar:website": "xsd:anyURI",
    "dct:date": "xsd:dateTime",
    "dct:created": "xsd:dateTime",
}
_BY_LANGUAGE: Final = ("skos:prefLabel", "skos:definition")

# name -> (English label, Swedish label, what it says)
OWN: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "article": ("article", "artikel", "The article of law behind something."),
        "claimedAs": (
            "claimed as",
            "åberopas som",
            "The safeguard under which a transfer may name a decision.",
        ),
        "clause": ("clause", "klausul", "The clause of the policy that something rests on."),
        "engine": ("engine", "motor", "The version of the code that judged."),
        "finding": ("finding", "iakttagelse", "A rule that fired on an event."),
        "ground": ("ground", "grund", "The stated ground of a disclosure."),
        "kind": ("kind", "slag", "The kind of event that a record is about."),
        "mayAlsoServe": (
            "may also serve",
            "får även tjäna",
            "Data collected for the one purpose may be used for the other too.",
        ),
        "operation": ("operation", "åtgärd", "The operation on personal data, in the event format's word."),
        "organisation": (
            "organisation",
            "organisation",
            "The international organisation a decision is about.",
        ),
        "phase": ("phase", "fas", "The step of a request or of a contract."),
        "profilingOnly": ("profiling only", "endast profilering", "The category may serve profiling alone."),
        "recipientType": ("recipient type", "mottagartyp", "The type of recipient in the register."),
        "repealed": ("repealed", "upphävd", "The first day on which no new contract can be made on a set."),
        "role": ("role", "roll", "In which role the company acted: controller or processor."),
        "rule": ("rule", "regel", "The rule that a finding is of."),
        "safeguard": ("safeguard", "skyddsåtgärd", "The safeguard stated for a transfer, as a word."),
        "scope": ("scope", "omfattning", "Whom an adequacy decision covers; `full` is everyone."),
        "severity": ("severity", "allvar", "How grave a breach is: off, flag or deny."),
        "sha256": ("SHA-256", "SHA-256", "The hash of a bundle's canonical form, in hexadecimal."),
        "stage": ("stage", "skede", "Whether the reported operation was done, intended or not run."),
        "switchReason": ("reason of the switch", "skäl till ändringen", "Why the company switched a rule."),
        "underAppeal": ("under appeal", "överklagat", "The case in which a decision in force is challenged."),
        "undeclared": (
            "undeclared",
            "odeklarerat",
            "A field whose word the bundle does not declare; the word itself is not repeated.",
        ),
        "validFrom": ("valid from", "gäller från", "The first day covered, in Stockholm."),
        "validTo": (
            "valid to",
            "gäller till",
            "The first day NOT covered, in Stockholm; absent: no end is known.",
        ),
        "verdict": ("verdict", "utslag", "What was decided: permit, flag or deny."),
        "website": ("website", "webbplats", "The address of an organisation's website."),
    }
)

_BASE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x20]*[#/]")
_NAME = re.compile(r"[A-Za-z0-9_-]+")


class WrongBase(PolicyError):
    """A base IRI to which names cannot be appended."""

    def __init__(self) -> None:
        super().__init__(
            "the base is not an IRI that names can be appended to; "
            "write one with a scheme that ends in # or /, such as https://example.org/policy#"
        )


def base_of(bundle: Bundle, base: str | None = None) -> str:
    """The IRI that a bundle's own resources begin with. Raises `WrongBase`."""
    if base is None:
        return f"urn:ansvar:bundle:{bundle.sha256.hex()}#"
    if not _BASE.fullmatch(base):
        raise WrongBase
    return base


def context(base: str) -> Node:
    """The JSON-LD context of a document whose own resources, written `this:…`, begin with `base`."""
    return {
        "@version": 1.1,
        **NAMESPACES,
        "this": {"@id": base, "@prefix": True},
        **{term: {"@type": "@id"} for term in _LINKS},
        **{term: {"@type": kind} for term, kind in _LITERALS.items()},
        **{term: {"@container": "@language"} for term in _BY_LANGUAGE},
    }


def this(kind: str, *names: str) -> str:
    """The name of a resource of the bundle's own: `this('purpose', 'marketing')`.

    Joined by full stops, which SPARQL and Turtle take in a prefixed name without an escape.
    """
    return ".".join((f"this:{kind}", *(quote(name, safe="") for name in names)))


def numbered(parts: Sized, kind: str, *names: str) -> list[str]:
    """A name for each of the parts of something, counted from 1."""
    return [this(kind, *names, str(number)) for number in range(1, len(parts) + 1)]


def compact(iri: str) -> str:
    """An IRI with a prefix where one fits, else as it is."""
    for prefix, namespace in NAMESPACES.items():
        if iri.startswith(namespace) and _NAME.fullmatch(iri, len(namespace)):
            return f"{prefix}:{iri[len(namespace) :]}"
    return iri


def country(code: str) -> str:
    """The DPV term of an ISO 3166-1 alpha-2 code that the bundle has accepted."""
    return f"loc:{code}"


def term(bundle: Bundle, group: str, word: str | None) -> str | None:
    """The term that the bundle's vocabulary gives a word of the event format; None where it gives none."""
    iri = bundle.terms.get(group, {}).get(word) if word else None
    return None if iri is None else compact(iri)


def node(name: str | None, types: Iterable[str | None], **properties: Any) -> Node:
    """A JSON-LD node without what is empty; a property's `__` stands for the colon (`dpv__hasPurpose`)."""
    made: Node = {} if name is None else {"@id": name}
    made["@type"] = [kind for kind in types if kind]
    for key, value in properties.items():
        if value is not None and value != [] and value != {}:
            made[key.replace("__", ":")] = value
    return made


def dated(period: Period) -> Node:
    """The properties that say when something is valid, as Stockholm dates."""
    return {
        name: stockholm_date(end).isoformat()
        for name, end in (("ansvar__validFrom", period.start), ("ansvar__validTo", period.end))
        if end is not None
    }


def own_terms() -> list[Node]:
    """The definition of every term of ours."""
    return [
        node(
            f"ansvar:{name}",
            ("rdf:Property",),
            skos__prefLabel={"en": english, "sv": swedish},
            skos__definition={"en": meaning},
        )
        for name, (english, swedish, meaning) in OWN.items()
    ]
