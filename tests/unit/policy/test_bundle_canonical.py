"""The canonical form: stable under what does not matter, different under all else, safe to read."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from ansvar.policy import canonical as module
from ansvar.policy.canonical import canonical, decode, encode
from ansvar.policy.errors import BundleError
from ansvar.policy.loader import bundle_from_bytes, load_bundle
from ansvar.sample import SAMPLE_BUNDLE

NAMES = st.from_regex(r"\A(?:[a-z0-9_-]{1,8}/)?[a-z0-9_]{1,12}\.yaml\Z").filter(
    lambda n: not n.startswith("-")
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small bundle's directory; nothing here reads what the files say."""
    (tmp_path / "law").mkdir()
    (tmp_path / "bundle.yaml").write_text("name: å\n", encoding="utf-8")
    (tmp_path / "law" / "places.yaml").write_text("eu: []\n", encoding="utf-8")
    return tmp_path


def problem(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        canonical(path)
    assert len(caught.value.problems) == 1
    return str(caught.value.problems[0])


def test_the_form_is_an_object_of_file_texts(folder: Path) -> None:
    assert canonical(folder) == '{"bundle.yaml":"name: å\\n","law/places.yaml":"eu: []\\n"}'.encode()


@given(st.dictionaries(NAMES, TEXTS, max_size=6))
def test_the_form_is_rfc_8785(files: dict[str, str]) -> None:
    assert encode(files) == rfc8785.dumps(files)
    assert encode(dict(reversed(files.items()))) == encode(files)
    assert decode(encode(files)) == files


@settings(max_examples=25)  # each loads a whole bundle
@given(st.data())
def test_any_other_byte_is_another_form(data: st.DataObject) -> None:
    content = canonical(SAMPLE_BUNDLE)
    at = data.draw(st.integers(0, len(content) - 1))
    other = bytes([data.draw(st.integers(0, 255).filter(lambda b: b != content[at]))])
    changed = content[:at] + other + content[at + 1 :]
    try:
        bundle = bundle_from_bytes(changed)
    except BundleError:
        return
    assert bundle.sha256 == sha256(changed).digest() != sha256(content).digest()


def test_a_directory_and_its_bytes_are_the_same_bundle(tmp_path: Path) -> None:
    content = canonical(SAMPLE_BUNDLE)
    for name, text in reversed(decode(content).items()):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    assert canonical(tmp_path) == content
    assert load_bundle(tmp_path) == bundle_from_bytes(content)
    assert load_bundle(tmp_path).sha256 == sha256(content).digest()


def test_other_files_and_hidden_names_are_passed_over(folder: Path) -> None:
    before = canonical(folder)
    (folder / "README.md").write_text("not part of the bundle", encoding="utf-8")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.yaml").write_text("a: 1", encoding="utf-8")
    (folder / ".bundle.yaml").write_text("a: 1", encoding="utf-8")
    assert canonical(folder) == before


def test_line_ends_are_kept(folder: Path) -> None:
    (folder / "bundle.yaml").write_bytes(b"name: a\r\n")
    assert decode(canonical(folder))["bundle.yaml"] == "name: a\r\n"


def test_a_path_that_is_no_directory_is_refused(folder: Path) -> None:
    assert "is not a directory; give the directory" in problem(folder / "bundle.yaml")
    assert "is not a directory" in problem(folder / "absent")


@pytest.mark.parametrize("target", ["places.yaml", "../elsewhere"])
def test_symbolic_links_are_refused(folder: Path, target: str) -> None:
    link = folder / ("law/linked.yaml" if target.endswith(".yaml") else "linked")
    (folder.parent / "elsewhere").mkdir(exist_ok=True)
    link.symlink_to(target)
    text = problem(folder)
    assert text.startswith(link.relative_to(folder).as_posix())
    assert "is a symbolic link; put the file itself into the bundle" in text


def test_a_link_to_the_whole_bundle_is_followed(folder: Path) -> None:
    link = folder.parent / f"{folder.name}-current"
    link.symlink_to(folder)
    assert canonical(link) == canonical(folder)


def test_text_that_is_not_utf_8_is_refused_with_its_line(folder: Path) -> None:
    (folder / "bundle.yaml").write_bytes("a: 1\nb: å\n".encode("latin-1"))
    assert problem(folder) == "bundle.yaml:2: is not UTF-8; save the file with the encoding UTF-8"


def test_a_huge_file_is_refused(folder: Path) -> None:
    (folder / "bundle.yaml").write_bytes(b"#" * (module.MAX_FILE_BYTES + 1))
    assert "bundle.yaml: is larger than 1048576 bytes" in problem(folder)
    (folder / "bundle.yaml").write_bytes(b"#" * module.MAX_FILE_BYTES)
    canonical(folder)


def test_too_many_files_are_refused(folder: Path) -> None:
    for i in range(module.MAX_FILES - 2):
        (folder / f"x{i}.yaml").write_bytes(b"")
    content = canonical(folder)
    assert len(decode(content)) == module.MAX_FILES
    (folder / "one_more.yaml").write_bytes(b"")
    assert "101 files, more than 100" in problem(folder)
    with pytest.raises(BundleError, match="101 files, more than 100"):
        decode(encode({**decode(content), "one_more.yaml": ""}))


@pytest.mark.parametrize("name", ["Recipients.yaml", "två.yaml", "a b.yaml", "law.d/x.yaml"])
def test_names_that_could_sort_differently_are_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    assert f"{name}: has a name that a bundle cannot hold" in problem(folder)


def test_the_other_suffix_is_not_overlooked(folder: Path) -> None:
    (folder / "systems.yml").write_bytes(b"")
    assert problem(folder) == "systems.yml: would not be read; rename it to .yaml"


def test_what_is_no_plain_file_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")
    assert problem(folder) == "pipe.yaml: is not a plain file; put a file in its place"


def test_a_file_that_cannot_be_opened_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(BundleError) as caught:
        canonical(folder)
    assert [p.file for p in caught.value.problems] == ["bundle.yaml", "law/places.yaml"]
    assert "cannot be read (Input/output error)" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a JSON object of file texts"),
        (b"\xff", "is not a JSON object of file texts"),
        (b"[]", "is not a JSON object of file texts"),
        (b'{"bundle.yaml":1}', "is not a JSON object of file texts"),
        (b'{"a.yaml":"\\ud800"}', "is not"),
        (b'{"b.yaml":"", "a.yaml":""}', "is JSON but not in RFC 8785 form"),
        (b'{"a.yaml":"1","a.yaml":"2"}', "is JSON but not in RFC 8785 form"),
        (b'{"a.yaml":"\\u0041"}', "is JSON but not in RFC 8785 form"),
        (b'{"../a.yaml":""}', "has a name that a bundle cannot hold"),
        (json.dumps({"a.yaml": "x" * (1 << 20) + "x"}, separators=(",", ":")).encode(), "is larger than"),
        (b"x" * (module.MAX_CANONICAL_BYTES + 1), "has more than"),
    ],
    ids=lambda value: str(value[:24]),
)
def test_bytes_that_are_not_the_form_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        decode(content)
