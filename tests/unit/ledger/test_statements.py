"""What a log says besides checkpoints: successions that lead from key to key, and nothing that misleads."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ansvar.ledger.checkpoint import Checkpoint, cosign_mldsa, ed25519_key, mldsa_key, open_checkpoint, sign
from ansvar.ledger.errors import BadSignature, LedgerError, Malformed
from ansvar.ledger.notes import COSIGNATURE_ED25519, MAX_NUMBER, Note, VerifierKey
from ansvar.ledger.statements import (
    Succession,
    Verified,
    followed,
    join_notes,
    open_statement,
    sign_statement,
    split_notes,
)

ORIGIN = "ansvar/0192d3a4-0000-7000-8000-000000000001/0"
OTHER = "ansvar/0192d3a4-0000-7000-8000-000000000001/1"
TREE = Checkpoint(ORIGIN, 5, bytes(range(32)))

times = st.integers(0, MAX_NUMBER)


class Keys:
    """The two keys of one generation of a log."""

    def __init__(self, generation: int, origin: str = ORIGIN) -> None:
        seed = bytes([generation]) * 32
        self.origin = origin
        self.ed25519 = Ed25519PrivateKey.from_private_bytes(seed)
        self.mldsa = MLDSA44PrivateKey.from_seed_bytes(seed)
        self.public = (
            ed25519_key(origin, self.ed25519.public_key()),
            mldsa_key(origin, self.mldsa.public_key()),
        )

    def succeeded_by(self, after: Keys, since: int = 100, until: int = 200) -> bytes:
        """The note in which these keys name those that follow."""
        return sign_statement(
            Succession(after.origin, *after.public, since, until), self.origin, self.ed25519
        ).encode()


G = [Keys(n) for n in range(5)]
CHAIN = [before.succeeded_by(after) for before, after in pairwise(G)]


@given(times, times)
def test_a_succession_comes_back(one: int, other: int) -> None:
    succession = Succession(ORIGIN, *G[1].public, min(one, other), max(one, other))
    assert Succession.parse(succession.text()) == succession
    note = sign_statement(succession, ORIGIN, G[0].ed25519)
    text, key = open_statement(note.encode(), G[0].public)
    assert (Succession.parse(text), key) == (succession, G[0].public[0])


@given(st.integers(0, MAX_NUMBER), st.binary(min_size=32, max_size=32), times)
def test_a_verification_comes_back(size: int, root: bytes, time: int) -> None:
    verified = Verified(Checkpoint(ORIGIN, size, root), time)
    assert Verified.parse(verified.text()) == verified
    text, _ = open_statement(sign_statement(verified, ORIGIN, G[0].ed25519).encode(), G[0].public)
    assert Verified.parse(text) == verified


def test_successions_lead_over_generations() -> None:
    assert followed(G[0].public, []) == G[0].public
    for last in range(len(G)):
        keys = followed(G[0].public, CHAIN[:last])
        assert keys == tuple(key for each in G[: last + 1] for key in each.public)
    assert followed(G[0].public, [*CHAIN, *CHAIN]) == followed(G[0].public, CHAIN)
    assert followed((G[0].public[0],), CHAIN[:1]) == (G[0].public[0], *G[1].public)


@pytest.mark.parametrize("begin", range(1, 5))
def test_a_newer_key_is_enough_to_begin_with(begin: int) -> None:
    """What led to it is signed by keys that its holder need not know."""
    assert followed(G[begin].public, CHAIN) == tuple(key for each in G[begin:] for key in each.public)


def test_a_missing_link_leads_nowhere() -> None:
    assert followed(G[0].public, [CHAIN[0], CHAIN[2], CHAIN[3]]) == G[0].public + G[1].public
    assert followed(G[0].public, reversed(CHAIN)) == G[0].public + G[1].public


def test_a_succession_of_another_log_is_passed_over() -> None:
    theirs = [Keys(n, OTHER) for n in (7, 8)]
    foreign = theirs[0].succeeded_by(theirs[1])
    assert followed(G[0].public, [foreign, *CHAIN[:1]]) == G[0].public + G[1].public
    both = followed([*G[0].public, *theirs[0].public], [foreign, *CHAIN[:1]])
    assert both == (*G[0].public, *theirs[0].public, *theirs[1].public, *G[1].public)
    taken = Keys(7, OTHER).succeeded_by(G[3])  # a key of one log names keys of another
    assert followed([*G[0].public, *theirs[0].public], [taken]) == (*G[0].public, *theirs[0].public)


@pytest.mark.parametrize("last", range(1, 5))
def test_keys_that_succeed_each_other_in_a_circle_are_refused(last: int) -> None:
    back = G[last].succeeded_by(G[0])
    assert followed(G[0].public, [back]) == G[0].public  # nobody here knows that generation yet
    with pytest.raises(BadSignature, match="in a circle"):
        followed(G[0].public, [*CHAIN[:last], back])
    with pytest.raises(BadSignature, match="in a circle"):
        followed(G[0].public, [G[0].succeeded_by(G[0])])


def test_a_key_has_one_successor() -> None:
    """Whoever finds an old key can name another one with it; beside the first, that shows."""
    stolen = G[0].succeeded_by(Keys(66), 500, 600)
    for successions in ([CHAIN[0], stolen], [stolen, CHAIN[0]], [*CHAIN, stolen]):
        with pytest.raises(BadSignature, match="two different successors"):
            followed(G[0].public, successions)
    assert followed(G[1].public, [*CHAIN, stolen]) == followed(G[1].public, CHAIN)  # who pinned anew
    other = sign_statement(
        Succession(ORIGIN, G[1].public[0], Keys(66).public[1], 100, 200), ORIGIN, G[0].ed25519
    ).encode()
    with pytest.raises(BadSignature, match="two different successors"):
        followed(G[0].public, [CHAIN[0], other])


def test_a_stranger_cannot_name_keys() -> None:
    stranger, chosen = Keys(66), Keys(67)
    assert followed(G[0].public, [stranger.succeeded_by(chosen)]) == G[0].public
    note = Note.parse(CHAIN[0])
    claimed = replace(note.signatures[0], blob=stranger.ed25519.sign(note.text.encode()))
    with pytest.raises(BadSignature, match="does not verify"):
        followed(G[0].public, [Note(note.text, (claimed,)).encode()])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("until 200", "until 999"),
        ("since 100", "since 1"),
        ("\nansvar/0192d3a4-0000-7000-8000-000000000001/0\n", "\n" + OTHER + "\n"),
    ],
)
def test_an_altered_succession_is_refused(old: str, new: str) -> None:
    note = Note.parse(CHAIN[0])
    assert note.text.count(old) == 1
    altered = Note(note.text.replace(old, new), note.signatures)
    with pytest.raises((BadSignature, Malformed)):
        followed(G[0].public, [altered.encode()])
    with pytest.raises(BadSignature):
        open_statement(altered.encode(), G[0].public)


def test_one_bad_signature_of_a_known_key_spoils_the_rest() -> None:
    note = Note.parse(CHAIN[0])
    by_second = sign_statement(Succession.parse(note.text), ORIGIN, G[1].ed25519).signatures[0]
    both = [*G[0].public, *G[1].public]
    good = note.with_signatures(by_second)
    assert open_statement(good.encode(), both)[0] == note.text
    bad = Note(note.text, (note.signatures[0], replace(by_second, blob=bytes(64))))
    assert open_statement(bad.encode(), G[0].public)[1] == G[0].public[0]  # of an unknown key: ignored
    with pytest.raises(BadSignature, match="does not verify"):
        open_statement(bad.encode(), both)
    for blob in (b"x", bytes(63), bytes(65)):
        with pytest.raises(BadSignature):
            open_statement(Note(note.text, (replace(by_second, blob=blob),)).encode(), both)


def test_only_a_note_key_of_the_log_signs_statements() -> None:
    """Neither a cosigner's key nor the ML-DSA-44 key of the log itself, though it be trusted."""
    succession = Succession.parse(Note.parse(CHAIN[0]).text)
    cosigner = VerifierKey(ORIGIN, COSIGNATURE_ED25519, G[0].public[0].public)
    with pytest.raises(BadSignature, match="no key that is trusted"):
        open_statement(CHAIN[0], [cosigner, G[0].public[1]])
    assert followed([cosigner, G[0].public[1]], CHAIN) == (cosigner, G[0].public[1])
    other = sign_statement(succession, "ansvar", G[0].ed25519)
    with pytest.raises(BadSignature, match="no key that is trusted"):
        open_statement(other.encode(), G[0].public)


LINES = Succession(ORIGIN, *G[1].public, 100, 200).text().split("\n")


@pytest.mark.parametrize(
    ("line", "text", "where"),
    [
        (0, "ansvar/verified/v1", "line 1"),
        (0, ORIGIN, "line 1"),
        (1, OTHER, "lines 3 and 4"),
        (2, LINES[2][:-4] + "AAA=", "line 3"),
        (2, LINES[3], "lines 3 and 4"),
        (3, LINES[2], "lines 3 and 4"),
        (3, str(Keys(1, OTHER).public[1]), "lines 3 and 4"),
        (2, "no key", "line 3"),
        (3, LINES[3].replace("+", "+0", 1), "line 4"),
        (4, "since  100", "line 5"),
        (4, "since 0100", "line 5"),
        (4, "until 100", "line 5"),
        (4, "since 201", "line 6"),
        (5, "until -1", "line 6"),
        (5, "until 9223372036854775808", "line 6"),
        (5, "until ", "line 6"),
        (6, "more", "line 1"),
    ],
)
def test_malformed_successions(line: int, text: str, where: str) -> None:
    lines = [*LINES[:line], text, *LINES[line + 1 :]]
    with pytest.raises(Malformed) as caught:
        Succession.parse("\n".join(lines))
    assert caught.value.where == where
    signed = Note("\n".join(LINES), ()).with_signatures(*Note.parse(CHAIN[0]).signatures)
    assert Succession.parse(signed.text).origin == ORIGIN


@pytest.mark.parametrize("cut", range(len(LINES)))
def test_successions_with_a_line_missing_or_added(cut: int) -> None:
    for lines in ([*LINES[:cut], *LINES[cut + 1 :]], [*LINES[:cut], "x", *LINES[cut:]]):
        with pytest.raises(Malformed):
            Succession.parse("\n".join(lines))


VERIFIED = Verified(TREE, 7).text().split("\n")


@pytest.mark.parametrize(
    ("line", "text", "where"),
    [
        (0, "ansvar/verified/v2", "line 1"),
        (1, "", "line 1"),
        (2, "05", "line 2"),
        (3, "AAAA", "line 3"),
        (4, "time", "line 5"),
        (4, "time 7 ", "line 5"),
        (4, "time 07", "line 5"),
    ],
)
def test_malformed_verifications(line: int, text: str, where: str) -> None:
    with pytest.raises(Malformed) as caught:
        Verified.parse("\n".join([*VERIFIED[:line], text, *VERIFIED[line + 1 :]]))
    assert caught.value.where == where


@given(
    st.text(max_size=80) | st.lists(st.sampled_from([*LINES, *VERIFIED, "", "\n"]), max_size=9).map("\n".join)
)
def test_whatever_is_read_is_written_so_again(text: str) -> None:
    for kind in (Succession, Verified):
        try:
            found = kind.parse(text)
        except Malformed:
            continue
        assert found.text() == text


@given(st.binary(max_size=200), st.integers(0, len(CHAIN[0]) - 1), st.integers(0, 255))
def test_bytes_that_were_altered_never_pass(junk: bytes, at: int, value: int) -> None:
    flipped = CHAIN[0][:at] + bytes([value]) + CHAIN[0][at + 1 :]
    for data in (junk, flipped):
        try:
            keys = followed(G[0].public, [data])
        except LedgerError:
            continue
        assert keys == G[0].public or data == CHAIN[0]


def test_a_statement_is_no_checkpoint_and_a_checkpoint_no_statement() -> None:
    statements = [
        sign_statement(Verified(TREE, 7), ORIGIN, G[0].ed25519).encode(),
        CHAIN[0],
    ]
    for statement in statements:
        with pytest.raises(LedgerError):
            open_checkpoint(statement, G[0].public)
        with pytest.raises(LedgerError):
            open_checkpoint(statement, G[0].public, origin=ORIGIN)
    note = Note(TREE.text(), (sign(TREE, ORIGIN, G[0].ed25519), cosign_mldsa(TREE, ORIGIN, G[0].mldsa, 1)))
    text, _ = open_statement(note.encode(), G[0].public)  # signed by that key, but by no name a statement
    for kind in (Succession, Verified):
        with pytest.raises(Malformed) as caught:
            kind.parse(text)
        assert caught.value.where == "line 1"
    with pytest.raises(Malformed):
        followed(G[0].public, [note.encode()])
    with pytest.raises(Malformed):
        Succession.parse(Note.parse(statements[0]).text)
    with pytest.raises(Malformed):
        Verified.parse(Note.parse(statements[1]).text)


lines = st.text("aé+/ 01—", min_size=1, max_size=6)
texts = st.lists(lines, min_size=1, max_size=4).map(lambda found: "".join([line + "\n" for line in found]))


@given(st.lists(st.tuples(texts, texts).map(lambda pair: f"{pair[0]}\n{pair[1]}".encode()), max_size=6))
def test_files_of_notes_are_taken_apart_as_they_were_put_together(notes: list[bytes]) -> None:
    assert split_notes(join_notes(notes)) == notes
    appended = b""
    for note in notes:  # as an anchor file grows
        appended += (b"\n" if appended else b"") + note
    assert split_notes(appended) == notes


@given(st.integers(0, 3), st.data())
def test_a_file_that_was_cut_is_not_taken_for_a_whole_one(whole: int, data: st.DataObject) -> None:
    """Cut between notes it is a shorter file; else it is refused, or its last note is."""
    file = join_notes(CHAIN)
    ends = [len(join_notes(CHAIN[:n])) for n in range(len(CHAIN) + 1)]
    cut = data.draw(st.integers(ends[whole] + 1, ends[whole + 1] - 1))
    try:
        found = split_notes(file[:cut])
    except Malformed:
        return
    assert found[: len(found) - 1] == CHAIN[: len(found) - 1]
    if found != CHAIN[: len(found)]:
        with pytest.raises(Malformed):
            Note.parse(found[-1])


def test_an_empty_file_holds_no_note() -> None:
    assert split_notes(b"") == []
    assert join_notes([]) == b""
    for bad in (b"\n", b"text\n", b"text\n\nsignature", b"a\n\nb\n\nc\n"):
        with pytest.raises(Malformed, match="file of notes, end"):
            split_notes(bad)
