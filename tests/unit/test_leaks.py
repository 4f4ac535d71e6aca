"""The search for identifiers finds every form of them, whatever stands around; else silence says nothing."""

from __future__ import annotations

import base64
import gzip
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansvar.events.model import Identifier
from leaks import Leak, Search, forms, spellings

WHO = [
    Identifier("personnummer", "640823-3234"),
    Identifier("email", "Anna.Berg@example.com"),
    Identifier("phone_number", "070-174 06 05"),
    Identifier("customer_number", "K-90817-leak"),
]
EACH = [(number, spelling) for number, who in enumerate(WHO) for spelling in sorted(spellings(who))]


def test_the_spellings() -> None:
    assert {"196408233234", "640823-3234", "6408233234", "19640823-3234"} <= spellings(WHO[0])
    assert {"Anna.Berg@example.com", "anna.berg@example.com"} <= spellings(WHO[1])
    assert {"+46701740605", "0046701740605", "0701740605", "070-1740605"} <= spellings(WHO[2])
    assert "070-174 06 05" in spellings(WHO[2])


@pytest.mark.parametrize(("number", "spelling"), EACH)
@settings(max_examples=15)
@given(before=st.binary(max_size=40), after=st.binary(max_size=40))
def test_every_form_is_found(number: int, spelling: str, before: bytes, after: bytes) -> None:
    """The forms are written here by other means than those that the search has them from."""
    search = Search(WHO)
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-16"):
        raw = spelling.encode(encoding)
        around = before + raw + after
        for written in (
            around,
            base64.b64encode(around),
            base64.urlsafe_b64encode(around),
            around.hex().encode(),
            around.hex().upper().encode(),
        ):
            assert number in {leak.identifier for leak in search.inside("x", written)}


def test_files_of_all_sorts_are_searched(tmp_path: Path) -> None:
    search = Search(WHO)
    noise = os.urandom(10_000)
    (tmp_path / "noise").write_bytes(noise)
    assert search.below(tmp_path) == []
    planted = noise + forms("196408233234")["utf-16 base64 +1"] + noise + bytes(10_000)
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "plain").write_bytes(planted)
    (folder / "packed.gz").write_bytes(gzip.compress(planted))
    with zipfile.ZipFile(folder / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside", planted)
    (folder / "of-anna.berg@example.com").touch()
    found = {(Path(leak.file).name, leak.identifier) for leak in search.below(tmp_path)}
    assert found == {("plain", 0), ("packed.gz", 0), ("packed.zip", 0), ("of-anna.berg@example.com", 1)}
    assert search.bytes > 70_000


def test_a_leak_does_not_repeat_the_identifier() -> None:
    (leak,) = Search(WHO).inside("x", b"to anna.berg@example.com")
    assert isinstance(leak, Leak)
    assert "anna" not in str(leak)
