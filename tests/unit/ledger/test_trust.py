"""Trust policies: the specification's example with every subset of witnesses, and every line it forbids."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansvar.ledger.checkpoint import Checkpoint, OpenedCheckpoint, Signed
from ansvar.ledger.errors import Malformed, NoQuorum
from ansvar.ledger.notes import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Note, VerifierKey
from ansvar.ledger.trust import (
    MAX_ENTRIES,
    MAX_POLICY,
    NO_WITNESSES,
    Group,
    LogEntry,
    TrustPolicy,
    WitnessEntry,
)


def made_up(name: str, number: int, kind: int = COSIGNATURE_ED25519) -> VerifierKey:
    size = 1312 if kind == COSIGNATURE_MLDSA44 else 32
    return VerifierKey(name, kind, number.to_bytes(2, "big") * (size // 2))


LOG = made_up("log.example", 1, ED25519)
NAMES = ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
KEYS = {name: made_up(f"{name}.example", number) for number, name in enumerate(NAMES, 2)}
KEYS["Y3"] = made_up("Y3.example", 9, COSIGNATURE_MLDSA44)
A, B, C = (str(KEYS[name]) for name in ("X1", "X2", "X3"))

# The example of C2SP tlog-policy.
EXAMPLE = f"""log {LOG}

witness X1 {KEYS["X1"]}
witness X2 {KEYS["X2"]}
witness X3 {KEYS["X3"]}
group X-witnesses 2 X1 X2 X3

witness Y1 {KEYS["Y1"]}
witness Y2 {KEYS["Y2"]}
witness Y3 {KEYS["Y3"]}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
""".encode()
SUBSETS = [subset for n in range(7) for subset in itertools.combinations(NAMES, n)]


def signed_by(names: tuple[str, ...], time: int = 1) -> list[Signed]:
    return [Signed(LOG, None), *[Signed(KEYS[name], time) for name in names]]


def opened(signed: list[Signed]) -> OpenedCheckpoint:
    tree = Checkpoint("log.example", 5, bytes(32))
    return OpenedCheckpoint(tree, Note(tree.text(), ()), tuple(signed))


def parse(text: str) -> TrustPolicy:
    return TrustPolicy.parse(text.encode())


def test_the_example_policy() -> None:
    policy = TrustPolicy.parse(EXAMPLE)
    assert policy.log_keys == (LOG,)
    assert policy.witness_keys == tuple(KEYS.values())
    assert policy.groups[0] == Group("X-witnesses", 2, ("X1", "X2", "X3"))
    assert policy.groups[2] == Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses"))
    assert policy.quorum == "X-and-Y"


@pytest.mark.parametrize("subset", SUBSETS, ids="-".join)
def test_every_subset_of_the_examples_witnesses(subset: tuple[str, ...]) -> None:
    policy = TrustPolicy.parse(EXAMPLE)
    enough = len({"X1", "X2", "X3"} & set(subset)) >= 2 and bool({"Y1", "Y2", "Y3"} & set(subset))
    assert policy.satisfied_by(signed_by(subset)) is enough
    if enough:
        policy.check(opened(signed_by(subset)))
    else:
        with pytest.raises(NoQuorum, match="X-and-Y"):
            policy.check(opened(signed_by(subset)))


def test_the_error_names_who_could_still_fill_the_quorum() -> None:
    policy = TrustPolicy.parse(EXAMPLE)
    with pytest.raises(NoQuorum) as caught:
        policy.check(opened(signed_by(("X1", "Y2"))))
    assert str(caught.value).endswith("witnesses 'X2', 'X3'")  # the Y group is met, X1 has signed


def test_one_witness_counts_once_and_strangers_never() -> None:
    policy = parse(f"witness a {A}\nwitness b {B}\nwitness c {C}\ngroup g 2 a b\nquorum g\n")
    twice = [*signed_by(("X1",)), *signed_by(("X1",), time=2)]
    assert not policy.satisfied_by(twice)
    assert not policy.satisfied_by(signed_by(("X1", "X3", "Y1")))  # c is known, but not in the quorum
    assert policy.satisfied_by(signed_by(("X1", "X2")))


def test_a_witness_must_sign_with_the_very_key() -> None:
    policy = parse(f"witness a {A}\nquorum a\n")
    key = KEYS["X1"]
    for other in (VerifierKey("b", key.kind, key.public), VerifierKey(key.name, ED25519, key.public)):
        assert not policy.satisfied_by([Signed(other, 1)])


def test_a_cosignature_without_a_time_is_not_counted() -> None:
    policy = parse(f"witness a {A}\nquorum a\n")
    assert not policy.satisfied_by(signed_by(("X1",), time=0))
    with pytest.raises(NoQuorum, match="timestamped"):
        policy.check(opened(signed_by(("X1",), time=0)))


def test_no_witnesses() -> None:
    assert parse("quorum none\n") == NO_WITNESSES
    assert NO_WITNESSES.satisfied_by([])
    NO_WITNESSES.check(opened([]))
    assert NO_WITNESSES.encode() == b"quorum none\n"


def test_spaces_comments_urls_and_foreign_octets() -> None:
    policy = TrustPolicy.parse(
        b"# \xff a comment\n \t # another\n\n\tlog " + str(LOG).encode() + b" \t https://log.example/\xe5 \n"
        b"witness \xe2\x84\xaa " + A.encode() + b"\nwitness K " + B.encode() + b" https://w.example\n"
        b"witness \xff " + C.encode() + b"\nwitness all " + str(KEYS["Y1"]).encode() + b"\n"
        b"group \xc3\xa5 2 K \xff all\nquorum \xc3\xa5\n# the end\n"
    )
    assert policy.logs == (LogEntry(LOG, "https://log.example/\udce5"),)
    assert [w.name for w in policy.witnesses] == ["\u212a", "K", "\udcff", "all"]
    assert policy.witnesses[1] == WitnessEntry("K", KEYS["X2"], "https://w.example")
    assert policy.groups == (Group("å", 2, ("K", "\udcff", "all")),)
    assert TrustPolicy.parse(policy.encode()) == policy


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("", "end", "no quorum line"),
        (f"witness a {A}\n", "end", "no quorum line"),
        ("quorum none\nquorum none\n", "line 2", "second quorum"),
        ("quorum none", "line 1", "newline"),
        (f"witness a {A}\nquorum a", "line 2", "newline"),
        ("quorum a\n", "line 1", "'a' is not defined"),
        (f"quorum a\nwitness a {A}\n", "line 1", "'a' is not defined"),
        ("quorum\n", "line 1", "in full"),
        ("quorum none none\n", "line 1", "in full"),
        ("Quorum none\n", "line 1", "in full"),
        ("mirror a\n", "line 1", "in full"),
        ("log\n", "line 1", "in full"),
        (f"log {LOG} url more\n", "line 1", "in full"),
        (f"log {str(LOG)[:-1]}\n", "line 1", "base64"),
        (f"log {LOG}\nlog {LOG}\n", "line 2", "same public key"),
        (f"log {LOG}\n\nlog {made_up('other', 1, COSIGNATURE_ED25519)}\n", "line 3", "same public key"),
        ("witness a\n", "line 1", "in full"),
        (f"witness a {A} url more\n", "line 1", "in full"),
        (f"witness a {LOG}\n", "line 1", "0x04 or 0x06"),
        (f"witness none {A}\n", "line 1", "'none' is taken"),
        (f"witness a {A}\nwitness a {B}\n", "line 2", "'a' is taken"),
        (f"witness a {A}\nwitness b {made_up('b', 2)}\n", "line 2", "same public key"),
        (f"witness a {A}\ngroup a any a\n", "line 2", "'a' is taken"),
        (f"witness a {A}\ngroup none any a\n", "line 2", "'none' is taken"),
        (f"witness a {A}\ngroup g any\n", "line 2", "in full"),
        (f"witness a {A}\ngroup g any b\n", "line 2", "'b' is not defined"),
        (f"witness a {A}\ngroup g any g\n", "line 2", "'g' is not defined"),
        (f"witness a {A}\ngroup g any none\n", "line 2", "'none' is not defined"),
        (f"witness a {A}\ngroup g any a a\n", "line 2", "'a' is a member twice"),
        (f"witness a {A}\ngroup g any a\ngroup h any a\n", "line 3", "'a' is a member twice"),
        (f"witness a {A}\ngroup g any a\ngroup h any g a\n", "line 3", "'a' is a member twice"),
        (f"witness a {A}\ngroup g 0 a\n", "line 2", "threshold of 0"),
        (f"witness a {A}\ngroup g 2 a\n", "line 2", "threshold of 2"),
        (f"witness a {A}\ngroup g -1 a\n", "line 2", "threshold"),
        (f"witness a {A}\ngroup g one a\n", "line 2", "threshold"),
        (f"witness a {A}\ngroup g ANY a\n", "line 2", "threshold"),
        (f"witness a {A}\ngroup g {'9' * 5000} a\n", "line 2", "threshold"),
        ("quorum none\r\n", "line 1", "0x0d"),
        ("\nquorum none\x7f\n", "line 2", "0x7f"),
        ("\n\n# \0\n", "line 3", "0x00"),
        ("witness\u00a0a b\n", "line 1", "in full"),
        ("#" * MAX_POLICY + "\n", "length", "at most"),
    ],
)
def test_what_is_no_policy(text: str, where: str, problem: str) -> None:
    with pytest.raises(Malformed, match=re.escape(problem)) as caught:
        parse(text)
    assert caught.value.where == where


def test_a_key_that_is_not_utf8_is_malformed() -> None:
    with pytest.raises(Malformed, match="line 1") as caught:
        TrustPolicy.parse(b"log \xff+00000000+" + str(LOG).split("+", 2)[2].encode() + b"\n")
    str(caught.value).encode()


def test_deep_nesting_is_worked_out_and_too_many_entries_are_refused() -> None:
    lines = [f"witness g0 {A}", *[f"group g{n} any g{n - 1}" for n in range(1, MAX_ENTRIES)]]
    end = f"quorum g{MAX_ENTRIES - 1}\n"
    policy = parse("\n".join([*lines, end]))
    assert policy.satisfied_by(signed_by(("X1",)))
    with pytest.raises(NoQuorum, match="'g0'"):
        policy.check(opened([]))
    with pytest.raises(Malformed, match=f"line {MAX_ENTRIES + 1}: more than"):
        parse("\n".join([*lines, f"witness more {B}", end]))


@st.composite
def policies(draw: st.DrawFn) -> TrustPolicy:
    """Any policy over the made-up witnesses: groups take names that are still free."""
    free = draw(st.lists(st.sampled_from(NAMES), unique=True))
    urls = st.sampled_from([None, "https://w.example/"])
    witnesses = tuple(WitnessEntry(name, KEYS[name], draw(urls)) for name in free)
    groups: list[Group] = []
    for _ in range(draw(st.integers(0, len(free)))):
        members = draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        free = [name for name in free if name not in members]
        groups.append(Group(f"g{len(groups)}", draw(st.integers(1, len(members))), tuple(members)))
        free.append(groups[-1].name)
    quorum = draw(st.sampled_from(["none", *[w.name for w in witnesses], *[group.name for group in groups]]))
    return TrustPolicy(draw(st.sampled_from([(), (LogEntry(LOG, None),)])), witnesses, tuple(groups), quorum)


@given(policies())
def test_any_policy_comes_back(policy: TrustPolicy) -> None:
    assert TrustPolicy.parse(policy.encode()) == policy


@given(policies())
@settings(max_examples=50)
def test_more_cosignatures_never_break_a_quorum_and_the_missing_ones_fill_it(policy: TrustPolicy) -> None:
    met = {subset: policy.satisfied_by(signed_by(subset)) for subset in SUBSETS}
    for subset, satisfied in met.items():
        if satisfied:
            assert all(met[more] for more in SUBSETS if set(subset) <= set(more))
            continue
        with pytest.raises(NoQuorum) as caught:
            policy.check(opened(signed_by(subset)))
        missing = re.findall(r"'([XY]\d)'", str(caught.value).partition(" of the witnesses ")[2])
        assert missing
        assert not set(missing) & set(subset)
        assert policy.satisfied_by(signed_by((*subset, *missing)))


fragments = st.sampled_from(
    [
        "log",
        "witness",
        "group",
        "quorum",
        "none",
        "any",
        "all",
        "1",
        "2",
        "a",
        "b",
        A,
        B,
        str(LOG),
        "\n",
        "\n",
        "#",
    ]
)


@given(st.binary() | st.lists(fragments).map(lambda words: (" ".join(words) + "\n").encode()))
def test_any_bytes_are_a_policy_that_comes_back_or_malformed(data: bytes) -> None:
    try:
        policy = TrustPolicy.parse(data)
    except Malformed:
        return
    assert TrustPolicy.parse(policy.encode()) == policy
