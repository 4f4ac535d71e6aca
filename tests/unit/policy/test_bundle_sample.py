"""The bundle that ships says what Securio's policy and the law say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import get_args

import iso3166
import msgspec
import pytest

from ansvar.events.model import Right, Safeguard
from ansvar.policy.bundle import PROFILES, Bundle, Period, Settings, Standing
from ansvar.policy.calendar import day_start
from ansvar.policy.canonical import canonical, decode, encode
from ansvar.policy.loader import bundle_from_bytes
from ansvar.policy.shapes import SettingsPart
from ansvar.sample import SAMPLE_BUNDLE, sample_bundle

TICK = timedelta(microseconds=1)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return sample_bundle()


def period(start: date | None, end: date | None = None) -> Period:
    return Period(day_start(start) if start else None, day_start(end) if end else None)


def test_the_bundle_is_package_data() -> None:
    assert (SAMPLE_BUNDLE / "bundle.yaml").is_file()
    assert sample_bundle() is sample_bundle()


def test_the_company_and_its_contacts(bundle: Bundle) -> None:
    company = bundle.company
    assert company is not None
    assert (company.name, company.registration) == ("Securio Sweden AB", "559075-4544")
    assert company.contact == "privacy@securiosweden.se"
    assert company.authority.startswith("Integritetsskyddsmyndigheten")
    assert bundle.settings == Settings()
    assert bundle.severities == {}


def test_the_shape_of_settings_is_that_of_the_compiled_settings() -> None:
    given = msgspec.to_builtins(SettingsPart())
    assert given.keys() == msgspec.to_builtins(Settings()).keys()
    assert set(given.values()) == {None}  # so that what a file is silent on is told from what it says


def test_the_profiles() -> None:
    assert PROFILES["default"] == Settings()
    strict = PROFILES["strict"]
    assert (strict.require_collection_record, strict.late_days) == (True, 7)
    relaxed = msgspec.structs.replace(strict, require_collection_record=False, late_days=400)
    assert relaxed == PROFILES["default"]


@pytest.mark.parametrize(
    ("profile", "settings", "expected"),
    [
        ("", "", Settings()),
        ("profile: default", "", Settings()),
        ("profile: strict", "", Settings(require_collection_record=True, late_days=7)),
        ("profile: strict", "settings: {late_days: 400}", Settings(require_collection_record=True)),
        ("profile: strict", "settings: {require_collection_record: false}", Settings(late_days=7)),
        ("", "settings: {late_days: 0, nix_days: 30}", Settings(late_days=0, nix_days=30)),
    ],
)
def test_what_a_bundle_says_outranks_its_profile(profile: str, settings: str, expected: Settings) -> None:
    files = decode(canonical(SAMPLE_BUNDLE))
    text = files["bundle.yaml"]
    start, end = text.index("settings:"), text.index("# A rule may be switched")
    files["bundle.yaml"] = f"{text[:start]}{profile}\n{settings}\n{text[end:]}"
    bundle = bundle_from_bytes(encode(files))
    assert bundle.settings == expected
    assert bundle.profile == (profile.removeprefix("profile: ") or "default")


def test_the_vocabulary(bundle: Bundle) -> None:
    assert list(bundle.purposes) == [
        *(
            "marketing",
            "contract",
            "customer_service",
            "legal_obligation",
            "recruitment",
            "evaluation",
            "security",
        )
    ]
    assert list(bundle.categories) == [
        *("name", "address", "email", "phone_number", "personnummer", "customer_number", "bank_account"),
        *("payment_history", "ip_address", "purchase_history", "age", "residence", "gender"),
    ]
    profiling = {c.id for c in bundle.categories.values() if c.profiling_only}
    assert profiling == {"purchase_history", "age", "residence", "gender"}
    assert bundle.categories["payment_history"].clause == "2.4 h"
    assert bundle.purposes["marketing"].iri == "https://w3id.org/dpv#DirectMarketing"
    assert bundle.purposes["security"].label == {"en": "Security", "sv": "Säkerhet"}
    assert bundle.corporate_contact == {"name", "address", "email", "phone_number", "customer_number"}


def test_the_bases(bundle: Bundle) -> None:
    served = {b.id: set(b.purposes) for b in bundle.bases.values() if b.clause is not None}
    assert served == {
        "contract": {"contract", "customer_service"},
        "legal_obligation": {"legal_obligation"},
        "legitimate_interest": {"marketing", "customer_service", "recruitment", "security", "evaluation"},
    }
    unused = {b.id for b in bundle.bases.values() if b.clause is None and not b.purposes}
    assert unused == {"consent", "vital_interests", "public_task"}
    assert bundle.bases["legitimate_interest"].iri == "https://w3id.org/dpv/legal/eu/gdpr#A6-1-f"
    assert bundle.bases["contract"].article == "6(1)(b)"
    assert bundle.bases["consent"].label["sv"] == "Samtycke"


def test_compatible_purposes(bundle: Bundle) -> None:
    assert bundle.compatible == {
        "contract": {
            *("contract", "customer_service", "legal_obligation", "marketing", "evaluation", "security")
        },
        "customer_service": {"customer_service", "contract", "legal_obligation", "evaluation", "security"},
        "marketing": {"marketing", "legal_obligation"},
        "recruitment": {"recruitment", "legal_obligation", "security"},
        "evaluation": {"evaluation", "legal_obligation"},
        "legal_obligation": {"legal_obligation"},
        "security": {"security", "legal_obligation"},
    }


def test_balancing_tests(bundle: Bundle) -> None:
    found = {p: [(t.reference, t.period) for t in tests] for p, tests in bundle.balancing_tests.items()}
    since = period(date(2024, 1, 1))
    assert found == {
        "marketing": [("LIA-A", since)],
        "customer_service": [("LIA-B", since)],
        "recruitment": [("LIA-C", since)],
        "security": [("LIA-D", since)],
        "evaluation": [("LIA-E", since)],
    }


def test_systems(bundle: Bundle) -> None:
    assert set(bundle.systems) == {
        *("crm", "billing", "support", "webshop", "website", "alarm_centre", "recruitment_portal", "dialler"),
        *("newsletter", "data_warehouse", "legacy_backup", "pricing_engine"),
    }
    entries = [entry for entries in bundle.systems.values() for entry in entries]
    assert [entry.id for entry in entries] == list(bundle.systems)
    assert {(s.id, s.country) for s in entries if s.country != "SE"} == {("legacy_backup", "US")}
    assert {s.id for s in entries if s.automated} == {"pricing_engine"}
    assert {s.period for s in entries} == {Period()}


RECIPIENTS = {
    # id: type, role, places, agreement, guarantees, instruments (tool, reference, set, TIA), scope
    "mailing-house": ("mailing", "processor", ("SE",), "2024-01-15", "2028-01-01", None, None),
    "invoicing-bureau": ("invoicing", "processor", ("SE",), "2024-01-15", "2028-01-01", None, None),
    "sms-gateway": ("it_supplier", "processor", ("DK", "GB"), "2024-01-15", "2028-01-01", None, None),
    "app-hosting-us": (
        *("it_supplier", "processor", ("US",), "2023-04-01", "2028-01-01"),
        ("scc", "SCC-2023-04", "2021/914", True),
        ("US-DPF", "2023-09-01"),
    ),
    "support-desk-in": (
        *("it_supplier", "processor", ("IN",), "2024-02-01", "2028-01-01"),
        ("scc", "SCC-2024-02", "2021/914", False),
        None,
    ),
    "hr-platform-ca": (
        *("it_supplier", "processor", ("CA",), "2024-03-01", "2028-01-01"),
        None,
        ("CA-PIPEDA", "2024-03-01"),
    ),
    "monitoring-group-ch": (
        *("it_supplier", "processor", ("CH",), "2024-01-15", "2028-01-01"),
        ("bcr", "BCR-CH-1", None, True),
        None,
    ),
    "analytics-trial": ("it_supplier", "processor", ("US",), None, None, None, None),
    "lapsed-printer": ("mailing", "processor", ("PL",), "2022-01-01", "2025-12-31", None, None),
    "membership-partner": ("partner", "controller", ("SE",), None, None, None, None),
    "installer-partner": ("partner", "controller", ("NO",), None, None, None, None),
    "google-maps": ("it_supplier", "controller", ("US",), None, None, None, ("US-DPF", "2023-09-01")),
    "police": ("authority", "controller", ("SE",), None, None, None, None),
    "tax-agency": ("authority", "controller", ("SE",), None, None, None, None),
    "imy": ("authority", "controller", ("SE",), None, None, None, None),
    "court": ("authority", "controller", ("SE",), None, None, None, None),
}


def test_every_recipient_is_in_the_table(bundle: Bundle) -> None:
    assert list(bundle.recipients) == list(RECIPIENTS)


@pytest.mark.parametrize("name", RECIPIENTS)
def test_a_recipient(bundle: Bundle, name: str) -> None:
    type_, role, places, agreed, lapses, instrument, scope = RECIPIENTS[name]
    recipient = bundle.recipients[name]
    assert (recipient.type, recipient.role, recipient.places) == (type_, role, places)
    since = date.fromisoformat(agreed) if agreed else None
    assert recipient.agreements == ((period(since),) if since else ())
    assert recipient.guarantees == ((period(since, date.fromisoformat(lapses)),) if lapses else ())
    held = [(i.tool, i.reference, i.set, i.assessment is not None) for i in recipient.instruments]
    assert held == ([instrument] if instrument else [])
    assert all(i.period == period(since) for i in recipient.instruments)
    evidence = [(s.decision, s.period) for s in recipient.scope]
    assert evidence == ([(scope[0], period(date.fromisoformat(scope[1])))] if scope else [])


def test_guarantees_to_a_day_include_that_day(bundle: Bundle) -> None:
    (lapsed,) = bundle.recipients["lapsed-printer"].guarantees
    midnight = datetime(2025, 12, 30, 23, tzinfo=UTC)  # the start of 31 December in Stockholm
    assert lapsed.holds(midnight - TICK)
    assert not lapsed.holds(midnight)
    (starts,) = bundle.recipients["mailing-house"].agreements
    assert not starts.holds(datetime(2024, 1, 14, 23, tzinfo=UTC) - TICK)
    assert starts.holds(datetime(2024, 1, 14, 23, tzinfo=UTC))


DECISIONS = [
    ("CH", "2000-07-26", None, True, "adequacy"),
    ("CA", "2001-12-20", None, False, "adequacy"),
    ("AR", "2003-06-30", None, True, "adequacy"),
    ("GG", "2003-11-21", None, True, "adequacy"),
    ("IM", "2004-04-28", None, True, "adequacy"),
    ("JE", "2008-05-08", None, True, "adequacy"),
    ("FO", "2010-03-05", None, True, "adequacy"),
    ("AD", "2010-10-19", None, True, "adequacy"),
    ("IL", "2011-01-31", None, False, "adequacy"),
    ("UY", "2012-08-21", None, True, "adequacy"),
    ("NZ", "2012-12-19", None, True, "adequacy"),
    ("JP", "2019-01-23", None, False, "adequacy"),
    ("GB", "2021-06-28", "2031-12-27", True, "adequacy"),
    ("KR", "2021-12-17", None, False, "adequacy"),
    ("US", "2000-07-26", "2015-10-06", False, "safe_harbor"),
    ("US", "2016-07-12", "2020-07-16", False, "privacy_shield"),
    ("US", "2023-07-10", None, False, "adequacy"),
    ("BR", "2026-01-26", None, False, "adequacy"),
]


def test_adequacy_decisions(bundle: Bundle) -> None:
    expected = sorted(
        (
            code,
            day_start(date.fromisoformat(start)),
            day_start(date.fromisoformat(end)) if end else None,
            full,
            word,
        )
        for code, start, end, full, word in DECISIONS
    )
    found = sorted(
        (code, d.period.start, d.period.end, d.scope == "full", d.word)
        for code, decisions in bundle.decisions.items()
        for d in decisions
    )
    assert [repr(row) for row in found] == [repr(row) for row in expected]
    assert all(d.country == code and d.source for code, ds in bundle.decisions.items() for d in ds)
    assert [d.under_appeal for d in bundle.decisions["US"] if d.under_appeal] == ["C-703/25 P"]
    (epo,) = bundle.organisations["EPO"]
    assert (epo.country, epo.period) == ("EPO", period(date(2025, 7, 15)))
    assert "EPO" not in bundle.decisions


def test_sets_of_standard_clauses(bundle: Bundle) -> None:
    assert bundle.scc_sets["2021/914"].period == period(date(2021, 6, 27))
    assert bundle.scc_sets["2021/914"].repealed is None
    older = [bundle.scc_sets[name] for name in ("2001/497", "2004/915", "2010/87")]
    assert {s.period for s in older} == {period(None, date(2022, 12, 27))}
    assert {s.repealed for s in older} == {day_start(date(2021, 9, 27))}
    assert len(bundle.scc_sets) == 4


def test_countries_are_those_of_iso_3166(bundle: Bundle) -> None:
    # The package also lists XK (Kosovo), a user-assigned code that ISO 3166-1 has not assigned.
    assert bundle.countries == set(iso3166.countries_by_alpha2) - {"XK"}
    assert len(bundle.countries) == 249
    assert bundle.suggestions == {"UK": "GB", "EL": "GR"}


GB_LEAVES = datetime(2021, 6, 27, 22, tzinfo=UTC)  # the start of 28 June in Stockholm


@pytest.mark.parametrize(
    ("country", "at", "standing"),
    [
        *((code, GB_LEAVES, "inside") for code in ("SE", "GR", "HR", "NO", "IS", "LI", "RE", "AX", "MF")),
        ("HR", datetime(2001, 1, 1, tzinfo=UTC), "inside"),  # current members always
        ("GB", datetime(1990, 1, 1, tzinfo=UTC), "inside"),
        ("GB", GB_LEAVES - TICK, "inside"),
        ("GB", GB_LEAVES, "third"),
        *((code, GB_LEAVES, "third") for code in ("GL", "AW", "CW", "SX", "BQ", "GI", "US", "CH", "IM")),
        *((code, GB_LEAVES, "disputed") for code in ("PM", "BL", "NC", "PF", "WF", "TF", "SJ")),
        *((code, GB_LEAVES, "unknown") for code in ("UK", "EL", "XK", "EU", "", "se", "EPO")),
    ],
)
def test_where_a_code_stands(bundle: Bundle, country: str, at: datetime, standing: Standing) -> None:
    assert bundle.standing(country, at) == standing


def test_members_are_twenty_seven_and_three(bundle: Bundle) -> None:
    always = {code for code, periods in bundle.inside.items() if periods == (Period(),)}
    assert len(always) == 27 + 3 + 7
    assert set(bundle.inside) - always == {"GB"}


def test_methods_cookies_and_their_labels(bundle: Bundle) -> None:
    assert bundle.secure_methods == dict.fromkeys(["bankid", "freja", "eid_in_person"], (Period(),))
    assert set(bundle.secure_methods) == set(bundle.labels["methods"])
    assert bundle.cookies == {"necessary", "functional", "third_party"} == set(bundle.labels["cookies"])
    assert bundle.labels["cookies"]["third_party"]["sv"] == "Tredjepartscookies"


def test_words_of_the_format_have_terms(bundle: Bundle) -> None:
    assert set(get_args(Right)) <= set(bundle.terms["rights"])
    without = {"derogation", "privacy_shield", "safe_harbor", "none"}
    assert set(bundle.terms["safeguards"]) == set(get_args(Safeguard)) - without
    assert bundle.terms["verdicts"]["deny"] == "https://w3id.org/dpv/legal/eu/gdpr#GDPRNonCompliant"
    every = [term for words in bundle.terms.values() for term in words.values()]
    assert all(term.startswith("https://w3id.org/dpv") for term in every)
