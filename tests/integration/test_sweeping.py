"""The sweep over a ledger that was judged for real: every clock, once, about the row that it is about."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from ansvar.enforcement.snapshotting import keep
from ansvar.enforcement.sweep.due import Sweep, sweep
from ansvar.events.boundary import event_from_object
from ansvar.events.control import Control, signed_activation
from ansvar.events.identifiers import normalise_event
from ansvar.events.model import Event
from ansvar.events.partition import partition_of
from ansvar.ledger.position import chain_number
from ansvar.ledger.row import Row
from ansvar.policy.bundle import Bundle
from ansvar.policy.canonical import decode, encode
from ansvar.policy.clocks import CLOCK
from ansvar.policy.loader import bundle_from_bytes
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.store.snapshots import Snapshots
from ansvar.store.verify import verify_store
from judging import at, collect, contract, disclose, interest, objection, process, rights, transfer
from records import (
    CHAINS,
    DEPLOYMENT_ID,
    OPERATOR,
    PARTITION_KEY,
    Chain,
    Producer,
    bundle,
    bundle_bytes,
    customer,
    known,
)
from rows import sealed

TODAY = "2026-03-02 15:00"
DPF_ENDS = "2026-02-01"


class Company:
    """Chains judged in memory and stored as they grow; commands are judged as by the worker."""

    def __init__(self, store: Store) -> None:
        self.store, self.ledger, self.snapshots = store, LedgerStore(store), Snapshots(store)
        self.chains = [Chain(number) for number in range(CHAINS)]
        self.local, self.control = Producer("1"), Producer("2", producer="control")
        self.bundles = {bundle().sha256: bundle()}
        self.stored = [0] * CHAINS
        self.events = 0
        self._store_rows()

    def happens(self, *events: Event) -> list[Row]:
        """Record events, each where it belongs; returns their rows."""
        made = []
        for event in events:
            self.events += 1
            placed = normalise_event(replace(event, event_id=UUID(int=self.events, version=4)))
            chain = partition_of(PARTITION_KEY, placed, CHAINS)
            made += self.chains[chain].take(self.local.batch(chain, [placed]))
        self._store_rows()
        return [judged.row for judged in made]

    def command(self, *commands: tuple[int, Control]) -> list[Row]:
        """Carry out commands on their chains; returns their rows."""
        taken = [self.chains[chain].take(self.control.command(chain, each)) for chain, each in commands]
        self._store_rows()
        return [judged.row for made in taken for judged in made]

    def activate(self, content: bytes, number: int = 9) -> None:
        """Put a bundle in force on every chain."""
        made = bundle_from_bytes(content)
        self.bundles[made.sha256] = made
        command = signed_activation(OPERATOR, DEPLOYMENT_ID, UUID(int=number, version=4), content, 2)
        placed = self.command(*((chain, command) for chain in range(CHAINS)))
        assert {row.kind for row in placed} == {"policy"}

    def sweep(self, when: str = TODAY, asked: list[bytes] | None = None) -> Sweep:
        def bundle_of(sha256: bytes) -> Bundle:
            if asked is not None:
                asked.append(sha256)
            return self.bundles[sha256]

        return sweep(self.ledger, self.snapshots, bundle_of, at(when), CHAINS)

    def record(self, found: Sweep) -> list[Row]:
        """Do with a sweep what is to be done: record its findings, then keep its marks."""
        made = self.command(*found.commands)
        keep(self.ledger, self.snapshots, found.marks)
        return made

    def _store_rows(self) -> None:
        for number, chain in enumerate(self.chains):
            new = chain.judged[self.stored[number] :]
            if new:
                self.ledger.append(number, self.stored[number], b"".join(judged.stored for judged in new))
            self.stored[number] = len(chain.judged)


@pytest.fixture
def company(store: Store) -> Company:
    return Company(store)


def breach(when: str, correlation: str | None = None, version: str | None = None) -> Event:
    """A notice of a breach."""
    fields: dict[str, Any] = {
        "kind": "notice",
        "system": "crm",
        "occurred_at": at(when),
        "topic": "breach",
        "correlation_id": correlation,
        "version": version,
    }
    return event_from_object({name: value for name, value in fields.items() if value is not None})


def life(number: int, *events: Event) -> list[Event]:
    """Events of the n-th person, who lives on chain n modulo the number of chains."""
    who = customer(number % CHAINS, number)
    return [replace(event, subject=who) for event in events]


FORMER = life(0, contract("started", "2024-01-01"), contract("ended", "2025-01-31 12:00"))
ERASED = life(1, contract("ended", "2025-01-31 12:00"), process("erase", "2026-01-15"))
UNANSWERED = life(2, rights("access", "received", "2026-01-15"))
SOON = life(3, rights("access", "received", "2026-02-05"))
ANSWERED = life(4, rights("access", "received", "2026-01-15"), rights("access", "fulfilled", "2026-01-20"))
RECTIFIED = life(
    5,
    transfer("mailing-house", "2025-12-01"),
    transfer("sms-gateway", "2025-12-02"),
    rights("rectification", "received", "2025-12-10"),
    rights("rectification", "fulfilled", "2026-01-05"),
    rights("rectification", "recipients_notified", "2026-01-10", recipient="sms-gateway"),
)
OBJECTING = life(
    6,
    interest("use", "2026-02-04", "evaluation"),
    interest("use", "2026-02-10", "evaluation"),
    objection("2026-02-05", "evaluation"),
    interest("use", "2026-02-20", "evaluation"),
)
QUIET = life(7, contract("started", "2024-01-01"), process("store", "2026-02-01"))
MAPS = life(8, disclose("google-maps", "2026-01-10"), transfer("google-maps", "2026-02-10"))
BREACHES = [
    breach("2026-02-20", "B-1"),
    breach("2026-02-21", "B-2"),
    breach("2026-02-22", "B-2", "authority_notified"),
    breach("2026-02-20"),
    breach("2026-02-25", "B-1"),
    breach("2026-02-26", "B-1", "authority_notified"),
]
RESTRICTED = life(
    12,
    rights("restriction", "received", "2026-02-05"),
    interest("use", "2026-02-20", "evaluation"),
    rights("restriction", "fulfilled", "2026-02-10"),
    interest("use", "2026-02-25", "evaluation"),
)
STORIES = (
    *(FORMER, ERASED, UNANSWERED, SOON, ANSWERED, RECTIFIED, OBJECTING, QUIET, MAPS, BREACHES),
    RESTRICTED,
)


def told(found: Sweep) -> list[tuple[str, str, int, int]]:
    """Rule, severity and row of what was found."""
    return sorted((f.rule, f.severity, f.chain, f.seq) for f in found.findings)


def expected(rule: str, row: Row, severity: str | None = None) -> tuple[str, str, int, int]:
    return rule, severity or CLOCK[rule].severity, row.chain, row.seq


def everything(company: Company) -> list[tuple[str, str, int, int]]:
    """Let every story happen; what a sweep must find then."""
    former, _, unanswered, soon, _, rectified, objecting, _, maps, breaches, restricted = (
        company.happens(*story) for story in STORIES
    )
    return sorted(
        [
            expected("retention.overdue", former[1]),
            expected("rights.overdue", unanswered[0]),
            expected("rights.due_soon", soon[0]),
            expected("rights.due_soon", objecting[2]),
            expected("rights.recipients_not_notified", rectified[3]),
            expected("objection.retroactive", objecting[1]),
            expected("history.retroactive", restricted[1]),
            expected("breach.notify_authority", breaches[0]),
            expected("breach.notify_authority", breaches[3]),
            expected("guarantees.expiring", company.chains[0].judged[0].row),
            expected("transfer.no_fallback", maps[0]),
        ]
    )


def test_every_clock_is_found_about_its_row(company: Company) -> None:
    wanted = everything(company)
    assert told(company.sweep()) == wanted
    assert {rule for rule, *_ in wanted} == set(CLOCK) - {"adequacy.annulled"}


def test_what_was_recorded_is_not_found_again(company: Company) -> None:
    everything(company)
    found = company.sweep()
    assert company.sweep() == found
    made = company.record(found)
    assert [row.kind for row in made] == ["finding"] * len(found.commands)
    stated = [(row.event_id, row.subject, row.verdict, row.findings) for row in made]
    assert stated == [
        (command.id, finding.subject, finding.severity, (finding.rule,))
        for (_, command), finding in zip(found.commands, found.findings, strict=True)
    ]
    assert company.sweep().commands == ()
    assert [mark.through for mark in company.sweep().marks] == [
        company.ledger.last_seq(chain) for chain in range(CHAINS)
    ]
    assert not [fault for report in verify_store(company.store, {}) for fault in report.faults]


def test_a_sweep_that_was_cut_off_is_finished_by_the_next(company: Company) -> None:
    everything(company)
    found = company.sweep()
    company.command(*found.commands[::2])  # and no marks
    rest = company.sweep()
    assert rest.commands == found.commands[1::2]
    company.record(rest)
    assert company.sweep().commands == ()
    assert {row.kind for row in company.command(*found.commands)} == {"duplicate"}


def test_nothing_is_due_before_its_time(company: Company) -> None:
    company.happens(*FORMER, *UNANSWERED, *SOON, *RECTIFIED, *BREACHES)
    assert not {f.rule for f in company.sweep("2026-01-30").findings} - {"guarantees.expiring"}
    assert not {f.rule for f in company.sweep("2025-09-01").findings}


def test_what_becomes_due_later_is_found_then(company: Company) -> None:
    company.happens(*SOON)
    company.record(company.sweep("2026-02-25"))
    (found,) = company.sweep().findings
    assert found.rule == "rights.due_soon"
    company.record(company.sweep())
    (found,) = company.sweep("2026-03-06").findings
    assert found.rule == "rights.overdue"


@pytest.mark.parametrize("marked", [False, True])
def test_an_objection_that_arrives_after_a_sweep(company: Company, marked: bool) -> None:
    before, later = OBJECTING[:2], OBJECTING[2:]
    placed = company.happens(*before, *life(7, objection("2026-01-01", "evaluation")))
    found = company.sweep()
    company.command(*found.commands)
    if marked:
        keep(company.ledger, company.snapshots, found.marks)
    assert company.sweep().commands == ()
    arrived = company.happens(*later)
    found = company.sweep()
    assert told(found) == [
        expected("objection.retroactive", placed[1]),
        expected("rights.due_soon", arrived[0]),
    ]
    assert {finding.subject for finding in found.findings} == {known(customer(2, 6)).reference}
    company.record(found)
    assert company.sweep().commands == ()


USE = interest("use", "2026-03-10", "evaluation")
LEFT = contract("started", "2024-01-01"), contract("ended", "2026-03-02")
# What is known in time, what arrives after the use of 10 March, and the words of what it turns out to break.
LATE: dict[str, tuple[list[Event], list[Event], str | None]] = {
    "a restriction": (
        [rights("restriction", "received", "2026-02-20")],
        [rights("restriction", "fulfilled", "2026-03-02")],
        "processing restricted since 2026-03-02",
    ),
    "an erasure": (
        [rights("erasure", "received", "2026-02-20")],
        [rights("erasure", "fulfilled", "2026-03-02"), process("erase", "2026-03-02")],
        "the subject was erased 2026-03-02",
    ),
    "the end of a contract": ([LEFT[0]], [LEFT[1]], "the last contract ended 2026-03-02"),
    "the end and the beginning": ([], [LEFT[1], LEFT[0]], "the last contract ended 2026-03-02"),
    "a collect": ([], [collect("2026-03-02", "recruitment")], "collected for recruitment"),
    "at the same instant": (
        [rights("restriction", "received", "2026-02-20")],
        [rights("restriction", "fulfilled", "2026-03-10")],
        "processing restricted since 2026-03-10",
    ),
    "a restriction of later": (
        [rights("restriction", "received", "2026-02-20")],
        [rights("restriction", "fulfilled", "2026-03-11")],
        None,
    ),
    "nothing of note": ([contract("started", "2024-01-01")], [collect("2026-03-02", "evaluation")], None),
}


def looked_back(found: Sweep) -> list[tuple[str, int, int]]:
    """The findings of late history: message and row."""
    return [(f.message, f.chain, f.seq) for f in found.findings if f.rule == "history.retroactive"]


@pytest.mark.parametrize("marked", [False, True])
def test_history_that_arrives_after_a_use_is_found_once(company: Company, marked: bool) -> None:
    """Of each story, by a person of its own."""
    used = [company.happens(*life(n, *before, USE))[-1] for n, (before, *_) in enumerate(LATE.values())]
    if marked:
        first = company.sweep("2026-03-10")
        assert looked_back(first) == []
        company.record(first)
    for number, (_, late, _) in enumerate(LATE.values()):
        company.happens(*life(number, *late))
    found = company.sweep("2026-03-11")
    told_of = {(chain, seq): message for message, chain, seq in looked_back(found)}
    assert len(told_of) == len(looked_back(found))
    for row, (story, (*_, words)) in zip(used, LATE.items(), strict=True):
        message = told_of.pop((row.chain, row.seq), None)
        if words is None:
            assert message is None, story
        else:
            assert message is not None, story
            assert words in message
            assert message.endswith("; this was recorded after the event")
    assert told_of == {}
    subjects = {f.subject for f in found.findings if f.rule == "history.retroactive"}
    assert subjects <= {row.subject for row in used}
    company.record(found)
    assert company.sweep("2026-03-11").commands == ()
    company.activate(without_dpf(), 1_000)  # then everything is looked at again
    assert looked_back(company.sweep("2026-03-11")) == []


def test_history_that_arrives_in_time_is_the_judgement_s_own(company: Company) -> None:
    for number, (before, late, words) in enumerate(LATE.values()):
        *_, used = company.happens(*life(number, *before, *late, USE))
        assert bool(set(used.findings) & OF_HISTORY) == (words is not None)
    assert looked_back(company.sweep("2026-03-11")) == []


OF_HISTORY = {"processing.restricted", "subject.erased", "retention.expired", "purpose.incompatible"}


def test_what_a_join_brings_is_late_for_nobody(company: Company) -> None:
    """Neither a join nor what arrived in time under another reference; late history under its own is."""
    (used,) = company.happens(*life(0, USE))
    (restricted,) = company.happens(*life(4, rights("restriction", "fulfilled", "2026-03-02")))
    chain, genesis = chain_number(0, ingest=1), company.chains[0].judged[0].row
    link = replace(
        genesis, kind="link", subject=used.subject, extra=f'{{"joined":"{restricted.subject.hex()}"}}'
    )
    own = replace(restricted, subject=used.subject)
    rows = [genesis, restricted, used, link]

    def found(*more: Row) -> list[int]:
        placed = [replace(row, chain=chain, seq=seq) for seq, row in enumerate([*rows, *more])]
        have = company.ledger.last_seq(chain) + 1
        company.ledger.append(chain, have, b"".join(sealed(placed)[have:]))
        return [seq for _, where, seq in looked_back(company.sweep("2026-03-11")) if where == chain]

    assert found() == []
    assert found(own) == [2]


@pytest.mark.parametrize(
    ("rule", "story"), [("objection.retroactive", OBJECTING), ("history.retroactive", RESTRICTED)]
)
def test_what_was_looked_back_at_is_looked_at_again_only_after_a_new_policy(
    company: Company, rule: str, story: list[Event]
) -> None:
    company.happens(*story)
    keep(company.ledger, company.snapshots, company.sweep().marks)  # the findings get lost
    assert rule not in {f.rule for f in company.sweep().findings}
    company.activate(without_dpf())
    found = company.sweep()
    assert rule in {f.rule for f in found.findings}
    keep(company.ledger, company.snapshots, found.marks)
    assert rule not in {f.rule for f in company.sweep().findings}


def without_fallback(found: Sweep) -> list[tuple[int, int]]:
    """The rows that `transfer.no_fallback` names."""
    return [(f.chain, f.seq) for f in found.findings if f.rule == "transfer.no_fallback"]


def test_a_missing_fallback_names_the_first_transfer_that_rests_on_the_decision(company: Company) -> None:
    shield = transfer("google-maps", "2020-06-15", safeguard="privacy_shield")
    company.happens(*life(8, shield, transfer("google-maps", "2023-08-31")), *life(5, shield))
    assert without_fallback(company.sweep()) == []
    resting = company.happens(*life(9, MAPS[1]), *life(8, MAPS[0]))
    first = min(resting, key=lambda row: (row.recorded_at, row.chain))
    assert without_fallback(company.sweep()) == [(first.chain, first.seq)]


def test_a_fallback_that_lapses_is_missed_again(company: Company) -> None:
    (first, _) = company.happens(*MAPS)
    found = company.sweep("2026-03-02")
    assert without_fallback(found) == [(first.chain, first.seq)]
    company.record(found)
    files = decode(bundle_bytes())
    place = "  - id: google-maps\n"
    clauses = "{tool: scc, reference: S-1, set: 2021/914, valid_from: 2026-03-03, valid_to: 2026-04-01}"
    assert files["recipients.yaml"].count(place) == 1
    files["recipients.yaml"] = files["recipients.yaml"].replace(
        place, f"{place}    instruments: [{clauses}]\n"
    )
    changed = files["bundle.yaml"].replace('"2026.1"', '"2026.2"')
    company.activate(encode({**files, "bundle.yaml": changed}))
    for when in ("2026-03-03", "2026-03-31"):
        company.record(found := company.sweep(when))
        assert without_fallback(found) == []
    found = company.sweep("2026-04-01")
    assert without_fallback(found) == [(first.chain, first.seq)]
    company.record(found)
    assert without_fallback(company.sweep("2026-05-01")) == []


def without_dpf(version: str = "2026.2", day: str = DPF_ENDS) -> bytes:
    """The sample bundle, in which the DPF ends."""
    files = decode(bundle_bytes())
    law = files["law/adequacy.yaml"]
    begins = "valid_from: 2023-07-10\n"
    assert law.count(begins) == 1
    files["law/adequacy.yaml"] = law.replace(begins, f"{begins}    valid_to: {day}\n")
    return encode({**files, "bundle.yaml": files["bundle.yaml"].replace('"2026.1"', f'"{version}"')})


def test_a_bundle_that_ends_the_dpf_lists_what_rests_on_it(company: Company) -> None:
    adequacy = {"safeguard": "adequacy"}
    handed = company.happens(
        *MAPS,
        *life(
            9, transfer("app-hosting-us", "2026-01-20", **adequacy), transfer("mailing-house", "2026-01-20")
        ),
        *life(
            10, transfer("app-hosting-us", "2026-02-20", **adequacy), transfer("app-hosting-us", "2026-02-20")
        ),
        *life(11, transfer("app-hosting-us", "2026-01-20", stage="not_run", **adequacy)),
    )
    company.record(company.sweep())
    assert company.sweep().commands == ()
    company.activate(without_dpf())
    found = company.sweep()
    resting = {
        (f.chain, f.seq): (f.rule, f.severity, "scc 'SCC-2023-04'" in f.message) for f in found.findings
    }
    maps_before, maps_after, hosted_before, _, hosted_after, on_scc, not_run = handed
    assert resting == {
        (row.chain, row.seq): ("adequacy.annulled", severity, scc)
        for row, severity, scc in (
            (maps_before, "flag", False),
            (maps_after, "deny", False),
            (hosted_before, "flag", True),
            (hosted_after, "deny", True),
        )
    }
    assert {on_scc.kind, not_run.stage} == {"transfer", "not_run"}
    company.record(found)
    assert company.sweep().commands == ()
    company.activate(without_dpf("2026.3"), 10)  # another bundle that changes nothing for them
    assert company.sweep().commands == ()


def test_an_ingested_file_is_swept_and_told_of_elsewhere(company: Company) -> None:
    made = [judged.row for judged in company.chains[2].judged]
    chain = chain_number(2, ingest=1)
    company.happens(*UNANSWERED, *life(6, transfer("google-maps", "2026-01-10")))
    made = [judged.row for judged in company.chains[2].judged]
    company.ledger.append(chain, 0, b"".join(sealed(replace(row, chain=chain) for row in made)))
    found = company.sweep()
    overdue = [(c, f) for (c, _), f in zip(found.commands, found.findings, strict=True) if f.chain == chain]
    assert [(target, f.rule, f.chain) for target, f in overdue] == [(2, "rights.overdue", chain)]
    company.record(found)
    assert company.sweep().commands == ()
    company.activate(without_dpf())
    listed = [(f.rule, f.chain) for f in company.sweep().findings]
    assert sorted(listed) == [("adequacy.annulled", 2), ("adequacy.annulled", chain)]


def test_persons_who_were_joined_are_one(company: Company) -> None:
    """What is known under one of two references counts for both, and nothing is recorded twice."""
    ended = company.happens(
        *life(0, contract("ended", "2025-01-31")), *life(4, contract("ended", "2025-01-15"))
    )
    (erased,) = company.happens(*life(8, process("erase", "2026-02-15")))
    first, other = ended[0].subject, ended[1].subject
    assert len({first, other, erased.subject, *(row.chain for row in ended)}) == 4
    chain = chain_number(0, ingest=1)

    def append(*made: Row) -> None:
        placed = [replace(row, chain=chain, seq=seq) for seq, row in enumerate(made)]
        have = company.ledger.last_seq(chain) + 1
        company.ledger.append(chain, have, b"".join(sealed(placed)[have:]))

    def found() -> list[tuple[str, int, bytes]]:
        late = company.sweep().findings
        return [(f.rule, f.seq, f.subject) for f in late if f.chain == chain]

    genesis = company.chains[0].judged[0].row
    link = replace(genesis, kind="link", subject=first, extra=f'{{"joined":"{other.hex()}"}}')
    third = replace(link, subject=erased.subject, extra=f'{{"joined":"{first.hex()}"}}')
    append(genesis, *ended)
    assert sorted(seq for _, seq, _ in found()) == [1, 2]
    append(genesis, *ended, link)
    (late,) = found()  # one person, whose last contract ended later
    assert late == ("retention.overdue", 1, first)
    company.record(company.sweep())
    assert found() == []
    append(genesis, *ended, link, third)  # under another reference, and the finding is the same
    assert found() == []
    append(genesis, *ended, link, third, erased)
    assert found() == []


def test_an_erasure_under_a_joined_reference_counts(company: Company) -> None:
    (ended,) = company.happens(*life(0, contract("ended", "2025-01-31")))
    (erased,) = company.happens(*life(8, process("erase", "2026-02-15")))
    genesis, chain = company.chains[0].judged[0].row, chain_number(0, ingest=1)
    link = replace(
        genesis, kind="link", subject=ended.subject, extra=f'{{"joined":"{erased.subject.hex()}"}}'
    )
    made = [replace(row, chain=chain, seq=seq) for seq, row in enumerate((genesis, ended, erased, link))]
    company.ledger.append(chain, 0, b"".join(sealed(made)))
    assert [f.chain for f in company.sweep().findings if f.rule == "retention.overdue"] == [0]


def test_progress_is_told_chain_by_chain_and_bundles_are_asked_once(company: Company) -> None:
    company.happens(*UNANSWERED, *FORMER)
    seen: list[tuple[int, int]] = []
    sweep(
        company.ledger,
        company.snapshots,
        company.bundles.__getitem__,
        at(TODAY),
        CHAINS,
        lambda chain, found: seen.append((chain, found)),
    )
    assert seen == [(0, 2), (1, 0), (2, 1), (3, 0)]  # the printer's guarantees are told of on the lowest
    asked: list[bytes] = []
    company.sweep(asked=asked)
    assert asked == [bundle().sha256]


def test_an_empty_ledger_has_nothing_to_show(store: Store) -> None:
    def no_bundle(_: bytes) -> Bundle:
        raise AssertionError("there is no row that names one")

    assert sweep(LedgerStore(store), Snapshots(store), no_bundle, at(TODAY), CHAINS) == Sweep((), ())
