"""What is taken for a personnummer, an e-mail address or a phone number, and above all what is not."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import phonenumbers
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ansvar.events.errors import InvalidEvent
from ansvar.events.identifiers import normalise
from ansvar.events.model import Identifier
from ansvar.events.personal_data import looks_personal, masked
from strategies import personnummer

BOTH = personnummer() | personnummer(coordination=True)
# What stands around a value in a text: no digits, which would make another number of it, and a boundary.
AROUND = st.sampled_from(["", "ref ", "kund: ", "(", "=", "<", " / ", "åter ", "dnr,", "to:", '"', "\u00a0"])
AFTER = st.sampled_from(["", " klart", ".", ", tack", ")", ";x", ">", "!", '"', "\n", "\u00a0ok"])
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


def kinds(text: str) -> list[str]:
    return [found.kind for found in looks_personal(text)]


def spellings(number: str) -> list[str]:
    """A personnummer as people write it, from its twelve digits."""
    short = [number[2:8] + sign + number[8:] for sign in ("-", "", " ", "–", "+")]
    return [*short, f"{number[:8]}-{number[8:]}", number, f"{number[:8]} {number[8:]}"]


@given(BOTH, st.integers(0, 7), AROUND, AFTER)
def test_no_personnummer_is_missed(number: str, spelling: int, before: str, after: str) -> None:
    written = spellings(number)[spelling]
    text = f"{before}{written}{after}"
    assert kinds(text) == ["personnummer"]
    assert masked(text) == f"{before}[personnummer]{after}"


@given(BOTH, st.sampled_from(["pnr", "K", "kund_"]))
def test_letters_may_touch_one_with_a_sign(number: str, word: str) -> None:
    assert masked(f"{word}{number[2:8]}-{number[8:]}x") == f"{word}[personnummer]x"


@given(st.emails(), AROUND.filter(lambda text: text in ("", "<", " / ", "to:", '"')), AFTER)
def test_no_email_is_missed(address: str, before: str, after: str) -> None:
    try:
        normalise(Identifier("email", address), year=2026)
    except InvalidEvent:
        assume(False)
    text = f"{before}{address}{after}"
    assert "email" in kinds(text)
    assert address not in masked(text)


@pytest.mark.parametrize(
    "address",
    ["anna@example.com", "Anna.Berg+log@mail.example.co.uk", "åsa.öberg@exempel.se", "x@räksmörgås.se"],
)
def test_addresses(address: str) -> None:
    assert masked(f"sent to {address}, twice") == "sent to [email], twice"


def _international(region: str, form: int) -> str:
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assume(number is not None)
    written = phonenumbers.format_number(number, form)
    try:
        normalise(Identifier("phone_number", written), year=2026)
    except InvalidEvent:
        assume(False)
    return written


@given(
    st.sampled_from(REGIONS),
    st.sampled_from([phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL]),
    st.booleans(),
    AROUND,
    AFTER,
)
def test_no_international_phone_number_is_missed(
    region: str, form: int, zeros: bool, before: str, after: str
) -> None:
    written = _international(region, form)
    text = f"{before}{'00' + written[1:] if zeros else written}{after}"
    assert masked(text) == f"{before}[phone]{after}"


SWEDISH = st.sampled_from(
    [
        *("070-{0:07}", "070 {0:07}", "073-{1:03} {2:02} {3:02}", "076 {1:03} {2:02} {3:02}", "072{0:07}"),
        *("08-{0:07}", "08-{1:03} {1:03} {2:02}", "031-{1:03} {2:02} {3:02}", "0911-{1:03} {2:02}"),
        *("+46 70 {1:03} {2:02} {3:02}", "+4670{0:07}", "+46 (0)70-{1:03} {2:02} {3:02}", "004670{0:07}"),
    ]
)


@given(SWEDISH, st.integers(1_000_000, 9_999_999), AROUND, AFTER)
def test_no_swedish_phone_number_is_missed(form: str, number: int, before: str, after: str) -> None:
    written = form.format(number, 100 + number % 900, number % 100, number // 100 % 100)
    assume(kinds(written) != ["personnummer"])  # ten digits may be both, and are masked as one
    assert masked(f"{before}{written}{after}") == f"{before}[phone]{after}"


BEGIN = datetime(1900, 1, 1)  # noqa: DTZ001 - where the calendar of events begins
HEX = "0123456789abcdef"
INNOCENT = st.one_of(
    st.builds("{}-{}".format, st.integers(1990, 2099), st.integers(0, 9_999_999)),
    st.builds("{}-{:07}".format, st.integers(1990, 2099), st.integers(0, 9_999_999)),
    st.builds("{}/{:05}".format, st.integers(1990, 2099), st.integers(0, 99_999)),
    st.builds("K{:05}-{:02}".format, st.integers(0, 99_999), st.integers(0, 99)),
    st.builds(  # organisation numbers: the third digit is at least 2, the first one never 0
        "{}{}{}{:03}-{:04}".format,
        st.sampled_from("1256789"),
        st.integers(0, 9),
        st.integers(2, 9),
        st.integers(0, 999),
        st.integers(0, 9_999),
    ),
    st.uuids().map(str),
    st.uuids().map(lambda value: str(value).upper()),
    st.uuids().map(lambda value: value.hex),
    st.sampled_from([32, 40, 56, 64, 96, 128]).flatmap(lambda n: st.text(HEX, min_size=n, max_size=n)),
    st.dates(BEGIN.date()).map(str),
    st.dates(BEGIN.date()).map("{:%Y%m%d}".format),
    st.datetimes(BEGIN).map(lambda at: at.isoformat()),
    st.datetimes(BEGIN, timezones=st.timezones()).map(lambda at: at.isoformat()),
    st.datetimes(BEGIN).map(lambda at: at.isoformat(" ", "minutes")),
    st.datetimes(BEGIN).map("{:%Y%m%dT%H%M%SZ}".format),
    st.text(st.characters(categories=("L", "Zs")), max_size=200),
)


@given(INNOCENT, AROUND, AFTER)
@example("19640823-3234-4abc-8def-0123456789ab", "", "")
@example("00467012-0701-4234-8567-070123456789", "", "")
@example("0046701234567" + "a" * 51, "", "")
@example("SCC-2023-04", "", "")
@example("TIA-2026/01234", "", "")
@example("556016-0680", "", "")
@example("2026-1234567", "", "")
@example("02-03-2026", "", "")
@example("640823-3235", "", "")  # a wrong check digit
@example("640231-3234", "", "")  # a date that no calendar has
@example("10.0.12.345", "", "")
@example("v2026.3.1+build.20260302", "", "")
def test_nothing_else_is_taken_for_personal(text: str, before: str, after: str) -> None:
    assert looks_personal(f"{before}{text}{after}") == ()


@given(st.lists(st.one_of(st.text(max_size=20), BOTH, st.emails(), st.just("070-123 45 67")), max_size=6))
@example(["070-123 45 67", "/", "070-123 45 67"])
@example(["a@b.se", "@c.se"])
@example(["550e8400-e29b-41d4-a716-446655440000", "@example.com"])
def test_what_is_masked_is_masked_for_good(parts: list[str]) -> None:
    text = "".join(parts)
    found = looks_personal(text)
    assert [each.start for each in found] == sorted(each.start for each in found)
    assert all(0 <= a.start < a.end <= b.start for a, b in pairwise(found))
    assert looks_personal(masked(text)) == ()
    assert bool(found) == (masked(text) != text)


def test_a_number_beside_another_is_not_lost() -> None:
    assert masked("+46 8 123 456 78 070-123 45 67") == "[phone] [phone]"
    both = "070-123 45 67 2026-03-02, +46 8 123 456 78/070-123 45 67; 640823-3234 a@b.se"
    assert masked(both) == "[phone] 2026-03-02, [phone]/[phone]; [personnummer] [email]"
    assert masked("０７０－１２３４５６７") == "[phone]"  # full-width signs


def test_a_long_text_takes_no_long_time() -> None:
    for sign in ("@", "0", "07 ", "+4 ", "a", "0-", "a@", "a."):
        looks_personal(sign * (65_536 // len(sign)))


def test_the_time_of_reading_does_not_matter() -> None:
    """29 February of a year that ends in 00 was in 2000 alone; whenever it is read it is a date."""
    assert kinds("000229-0005") == kinds("20000229-0005") == ["personnummer"]
