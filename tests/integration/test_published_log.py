"""A chain as outsiders see it, as files and over HTTP, read by a reader that shares no code with the log."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

import judging
import tiled_logs
from ansvar.accountability.published import ExportError, NotPublished, PublishedLog, export_tiles
from ansvar.api.app import make_api
from ansvar.enforcement.anchoring import Anchors
from ansvar.enforcement.checkpointing import Checkpointer
from ansvar.enforcement.health import Health
from ansvar.enforcement.ingesting import Ingest, Parts
from ansvar.enforcement.people import People, named_in
from ansvar.enforcement.reading import named_together
from ansvar.enforcement.trees import ChainTrees
from ansvar.events.boundary import to_json
from ansvar.events.identifiers import normalise_event
from ansvar.events.model import Event
from ansvar.ledger.canonical import leaf
from ansvar.ledger.checkpoint import Checkpoint
from ansvar.ledger.errors import Fault
from ansvar.ledger.notes import Note
from ansvar.ledger.tiles import Entries, Frontier, Tile
from ansvar.ledger.tlog_proof import TlogProof
from ansvar.ledger.trust import NO_WITNESSES
from ansvar.policy.verdict import Finding
from ansvar.sample.company import generate
from ansvar.store.checkpoints import Checkpoints, Stored
from ansvar.store.client import Store
from ansvar.store.errors import StoreError
from ansvar.store.ledger import LedgerStore
from records import NOW, PARTITION_KEY, PEPPER, deployment, log_signer, numbered, rules, vault
from rows import company_chain, sealed
from stores import engine as engine
from stores import new_store as new_store
from stores import store as store

CHAIN = 3
SIZES = (1, 2, 255, 256, 257, 1_000)
ROWS = sealed(company_chain(CHAIN, 1_000))
CANONICAL = [row[:-32] + before[-32:] for row, before in zip(ROWS, [bytes(32), *ROWS], strict=False)]


async def tell(chain: int, seq: int, finding: Finding) -> bool:
    raise AssertionError(f"{chain}, {seq}: {finding}")


class Growing:
    """A chain whose checkpoints a real Checkpointer writes."""

    def __init__(self, store: Store, chain: int = CHAIN, rows: list[bytes] = ROWS) -> None:
        self._ledger, self._chain, self._rows = LedgerStore(store), chain, rows
        self._trees, self._frontier = ChainTrees(store, log_signer()), Frontier()
        self._checkpointer = Checkpointer(self._trees, Checkpoints(store), log_signer(), tell)

    async def to(self, size: int) -> None:
        """Add the rows up to a size, and a checkpoint."""
        fresh = self._rows[self._frontier.size : size]
        self._ledger.append(self._chain, self._frontier.size, b"".join(fresh))
        self._frontier.extend([row[-32:] for row in fresh])
        self._trees.grew(self._chain, self._frontier)
        [written] = await self._checkpointer.write()
        assert (written.size, written.published) == (size, True)


@pytest.fixture
async def grown(store: Store) -> Store:
    """A store with the whole chain, and a checkpoint at every size."""
    growing = Growing(store)
    for size in SIZES:
        await growing.to(size)
    return store


def export(store: Store, out: Path) -> int:
    told: list[tuple[int, int]] = []
    written = export_tiles(PublishedLog(store, CHAIN), out, lambda done, total: told.append((done, total)))
    assert told == [(n + 1, len(told)) for n in range(len(told))]
    return written


def files(out: Path) -> dict[str, bytes]:
    return {str(f.relative_to(out)): f.read_bytes() for f in sorted(out.rglob("*")) if f.is_file()}


def reading(out: Path) -> tuple[tiled_logs.Head, list[bytes]]:
    return tiled_logs.read(lambda where: (out / where).read_bytes())


async def test_exports_of_every_size_are_read_by_others(store: Store, tmp_path: Path) -> None:
    """Each in a directory of its own, and all of them into one that grows."""
    growing, one = Growing(store), tmp_path / "growing"
    for size in SIZES:
        await growing.to(size)
        fresh = tmp_path / str(size)
        written = export(store, fresh)
        assert set(files(fresh)) == {"checkpoint", *tiled_logs.places(size)}
        assert written == len(files(fresh))
        before = files(one) if one.exists() else {}
        export(store, one)
        assert reading(one) == reading(fresh)
        head, entries = reading(fresh)
        assert (head.origin, head.size) == (log_signer().origin(CHAIN), size)
        assert entries == CANONICAL[:size]
        now = files(one)
        assert {name: now[name] for name in before if name != "checkpoint"} == {
            name: content for name, content in before.items() if name != "checkpoint"
        }
    assert export(store, one) == 1  # the checkpoint alone


async def test_every_proof_holds(grown: Store) -> None:
    log = PublishedLog(grown, CHAIN)
    keys, origin = log_signer().public(CHAIN), log_signer().origin(CHAIN)
    for seq in (0, 1, 255, 256, 257, 511, 512, 998, 999):
        proof = TlogProof.parse(log.proof(seq).encode())
        assert log.entry(seq) == CANONICAL[seq]
        assert proof.index == seq
        assert proof.verify(leaf(CANONICAL[seq]), keys, NO_WITNESSES, origin).checkpoint.size == 1_000


async def test_nothing_beyond_the_published_checkpoint_is_shown(store: Store) -> None:
    growing = Growing(store)
    with pytest.raises(NotPublished, match="chain 3 has no published checkpoint"):
        PublishedLog(store, CHAIN)
    await growing.to(300)
    LedgerStore(store).append(CHAIN, 300, b"".join(ROWS[300:600]))
    note = log_signer().sign(CHAIN, 600, bytes(32), 1).encode()
    Checkpoints(store).keep([Stored(CHAIN, 600, 1, False, note)])
    log = PublishedLog(store, CHAIN)
    assert log.size == 300
    for ask in (
        lambda: log.entry(300),
        lambda: log.entry(-1),
        lambda: log.proof(300),
        lambda: log.tile(Tile(0, 1)),
        lambda: log.tile(Tile(0, 1, 45)),
        lambda: log.tile(Tile(0, 2, 1)),
        lambda: log.tile(Tile(1, 0, 2)),
        lambda: log.tile(Tile(9, 0, 1)),
        lambda: log.tile(Tile(0, 0, 0)),
        lambda: log.entries(Entries(1, 45)),
        lambda: log.entries(Entries(2**62, 1)),
    ):
        with pytest.raises(NotPublished, match=r"chain 3.* 300"):
            ask()
    assert len(log.tile(Tile(0, 1, 44))) == 44 * 32


def edit(store: Store, column: str, value: str, seq: int) -> None:
    store.command(
        f"ALTER TABLE {{database}}.ledger UPDATE `{column}` = {value} WHERE seq = {{seq:UInt64}} "
        "SETTINGS mutations_sync = 2",
        {"seq": seq},
    )


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [("actor", "'someone else'", "edited"), ("leaf", "toFixedString('x', 32)", "forked")],
)
@pytest.mark.parametrize("seq", [255, 999])
async def test_an_edited_row_is_a_fault_and_no_checkpoint_is_written(
    grown: Store, tmp_path: Path, column: str, value: str, kind: str, seq: int
) -> None:
    edit(grown, column, value, seq)
    if column == "leaf" and seq < 768:  # within a whole tile, whose root is kept beside
        kind = "edited"
    with pytest.raises(Fault) as caught:
        export(grown, tmp_path / "out")
    assert (caught.value.kind, caught.value.chain) == (kind, CHAIN)
    assert not (tmp_path / "out" / "checkpoint").exists()
    with pytest.raises(Fault, match="edited"):
        PublishedLog(grown, CHAIN).entry(seq)
    if column == "leaf":
        with pytest.raises(Fault, match="not in the tree that was signed"):
            PublishedLog(grown, CHAIN).proof(seq)


@pytest.mark.parametrize("seq", [0, 999])
async def test_a_row_that_is_gone_is_a_fault(grown: Store, tmp_path: Path, seq: int) -> None:
    grown.command("DELETE FROM {database}.ledger WHERE seq = {seq:UInt64}", {"seq": seq})
    with pytest.raises((Fault, StoreError), match=r"Run: ansvar verify|missing"):
        export(grown, tmp_path / "out")
    assert not (tmp_path / "out" / "checkpoint").exists()
    for ask in (PublishedLog(grown, CHAIN).entry, PublishedLog(grown, CHAIN).proof):
        with pytest.raises(Fault, match="missing"):
            ask(seq)


async def test_proofs_from_altered_tiles_are_not_handed_out(grown: Store) -> None:
    grown.command(
        "ALTER TABLE {database}.tiles UPDATE root = toFixedString('x', 32) WHERE index = 1 "
        "SETTINGS mutations_sync = 2"
    )
    with pytest.raises(Fault, match="not in the tree that was signed"):
        PublishedLog(grown, CHAIN).proof(3)


async def test_only_an_export_of_this_log_is_written_to(grown: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    contents: list[dict[str, bytes]] = [
        {"notes.txt": b"mine"},
        {"tile/0/000": b""},
        {"checkpoint": b"nonsense"},
        {"checkpoint": b"\xff\n\n\xe2\x80\x94"},
        {"checkpoint": log_signer().sign(CHAIN + 1, 5, bytes(32), 1).encode()},
        {"checkpoint": PublishedLog(grown, CHAIN).note, "notes.txt": b"mine"},
    ]
    for number, content in enumerate(contents):
        out = tmp_path / str(number)
        for name, data in content.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(data)
        with pytest.raises(ExportError, match="holds something else"):
            export(grown, out)
        assert files(out) == content
    (tmp_path / "file").write_bytes(b"")
    for bad in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ExportError, match="cannot be used"):
            export(grown, bad)


async def test_an_export_that_was_cut_off_at_its_checkpoint_goes_on(grown: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".checkpoint.part").write_bytes(b"half")
    export(grown, out)
    assert reading(out)[0].size == 1_000


async def test_an_older_export_is_evidence_against_a_log_that_does_not_extend_it(
    new_store: Callable[[], Store], tmp_path: Path
) -> None:
    honest, out = Growing(first := new_store()), tmp_path / "out"
    await honest.to(600)
    export(first, out)
    before = files(out)
    rolled_back, other = new_store(), new_store()
    await Growing(rolled_back).to(300)
    with pytest.raises(Fault) as caught:
        export(rolled_back, out)
    assert caught.value.kind == "rolled-back"
    await Growing(other, rows=sealed(company_chain(CHAIN, 1_000, seed=2))).to(1_000)
    with pytest.raises(Fault) as caught:
        export(other, out)
    assert caught.value.kind == "forked"
    assert files(out) == before


TOKEN = "the token of the stack"


@pytest.fixture
async def ask(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """The HTTP interface of a stack on this store."""

    class Silent:
        def health(self) -> Health:
            return Health(True, "", 1)

    def nothing(*_: Any) -> Any:
        raise AssertionError("nobody asks for this here")

    api = make_api(
        health=Silent(),
        registry=CollectorRegistry(),
        verify=nothing,
        read=nothing,
        sweep=nothing,
        violations=nothing,
        published=lambda chain: PublishedLog(store, chain),
        intake_key=nothing,
        token=TOKEN,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://log") as client:
        yield client


AUDITOR = {"Authorization": f"Bearer {TOKEN}"}


async def test_anyone_reads_the_tree_and_auditors_the_rows(ask: httpx.AsyncClient, grown: Store) -> None:
    fetched: dict[str, bytes] = {}
    for where, (kind, _, _) in {"checkpoint": ("", 0, 0), **tiled_logs.places(1_000)}.items():
        place = f"/log/{CHAIN}/{where}"
        if kind == "entries":
            for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}x"}):
                refused = await ask.get(place, headers=headers)
                assert refused.status_code == 401
                assert len(refused.content) < 100
        answer = await ask.get(place, headers=AUDITOR if kind == "entries" else {})
        assert answer.status_code == 200
        wanted = "text/plain; charset=utf-8" if where == "checkpoint" else "application/octet-stream"
        assert answer.headers["content-type"] == wanted
        caching = answer.headers["cache-control"]
        if where == "checkpoint":
            assert int(caching.rpartition("max-age=")[2]) <= 5
        else:
            assert "immutable" in caching
            assert caching.startswith("private," if kind == "entries" else "public,")
        fetched[where] = answer.content
    head, entries = tiled_logs.read(fetched.__getitem__)
    assert (head.size, entries) == (1_000, CANONICAL)


async def test_partial_tiles_of_earlier_checkpoints_stay(ask: httpx.AsyncClient, grown: Store) -> None:
    mth = tiled_logs.tree(CANONICAL)
    for size in SIZES:
        for where, (kind, index, width) in tiled_logs.places(size).items():
            answer = await ask.get(f"/log/{CHAIN}/{where}", headers=AUDITOR)
            assert answer.status_code == 200, where
            if kind == "entries":
                found = tiled_logs.bundle(answer.content, width)
                assert found == CANONICAL[index * 256 : index * 256 + width]
            else:
                span = 256 ** int(kind)
                first = index * 256
                assert answer.content == b"".join(
                    [mth((first + i) * span, (first + i + 1) * span) for i in range(width)]
                )


NO_PATHS = [
    "tile/0/004",
    "tile/0/003.p/233",
    "tile/0/003",
    "tile/1/000",
    "tile/1/000.p/4",
    "tile/2/000.p/1",
    "tile/63/000.p/1",
    "tile/64/000.p/1",
    "tile/0/0",
    "tile/0/x000/000",
    "tile/00/000",
    "tile/0/000.p/256",
    "tile/0/000.p/0",
    "tile/0/000.p/01",
    "tile/0/-01",
    "tile/0/x999/x999/x999/x999/x999/x999/999",
    "tile/0/000/",
    "tile/",
    "tile/0/..%2f..%2fcheckpoint",
    "tile/entries/004",
    "tile/entries/003.p/233",
    "tile/entries/",
    "tile/entries/000.p/256",
    "tile/x/000",
    "nothing",
    "",
]


async def test_paths_that_do_not_exist(ask: httpx.AsyncClient, grown: Store) -> None:
    for place in NO_PATHS:
        answer = await ask.get(f"/log/{CHAIN}/{place}", headers=AUDITOR)
        assert answer.status_code == 404, place


GUARDED = [
    "/log/3/tile/entries/000",
    "/log/3/tile/entries/004",
    "/log/3/tile/entries/",
    "/log/3/tile//entries/000",
    "/log/3/tile/%65ntries/000",
    "/log/3/tile/entries%2f000",
    "/log/3/tile/x/../entries/000",
    "/log/3/tile/./entries/000",
    "/log/3/tile/entries/000%0a",
    "/v1/ledger/3/0",
    "/v1/ledger/3/1000",
    "/v1/ledger/9/0",
]


async def test_no_way_leads_to_the_rows_without_a_token(ask: httpx.AsyncClient, grown: Store) -> None:
    for place in GUARDED:
        answer = await ask.get(place)
        assert answer.status_code in (401, 404), place
        assert len(answer.content) < 200
    assert (await ask.get(GUARDED[0], headers=AUDITOR)).status_code == 200


async def test_a_row_with_its_proof(ask: httpx.AsyncClient, grown: Store) -> None:
    keys, origin = log_signer().public(CHAIN), log_signer().origin(CHAIN)
    for seq in (0, 300, 999):
        answer = await ask.get(f"/v1/ledger/{CHAIN}/{seq}", headers=AUDITOR)
        assert answer.status_code == 200
        body = answer.json()
        canonical = base64.b64decode(body["canonical"])
        assert canonical == CANONICAL[seq]
        TlogProof.parse(body["proof"].encode()).verify(leaf(canonical), keys, NO_WITNESSES, origin)
        assert body["row"]["seq"] == seq
    for where in (f"{CHAIN}/1000", "9/0", f"{CHAIN}/{2**62}"):
        assert (await ask.get(f"/v1/ledger/{where}", headers=AUDITOR)).status_code == 404
    for where in (f"{CHAIN}/-1", f"{CHAIN}/x", "x/0", f"{CHAIN}/{2**64}", f"{2**32}/0"):
        assert (await ask.get(f"/v1/ledger/{where}", headers=AUDITOR)).status_code == 422


async def test_a_chain_without_a_checkpoint_is_not_found(ask: httpx.AsyncClient, grown: Store) -> None:
    for where in ("checkpoint", "tile/0/000.p/1"):
        answer = await ask.get(f"/log/9/{where}")
        assert answer.status_code == 404
        assert "chain 9 has no published checkpoint" in answer.json()["detail"]


async def test_a_damaged_log_is_answered_with_one_line(ask: httpx.AsyncClient, grown: Store) -> None:
    edit(grown, "actor", "'someone else'", 10)
    for place in (f"/log/{CHAIN}/tile/entries/000", f"/v1/ledger/{CHAIN}/10"):
        answer = await ask.get(place, headers=AUDITOR)
        assert answer.status_code == 503
        assert "seq 10: edited" in answer.json()["detail"]
    grown.command("TRUNCATE TABLE {database}.tiles")
    answer = await ask.get(f"/log/{CHAIN}/tile/1/000.p/3")
    assert answer.status_code == 503
    Checkpoints(grown).keep([Stored(CHAIN, 2_000, 1, True, b"no note")])
    answer = await ask.get(f"/log/{CHAIN}/checkpoint")
    assert (answer.status_code, answer.json()["detail"].split(",")[0]) == (503, "signed note")


def people_like_these() -> list[Event]:
    """A company's events, and some that name persons as people write them, with text about them."""
    raw = [
        {"type": "phone_number", "value": "070-174 06 22"},
        {"type": "email", "value": "Anna.Andersson@Example.SE"},
        {"type": "personnummer", "value": "640823-3234"},
        {"type": "customer_number", "value": "k-4711-åäö"},
    ]
    text = "ring Anna Andersson på 070-174 06 22"
    ours = [
        numbered(judging.process(subject=subject, details=text, aliases=raw[:1] if n else []), n + 1)
        for n, subject in enumerate(raw)
    ]
    return [*ours, *generate(300, seed=5).events]


@pytest.fixture
def ingested(store: Store, tmp_path: Path) -> Iterator[list[Event]]:
    """Events in the ledger as `ingest` puts them there."""
    people, events = vault(tmp_path / "vault.db"), people_like_these()
    told: list[str] = []
    parts = Parts(
        deployment=deployment(),
        ledger=LedgerStore(store),
        people=People(people, PEPPER),
        rules=rules(),
        partition_key=PARTITION_KEY,
    )
    lines = list(enumerate([to_json(event) for event in events], start=1))
    job = Ingest(parts, hashlib.sha256(b"a file").digest(), NOW, told.append, named_together(iter(lines)))
    job.take(lines)
    assert told == []
    yield events
    people.close()


async def test_no_person_is_named_in_anything_that_leaves(
    store: Store, ingested: list[Event], tmp_path: Path
) -> None:
    trees, anchors = ChainTrees(store, log_signer()), Anchors(tmp_path / "anchors")
    for chain in LedgerStore(store).chains():
        trees.grew(chain, trees.take_up(chain, None, LedgerStore(store).last_seq(chain) + 1))
    written = await Checkpointer(trees, Checkpoints(store), log_signer(), tell, anchor=anchors.take).write()
    everything = b"".join(one.note for one in written)
    for one in written:
        log, out = PublishedLog(store, one.chain), tmp_path / str(one.chain)
        export_tiles(log, out, lambda *_: None)
        _, entries = reading(out)
        everything += b"".join([*files(out).values(), *entries, log.proof(log.size - 1).encode()])
    everything += b"".join(file.read_bytes() for file in (tmp_path / "anchors").iterdir())
    named = {
        each.value
        for event in ingested
        for form in (event, normalise_event(event))
        for each in named_in(form)
    }
    digits = {"".join(c for c in value if c.isdigit()) for value in named}
    texts = {"Anna", "Andersson", "ring Anna"}
    # Shorter ones may stand in a hash or a signature by chance.
    looked_for = sorted(value for value in named | digits | texts if len(value) >= 6)
    assert len(looked_for) > 100
    assert "070-174 06 22" in looked_for
    assert "+46701740622" in looked_for
    haystack = everything.lower()
    assert [value for value in looked_for if value.lower().encode() in haystack] == []
    assert len(everything) > 100_000


def test_notes_and_checkpoints_of_the_reader_agree() -> None:
    note = log_signer().sign(CHAIN, 7, bytes(range(32)), 1)
    parsed = Checkpoint.parse(Note.parse(note.encode()).text)
    assert tiled_logs.head(note.encode()) == (parsed.origin, parsed.size, parsed.root)
