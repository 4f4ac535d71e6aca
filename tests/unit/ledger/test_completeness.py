"""The index of a chain's keys: one root for one content, and no row left out, added, exchanged or altered."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.ledger import completeness
from ansvar.ledger.completeness import (
    AUTHORITIES,
    Commitment,
    Index,
    Key,
    keys,
    parse_commitment,
    tags,
    verify_between,
    verify_complete,
    verify_name_tag,
)
from ansvar.ledger.errors import Malformed, Unproved
from ansvar.ledger.row import Row
from ansvar.ledger.sparse_tree import EMPTY, Entry, MapProof, Other, SparseTree, parse_proof, verify_entry
from ansvar.store.client import Store
from rows import company_chain, sealed
from stores import engine as engine
from stores import fill
from stores import new_store as new_store
from stores import store as store

HASHES = st.binary(min_size=32, max_size=32)
# HMACs differ in their first bits; tags that share almost all of theirs make the deepest trees.
TAGS = st.one_of(
    HASHES,
    st.builds(lambda first, last: bytes([first]) + bytes(30) + bytes([last]), *[st.integers(0, 255)] * 2),
)
ENTRIES = st.builds(Entry, st.integers(1, 2**64 - 1), HASHES)
MAPS = st.dictionaries(TAGS, ENTRIES, max_size=40)
NOTES = st.lists(st.tuples(st.sampled_from([bytes([n]) * 32 for n in range(6)]), HASHES), max_size=40)
SECRET = bytes(range(32))
NAMES = hashlib.sha256(SECRET).digest()


def tree(entries: Mapping[bytes, Entry]) -> SparseTree:
    made = SparseTree()
    made.update(entries)
    return made


def defined(entries: Mapping[bytes, Entry], depth: int = 0) -> bytes:
    """The root as docs/completeness.md defines it, from nothing but the entries."""
    if not entries:
        return bytes(32)
    if len(entries) == 1:
        [(tag, entry)] = entries.items()
        value = hashlib.sha256(b"\3" + entry.rows.to_bytes(8, "big") + entry.running).digest()
        return hashlib.sha256(b"\4" + tag + value).digest()
    halves: tuple[dict[bytes, Entry], dict[bytes, Entry]] = ({}, {})
    for tag, entry in entries.items():
        halves[tag[depth // 8] >> (7 - depth % 8) & 1][tag] = entry
    return hashlib.sha256(b"\5" + defined(halves[0], depth + 1) + defined(halves[1], depth + 1)).digest()


def noted(*leaves: bytes) -> Entry:
    """The running hash as docs/completeness.md defines it."""
    running = bytes(32)
    for leaf in leaves:
        running = hashlib.sha256(b"\2" + running + leaf).digest()
    return Entry(len(leaves), running)


@given(MAPS)
def test_the_root_is_the_defined_one(entries: dict[bytes, Entry]) -> None:
    assert tree(entries).root == defined(entries)


@given(st.lists(MAPS, max_size=5))
def test_step_by_step_is_the_same_as_at_once(steps: list[dict[bytes, Entry]]) -> None:
    made, together = SparseTree(), dict[bytes, Entry]()
    for step in steps:
        made.update(step)
        together |= step
        assert made.root == defined(together)
        for tag in step:
            assert made.prove(tag) == tree(together).prove(tag)


@given(MAPS, st.lists(TAGS, max_size=5))
def test_every_tag_has_its_answer_and_no_other(entries: dict[bytes, Entry], more: list[bytes]) -> None:
    made = tree(entries)
    for tag in [*entries, *more]:
        proof = made.prove(tag)
        assert verify_entry(made.root, tag, proof) == entries.get(tag)
        assert parse_proof(proof.encode()) == proof


@given(MAPS.filter(bool), st.data())
def test_a_present_tag_cannot_be_shown_absent(entries: dict[bytes, Entry], data: st.DataObject) -> None:
    made = tree(entries)
    tag = data.draw(st.sampled_from(sorted(entries)))
    proof = made.prove(tag)
    other = data.draw(st.sampled_from([None, *(Other(one, entry.value()) for one, entry in entries.items())]))
    elsewhere = made.prove(data.draw(st.one_of(TAGS, st.sampled_from(sorted(entries)))))
    depth = data.draw(st.integers(0, len(proof.siblings)))
    claims = [MapProof(proof.siblings[:depth], other), MapProof(elsewhere.siblings, other)]
    if not isinstance(elsewhere.found, Entry):
        claims.append(elsewhere)
    for claim in claims:
        with pytest.raises(Unproved):
            verify_entry(made.root, tag, claim)


@given(MAPS, TAGS, ENTRIES, st.data())
def test_an_absent_tag_cannot_be_shown_present(
    entries: dict[bytes, Entry], tag: bytes, entry: Entry, data: st.DataObject
) -> None:
    made = tree({one: value for one, value in entries.items() if one != tag})
    proof = made.prove(tag)
    elsewhere = made.prove(data.draw(TAGS))
    claimed = data.draw(st.sampled_from([entry, *entries.values()]))
    for siblings in (proof.siblings, elsewhere.siblings, elsewhere.siblings[:-1]):
        with pytest.raises(Unproved):
            verify_entry(made.root, tag, MapProof(siblings, claimed))


@given(MAPS.filter(bool), TAGS, st.data())
def test_a_flipped_bit_is_refused(entries: dict[bytes, Entry], tag: bytes, data: st.DataObject) -> None:
    made = tree(entries)
    asked = data.draw(st.sampled_from([tag, *sorted(entries)]))
    encoded = bytearray(made.prove(asked).encode())
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    with pytest.raises((Malformed, Unproved)):
        verify_entry(made.root, asked, parse_proof(bytes(encoded)))


def test_an_entry_at_a_wrong_place_shows_no_absence() -> None:
    """A root that nobody who follows the definition makes: an entry in the half where its tag is not."""
    misplaced = Other(b"\xff" * 32, bytes(32))
    leaf = hashlib.sha256(b"\4" + misplaced.tag + misplaced.value).digest()
    root = hashlib.sha256(b"\5" + leaf + EMPTY).digest()
    with pytest.raises(Unproved, match="does not stand in this tag's place"):
        verify_entry(root, bytes(32), MapProof((EMPTY,), misplaced))


def test_every_flipped_bit_of_three_proofs_is_refused() -> None:
    made = tree({hashlib.sha256(bytes([n])).digest(): noted(bytes(32)) for n in range(20)})
    found = set()
    for name in (b"\0", b"absent", b"absent too", b"c", b"d", b"e"):
        asked = hashlib.sha256(name).digest()
        encoded = made.prove(asked).encode()
        found.add(encoded[1])
        for bit in range(8 * len(encoded)):
            changed = bytearray(encoded)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises((Malformed, Unproved)):
                verify_entry(made.root, asked, parse_proof(bytes(changed)))
    assert found == {0, 1, 2}, "nothing, an own entry and another's were all tried"


@given(
    st.one_of(
        st.binary(max_size=300),
        st.builds(
            lambda kind, depth, rest: bytes((1, kind)) + depth.to_bytes(2, "big") + rest,
            st.integers(0, 3),
            st.integers(0, 260),
            st.binary(max_size=200),
        ),
    )
)
def test_any_bytes_are_a_proof_or_malformed(data: bytes) -> None:
    try:
        proof = parse_proof(data)
    except Malformed:
        return
    assert proof.encode() == data


@pytest.mark.parametrize("hexed", ["", "01", "02000000", "01030000", "01000101", "01000100", "010000080080"])
def test_what_is_no_proof(hexed: str) -> None:
    with pytest.raises(Malformed, match="index proof"):
        parse_proof(bytes.fromhex(hexed))


def test_an_empty_sibling_has_one_form() -> None:
    proof = MapProof((EMPTY, b"\1" * 32), None)
    assert proof.encode().hex() == "01000002" + "40" + "01" * 32
    with pytest.raises(Malformed, match="written as a bit"):
        parse_proof(bytes.fromhex("01000002" + "c0" + "00" * 32 + "01" * 32))
    with pytest.raises(Malformed, match="beyond depth 2"):
        parse_proof(bytes.fromhex("01000002" + "60" + "01" * 64))


@pytest.mark.parametrize(
    ("siblings", "found"),
    [
        ((bytes(31),), None),
        ((bytes(32),) * 257, None),
        ((), Entry(0, bytes(32))),
        ((), Entry(2**64, bytes(32))),
        ((), Entry(1, bytes(31))),
        ((), Other(bytes(32), b"")),
    ],
)
def test_parts_of_a_wrong_size(siblings: tuple[bytes, ...], found: Entry | Other | None) -> None:
    with pytest.raises(Malformed):
        MapProof(siblings, found)


def test_tags_and_roots_of_a_wrong_size() -> None:
    with pytest.raises(Malformed, match="32 bytes"):
        verify_entry(EMPTY, b"short", MapProof((), None))
    with pytest.raises(Malformed, match="32 bytes"):
        verify_entry(b"", bytes(32), MapProof((), None))
    index = Index()
    index.note(b"short", bytes(32))
    with pytest.raises(Malformed, match="32 bytes"):
        index.commit()


@given(NOTES, st.randoms(use_true_random=False))
def test_the_order_among_keys_does_not_matter(notes: list[tuple[bytes, bytes]], dice: object) -> None:
    by_tag: dict[bytes, list[bytes]] = {}
    one, other = Index(), Index()
    for tag, leaf in notes:
        by_tag.setdefault(tag, []).append(leaf)
        one.note(tag, leaf)
    waiting = {tag: list(leaves) for tag, leaves in by_tag.items()}
    while waiting:
        tag = dice.choice(sorted(waiting))  # type: ignore[attr-defined]
        other.note(tag, waiting[tag].pop(0))
        if not waiting[tag]:
            del waiting[tag]
    assert one.commit() == other.commit() == defined({tag: noted(*some) for tag, some in by_tag.items()})
    assert one.size == len(by_tag)


@given(st.lists(NOTES, max_size=4))
def test_commits_in_steps_and_a_new_beginning(steps: list[list[tuple[bytes, bytes]]]) -> None:
    stepwise, at_once, stored = Index(), Index(), dict[bytes, Entry]()
    for step in steps:
        for tag, leaf in step:
            stepwise.note(tag, leaf)
            at_once.note(tag, leaf)
        stored |= stepwise.noted
        before = stepwise.root
        assert all(verify_entry(before, tag, stepwise.prove(tag)) != stored[tag] for tag in stepwise.noted)
        assert stepwise.commit() == Index(stored).root
        assert not stepwise.noted
    assert stepwise.root == at_once.commit()


@given(st.lists(HASHES, min_size=1, max_size=12, unique=True), st.data())
def test_only_all_rows_in_order_are_complete(leaves: list[bytes], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(leaves)))
    before, after = (noted(*leaves[:cut]) if cut else None), noted(*leaves)
    verify_complete(None, leaves, after)
    verify_complete(before, leaves[cut:], after)
    shown = leaves[cut:]
    at = data.draw(st.integers(0, max(len(shown) - 1, 0)))
    more = data.draw(HASHES)
    with pytest.raises(Unproved, match=f"1 rows more than the {len(shown)}"):
        verify_complete(before, [*shown[:at], more, *shown[at:]], after)
    if not shown:
        return
    with pytest.raises(Unproved, match=f"1 of {len(shown)} rows are missing"):
        verify_complete(before, shown[:at] + shown[at + 1 :], after)
    altered = bytes([shown[at][0] ^ 1]) + shown[at][1:]
    with pytest.raises(Unproved):
        verify_complete(before, [*shown[:at], altered, *shown[at + 1 :]], after)
    with pytest.raises(Unproved):
        verify_complete(after, shown, after)
    if len(shown) > 1:
        first, second = sorted(
            data.draw(st.sets(st.integers(0, len(shown) - 1), min_size=2, max_size=2)),
        )
        exchanged = list(shown)
        exchanged[first], exchanged[second] = shown[second], shown[first]
        with pytest.raises(Unproved, match="others or in another order"):
            verify_complete(before, exchanged, after)
        doubled = list(shown)
        doubled[second] = shown[first]
        with pytest.raises(Unproved, match=f"row {second + 1} of {len(shown)} is there twice"):
            verify_complete(before, doubled, after)


def test_what_completeness_says() -> None:
    one, two, three = (bytes([n]) * 32 for n in range(3))
    verify_complete(None, [], None)
    verify_complete(noted(one), [], noted(one))
    with pytest.raises(Unproved, match="2 of 3 rows are missing"):
        verify_complete(None, [one], noted(one, two, three))
    with pytest.raises(Unproved, match="1 rows more than the 0 committed"):
        verify_complete(None, [one], None)
    with pytest.raises(Unproved, match="1 rows were committed first and 0 later"):
        verify_complete(noted(one), [], None)
    with pytest.raises(Unproved, match="no row lies between two entries that differ"):
        verify_complete(noted(one), [], noted(two))
    with pytest.raises(Malformed, match="32 bytes"):
        verify_complete(None, [b"short"], noted(one))


def row(**columns: object) -> Row:
    return replace(company_chain(0, 2)[0], **columns)


def test_the_keys_of_a_row() -> None:
    someone = bytes(range(16))
    assert keys(row()) == ()
    assert keys(row(kind="processing", subject=someone)) == (Key("subject", someone),)
    assert keys(row(kind="transfer", subject=someone, recipient="molnet", via="driften")) == (
        Key("subject", someone),
        Key("recipient", b"molnet"),
        Key("recipient", b"driften"),
    )
    assert keys(row(recipient="molnet", via="molnet")) == (Key("recipient", b"molnet"),)
    to_authority = row(kind="disclosure", recipient="polisen", recipient_type="authority", stage="intent")
    assert keys(to_authority) == (Key("recipient", b"polisen"), AUTHORITIES)
    assert keys(row(kind="disclosure", recipient="banken", recipient_type="other")) == (
        Key("recipient", b"banken"),
    )
    assert keys(row(kind="transfer", recipient_type="authority")) == ()


def test_a_key_that_is_gone_has_no_tag() -> None:
    both = row(kind="transfer", subject=bytes(range(16)), recipient="molnet")

    def without_subjects(key: Key) -> bytes | None:
        return None if key.kind == "subject" else completeness.tag(SECRET, key)

    assert tags(both, without_subjects) == [completeness.tag(SECRET, Key("recipient", b"molnet"))]


def test_the_tag_is_frozen() -> None:
    expected = hmac.digest(SECRET, b"ansvar/index/tag/v1\0recipient\0molnet", "sha256")
    assert completeness.tag(SECRET, Key("recipient", b"molnet")) == expected
    commitment = Commitment(7, 3, 1, b"\1" * 32, NAMES)
    assert verify_name_tag(commitment, SECRET, Key("recipient", b"molnet")) == expected
    with pytest.raises(Unproved, match="not made with this index key"):
        verify_name_tag(commitment, bytes(32), AUTHORITIES)
    with pytest.raises(Unproved, match="ask for the subject's own"):
        verify_name_tag(commitment, SECRET, Key("subject", bytes(16)))


def test_what_an_index_row_says() -> None:
    commitment = Commitment(9, 4, 12, b"\1" * 32, b"\2" * 32)
    written = f'{{"keys":12,"names":"{"02" * 32}","root":"{"01" * 32}","since":4}}'
    assert commitment.extra() == written
    assert parse_commitment(9, written) == commitment
    begun = Commitment(4, 4, 0, EMPTY, NAMES)
    assert parse_commitment(4, begun.extra()) == begun
    changes = [("12", "012"), ("12", "1" * 16), ("12", "0"), (":4", ":10"), (":4", ":9"), (":4", ":-1")]
    changes += [
        ("01", "00"),
        ("01", "0A"),
        ("01", "1"),
        (",", ", "),
        ("}", "}\n"),
        (written, "{}"),
        (written, ""),
    ]
    for old, new in changes:
        with pytest.raises(Malformed, match="index row, seq 9"):
            parse_commitment(9, written.replace(old, new))


@given(st.text(max_size=40), st.integers(0, 2**64 - 1))
def test_any_text_is_a_commitment_or_malformed(text: str, seq: int) -> None:
    with pytest.raises(Malformed):
        parse_commitment(seq, text)


def test_a_chain_with_index_rows() -> None:
    """Every key of a company's chain, between any two of four `index` rows."""
    rows = company_chain(0, 200)
    leaves = [block[-32:] for block in sealed(rows)]

    def tag_of(key: Key) -> bytes:
        return completeness.tag(SECRET, key)

    at = (20, 25, 26, 199)  # as if these rows were the `index` rows
    index, kept = Index(), list[tuple[Commitment, dict[bytes, MapProof]]]()
    everyone = {tag for one in rows for tag in tags(one, tag_of)} | {bytes(32)}
    for seq, one in enumerate(rows):
        if seq in at:
            index.commit()
            commitment = Commitment(seq, at[0], index.size, index.root, NAMES)
            kept.append((commitment, {tag: index.prove(tag) for tag in everyone}))
        elif seq > at[0]:
            for tag in tags(one, tag_of):
                index.note(tag, leaves[seq])
    assert [one.keys for one, _ in kept] == [0, 3, 3, 11]
    for number, (first, before) in enumerate(kept):
        for last, after in kept[number:]:
            between = [seq for seq in range(first.seq + 1, last.seq) if seq not in at]
            for tag in everyone:
                own = [leaves[seq] for seq in between if tag in tags(rows[seq], tag_of)]
                verify_between(tag, (first, before[tag]), (last, after[tag]), own)
                for wrong in (own[1:], own[::-1], [*own, leaves[0]]):
                    if wrong != own:
                        with pytest.raises(Unproved):
                            verify_between(tag, (first, before[tag]), (last, after[tag]), wrong)


def test_two_index_rows_that_do_not_go_together() -> None:
    tag, nothing = bytes(32), MapProof((), None)
    older, newer = Commitment(4, 4, 0, EMPTY, NAMES), Commitment(9, 4, 0, EMPTY, NAMES)
    verify_between(tag, (older, nothing), (newer, nothing), [])
    with pytest.raises(Unproved, match="index row 4 stands before 9"):
        verify_between(tag, (newer, nothing), (older, nothing), [])
    for anew in (Commitment(9, 9, 0, EMPTY, NAMES), Commitment(9, 4, 0, EMPTY, bytes(32))):
        with pytest.raises(Unproved, match="began anew between rows 4 and 9"):
            verify_between(tag, (older, nothing), (anew, nothing), [])


def test_the_written_query_is_the_fold(store: Store) -> None:
    """The SQL of docs/completeness.md gives each subject's entry, from rows alone."""
    page = Path(__file__).parents[3] / "docs" / "completeness.md"
    found = re.search(r"```sql\n(.*?)```", page.read_text(), re.DOTALL)
    assert found is not None
    rows = company_chain(5, 300)
    [stored] = fill(store, rows)
    first, end = 40, 250
    by_subject: dict[bytes, list[bytes]] = {}
    for one, block in zip(rows[first:end], stored[first:end], strict=True):
        if one.subject != bytes(16):
            by_subject.setdefault(one.subject, []).append(block[-32:])
    answer = store.query(found[1], {"chain": 5, "since": first - 1, "index": end})
    got = {bytes(subject): Entry(count, bytes(running)) for subject, count, running in answer}
    assert got == {subject: noted(*leaves) for subject, leaves in by_subject.items()}
