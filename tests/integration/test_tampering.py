"""A database admin with raw access to every table: each thing done is found, named, and placed.

One ledger is made: two chains of 700 rows, properly sealed, with tiles, checkpoints that the log signed, and
a file of checkpoints that a customer kept. Before each case its tables are put back from a copy, then
tampered with by the statements that such a person would use. Forged rows are sealed as the worker seals them;
what the admin does not have is the log's keys.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from msgspec import Struct
from msgspec.structs import replace

from ansvar.accountability.report import Report
from ansvar.accountability.verification import verify_everything
from ansvar.cli.program import run
from ansvar.deployment import Deployment, to_record
from ansvar.directory import DataDirectory
from ansvar.embedded.checked import self_check
from ansvar.events.intake import PUBLIC_BYTES
from ansvar.ledger.canonical import ZERO32
from ansvar.ledger.columns import COLUMNS_V1, names
from ansvar.ledger.notes import Note
from ansvar.ledger.row import Row, seal
from ansvar.ledger.statements import join_notes
from ansvar.ledger.tiles import Frontier
from ansvar.settings import Settings
from ansvar.store import verify as verify_module
from ansvar.store.catalogue import Catalogue
from ansvar.store.checkpoints import Checkpoints, Stored
from ansvar.store.client import Store, chdb_dsn
from ansvar.store.ledger import LedgerStore
from ansvar.store.migrate import migrate
from ansvar.store.trees import Trees
from ansvar.vault import logkeys
from ansvar.vault.generator import RandomGenerator
from ansvar.vault.logkeys import LogSigner
from ansvar.vault.vault import NONE_YET, Vault
from ansvar.vault.wrapping import FileKeys
from rows import JANUARY, company_chain, sealed

CHAINS: Final = (0, 1)
ROWS: Final = 700
SIZES: Final = (1, 100, 256, 400, 650, 690)  # of the checkpoints
KEPT: Final = 650  # the size that the customer's file has
CONFIRMED: Final = 660  # what the vault knows of each chain
CONTENT: Final = b"a policy bundle"
DEPLOYMENT: Final = UUID("5a1e6cf4-3b0e-4c51-9c6e-0f2f0b7c1a11")
TABLES: Final = ("ledger", "tiles", "checkpoints", "verifications")  # put back before each case
NOW: Final = JANUARY + 10**9

ANEW: Final = "SETTINGS insert_deduplicate = 0"  # rows that were there once may come again

tokens = itertools.count()
Faults = list[tuple[str, int, int]]


class World(Struct, frozen=True):
    """The tampered copy, and what whoever verifies has of their own."""

    directory: DataDirectory
    store: Store
    signer: LogSigner
    vault: Vault
    stored: dict[int, list[bytes]]  # of each chain as it was sealed

    @property
    def anchor(self) -> Path:
        return self.directory.anchors / "kept.txt"

    def verify(self, *, full: bool = False, anchored: bool = True, keys: bool = True) -> Report:
        return verify_everything(
            self.store,
            self.vault,
            full=full,
            signer=self.signer if keys else None,
            anchors=[self.anchor] if anchored else [],
        )

    def found(self, *, full: bool = False, anchored: bool = True) -> Faults:
        report = self.verify(full=full, anchored=anchored)
        assert not [line for line in report.beside if "rows name the bundle" not in line]
        return [(fault.kind, chain.chain, fault.seq) for chain in report.chains for fault in chain.faults]

    def alter(self, table: str, assignment: str, condition: str, *, wait: bool = True) -> None:
        self.store.command(
            f"ALTER TABLE {{database}}.{table} UPDATE {assignment} WHERE {condition} "
            f"SETTINGS mutations_sync = {2 * wait}"
        )

    def delete(self, table: str, condition: str) -> None:
        self.store.command(f"DELETE FROM {{database}}.{table} WHERE {condition}")

    def insert(self, rows: Iterable[bytes]) -> None:
        self.store.insert("ledger", (*names(), "leaf"), b"".join(rows), token=f"tampering {next(tokens)}")

    def move(self, condition: str, **changes: str) -> None:
        """Change key columns, which takes a copy: read, delete, insert."""
        changed = ", ".join(f"{value} AS {column}" for column, value in changes.items())
        self.store.command(
            f"CREATE OR REPLACE TABLE {{database}}.moved ENGINE = Memory AS "
            f"SELECT * REPLACE({changed}) FROM (SELECT * FROM {{database}}.ledger WHERE {condition})"
        )
        self.delete("ledger", condition)
        self.store.command(f"INSERT INTO {{database}}.ledger SELECT * FROM {{database}}.moved {ANEW}")
        self.store.command("DROP TABLE {database}.moved")

    def rows(self, chain: int) -> list[Row]:
        return [row for row, _ in LedgerStore(self.store).rows(chain, 0, ROWS)]

    def keep_tiles(self, chain: int, leaves: Sequence[bytes]) -> None:
        tree = Frontier()
        tree.extend(leaves)
        Trees(self.store).keep((chain, tile) for tile in tree.take_completed())


def deployment() -> Deployment:
    return Deployment(
        id=DEPLOYMENT.bytes,
        topic="ansvar.events",
        chains=2,
        recent_events=1000,
        engine=1,
        bundle=bytes(32),
        operator=bytes(32),
        epoch=1,
        intake=bytes(PUBLIC_BYTES),
        secrets=bytes(32),
        producers=(),
        founded_at=JANUARY,
    )


def company(chain: int, policy: bytes, record: bytes) -> list[Row]:
    first, *rest = [replace(row, policy=policy) for row in company_chain(chain, ROWS)]
    return [replace(first, extra=record.decode()), *rest]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The ledger as it was sealed and signed, in a database beside the one that is tampered with."""
    directory = DataDirectory(tmp_path_factory.mktemp("data"))
    directory.make()
    directory.anchors.mkdir(mode=0o700)
    original = Store(chdb_dsn(directory.clickhouse), database="original")
    copy = Store(chdb_dsn(directory.clickhouse))
    for store in (original, copy):
        migrate(store, 0)
        policy = Catalogue(store).put_bundle(CONTENT)
    record = to_record(deployment())
    Catalogue(copy).put_deployment(DEPLOYMENT.bytes, record)
    logkeys.create(directory.keys)
    signer = LogSigner(directory.keys, DEPLOYMENT.bytes)
    vault = Vault.in_file(directory.vault, RandomGenerator(), FileKeys(directory.keys))
    world = World(directory, original, signer, vault, {})
    kept = []
    for chain in CHAINS:
        stored = world.stored[chain] = sealed(company(chain, policy, record))
        LedgerStore(original).append(chain, 0, b"".join(stored))
        leaves = [data[-32:] for data in stored]
        world.keep_tiles(chain, leaves)
        notes = signed(signer, chain, leaves)
        Checkpoints(original).keep(notes)
        kept += [note.note for note in notes if note.size in (SIZES[1], KEPT)]
        vault.advance(chain, NONE_YET, CONFIRMED)
    world.anchor.write_bytes(join_notes(kept))
    yield World(directory, copy, signer, vault, world.stored)
    vault.close()
    copy.close()
    original.close()


def signed(
    signer: LogSigner, chain: int, leaves: Sequence[bytes], sizes: Sequence[int] = SIZES
) -> list[Stored]:
    """Checkpoints of a chain; the third is stored twice, as one that is published later is."""
    made = []
    tree = Frontier()
    for number, size in enumerate(sizes):
        tree.extend(leaves[tree.size : size])
        at = JANUARY + size
        note = signer.sign(chain, size, tree.root(), at // 1000).encode()
        made += [Stored(chain, size, at, True, note)] * (2 if number == 2 else 1)
    return made


@pytest.fixture
def world(made: World) -> World:
    for table in TABLES:
        made.store.command(f"TRUNCATE TABLE {{database}}.{table}")
        made.store.command(f"INSERT INTO {{database}}.{table} SELECT * FROM original.{table} {ANEW}")
    return made


def test_what_was_not_tampered_with(world: World) -> None:
    for full in (False, True):
        report = world.verify(full=full)
        assert report.intact
        assert report.remarks == ()
        assert [(c.chain, c.rows, c.checkpoint, c.uncovered) for c in report.chains] == [
            (chain, ROWS, SIZES[-1], ROWS - SIZES[-1]) for chain in CHAINS
        ]


# --- one row --------------------------------------------------------------------------------------


def forged(column: str, kind: str) -> str:
    """Another value of a column, in SQL."""
    if kind.startswith("Enum8"):
        first, second = [part.split("'")[1] for part in kind.split(",")[:2]]
        return f"if({column} = '{first}', '{second}', '{first}')"
    if kind.startswith("FixedString"):
        return f"toFixedString('forged', {kind[12:-1]})"
    if kind.startswith("Array"):
        return f"arrayPushBack({column}, 'forged')"
    if kind == "UUID":
        return "toUUID('00000000-0000-4000-8000-000000000001')"
    if kind.endswith(("String", "String)")):
        return f"concat({column}, '~')"
    return f"{column} + 1"


def test_every_column_edited(world: World) -> None:
    """One column in each of as many rows: each is named, and no row between."""
    columns = [column for column in COLUMNS_V1 if column.name not in ("chain", "seq")]
    seqs = range(200, 200 + 2 * len(columns), 2)
    for seq, column in zip(seqs, columns, strict=True):
        name = f"`{column.name}`"
        world.alter(
            "ledger", f"{name} = {forged(name, column.sql)}", f"chain = 1 AND seq = {seq}", wait=False
        )
    world.alter("ledger", "leaf = reverse(leaf)", "chain = 1 AND seq = 400")
    expected = [("edited", 1, seq) for seq in (*seqs, 400)]
    assert world.found() == expected
    assert world.found(full=True) == expected


@pytest.mark.parametrize("seq", [0, 300, ROWS - 1])
def test_every_place_edited(world: World, seq: int) -> None:
    world.alter("ledger", "purpose = 'forged'", f"chain = 1 AND seq = {seq}")
    for full in (False, True):
        assert world.found(full=full) == [("edited", 1, seq)]


def test_a_number_edited(world: World) -> None:
    world.move("chain = 1 AND seq = 300", seq="seq + 50")
    assert world.found() == [("reordered", 1, 300)]


def test_a_number_edited_beyond_the_end(world: World) -> None:
    world.move("chain = 1 AND seq = 300", seq="seq + 5000")
    for full in (False, True):
        assert world.found(full=full) == [("reordered", 1, 300)]


def test_a_row_put_into_another_chain(world: World) -> None:
    world.move("chain = 1 AND seq = 300", chain="0")
    assert world.found() == [("wrong-origin", 0, 300), ("missing", 1, 300)]


def test_a_row_edited_and_sealed_anew(world: World) -> None:
    """Told at the row after it, which links to what stood there."""
    columns, leaf = seal(replace(world.rows(1)[300], purpose="forged"), world.stored[1][299][-32:])
    world.delete("ledger", "chain = 1 AND seq = 300")
    world.insert([columns + leaf])
    assert world.found() == [("edited", 1, 301)]


# --- rows gone, added, exchanged ------------------------------------------------------------------


@pytest.mark.parametrize(("first", "last"), [(0, 0), (300, 300), (255, 258), (10, 600)])
def test_rows_deleted(world: World, first: int, last: int) -> None:
    world.delete("ledger", f"chain = 1 AND seq BETWEEN {first} AND {last}")
    assert world.found(full=first > 100) == [("missing", 1, first)]


def test_a_row_deleted_and_the_gap_closed(world: World) -> None:
    """The chain is a row short, too, of what the vault and the log know."""
    world.delete("ledger", "chain = 1 AND seq = 300")
    world.move("chain = 1 AND seq > 300", seq="seq - 1")
    for full in (False, True):
        assert world.found(full=full) == [("missing", 1, 300)]


@pytest.mark.parametrize("left", [0, 300, 512, SIZES[-1] - 1])
def test_the_tail_deleted(world: World, left: int) -> None:
    world.delete("ledger", f"chain = 1 AND seq >= {left}")
    assert world.found(full=left in (300, 512)) == [("truncated", 1, left)]


def test_the_tail_deleted_that_nobody_signed_for(world: World) -> None:
    """Only whoever has counted the rows knows: they were neither signed for nor confirmed."""
    world.delete("ledger", f"chain = 1 AND seq >= {SIZES[-1]}")
    assert world.found() == []
    world.delete("checkpoints", "1")
    world.delete("tiles", "1")
    world.delete("ledger", f"chain = 1 AND seq >= {CONFIRMED}")
    assert world.found(anchored=False) == [("truncated", 1, CONFIRMED)]


@pytest.mark.parametrize(("one", "other"), [(300, 301), (10, 600), (0, 5), (698, 699)])
@pytest.mark.parametrize("with_leaf", [True, False])
def test_two_rows_exchanged(world: World, one: int, other: int, with_leaf: bool) -> None:
    first, second = world.stored[1][one], world.stored[1][other]
    world.delete("ledger", f"chain = 1 AND seq IN ({one}, {other})")
    leaves = (second[-32:], first[-32:]) if with_leaf else (first[-32:], second[-32:])
    world.insert([numbered(second, one)[:-32] + leaves[0], numbered(first, other)[:-32] + leaves[1]])
    assert world.found(full=with_leaf) == [("reordered", 1, one)]


def numbered(data: bytes, seq: int) -> bytes:
    """A stored row under another seq."""
    return data[:5] + seq.to_bytes(8, "little") + data[13:]


def test_rows_exchanged_by_their_numbers(world: World) -> None:
    world.move("chain = 1 AND seq IN (20, 30)", seq="50 - seq")
    assert world.found() == [("reordered", 1, 20)]


def test_leaves_exchanged(world: World) -> None:
    one, other = (world.stored[1][seq][-32:].hex() for seq in (20, 30))
    world.alter(
        "ledger", f"leaf = if(seq = 20, unhex('{other}'), unhex('{one}'))", "chain = 1 AND seq IN (20, 30)"
    )
    assert world.found() == [("reordered", 1, 20)]


def test_a_part_of_the_chain_turned_round(world: World) -> None:
    world.move("chain = 1 AND seq BETWEEN 100 AND 119", seq="219 - seq")
    assert world.found() == [("reordered", 1, 100)]


@pytest.mark.parametrize("sealed_anew", [True, False])
def test_a_row_doubled(world: World, sealed_anew: bool) -> None:
    forged = replace(world.rows(1)[300], purpose="forged")
    world.insert(
        [b"".join(seal(forged, world.stored[1][299][-32:])) if sealed_anew else world.stored[1][300]]
    )
    found = world.found(full=sealed_anew)
    assert ("doubled", 1, 300) in found
    assert {(chain, seq) for _, chain, seq in found} == {(1, 300)}


@pytest.mark.parametrize("seq", [1, 300, 699])
@pytest.mark.parametrize("count", [1, 3])
def test_rows_inserted_and_the_rest_moved_up(world: World, seq: int, count: int) -> None:
    """No row is gone or doubled; those behind are not where they were sealed."""
    if seq + count > ROWS:
        count = 1
    world.move(f"chain = 1 AND seq >= {seq}", seq=f"seq + {count}")
    previous, forged = world.stored[1][seq - 1][-32:], []
    for number in range(seq, seq + count):
        columns, previous = seal(replace(world.rows(1)[2], seq=number), previous)
        forged.append(columns + previous)
    world.insert(forged)
    assert world.found(full=count > 1) == [("reordered", 1, seq)]


# --- rows that link and hash as they should -------------------------------------------------------


def fork(world: World, chain: int, seq: int) -> list[bytes]:
    """Replace the rows from `seq` on by others that were sealed as a worker does; all stored bytes."""
    stored, previous = world.stored[chain][:seq], world.stored[chain][seq - 1][-32:]
    for row in world.rows(chain)[seq:]:
        columns, previous = seal(replace(row, purpose="forged") if row.seq == seq else row, previous)
        stored.append(columns + previous)
    world.delete("ledger", f"chain = {chain} AND seq >= {seq}")
    world.insert(stored[seq:])
    return stored


@pytest.mark.parametrize(("seq", "named"), [(1, 1), (300, 256), (655, 650)])
@pytest.mark.parametrize("with_tiles", [True, False])
def test_a_fork(world: World, seq: int, named: int, with_tiles: bool) -> None:
    stored = fork(world, 1, seq)
    if with_tiles:
        world.delete("tiles", "chain = 1")
        world.keep_tiles(1, [data[-32:] for data in stored])
    assert world.found(full=with_tiles) == [("forked", 1, named)]


def test_a_fork_of_what_nobody_signed(world: World) -> None:
    """It takes a checkpoint to see it: the report says how many rows have none."""
    fork(world, 1, 695)
    assert world.found() == []
    assert world.verify().chains[1].uncovered == 10


def test_a_fork_without_the_checkpoints_that_show_it(world: World) -> None:
    """Removing them is no way out: the kept file has one."""
    stored = fork(world, 1, 300)
    world.delete("tiles", "chain = 1")
    world.keep_tiles(1, [data[-32:] for data in stored])
    world.delete("checkpoints", "chain = 1 AND size > 256")
    assert world.found() == [("forked", 1, 256)]
    assert world.found(anchored=False) == []


def roll_back(world: World, size: int) -> None:
    world.delete("ledger", f"seq >= {size}")
    world.delete("checkpoints", f"size > {size}")
    world.delete("tiles", f"(index + 1) * 256 > {size}")


@pytest.mark.parametrize("size", [0, 1, 300, 400])
def test_an_older_copy(world: World, size: int) -> None:
    roll_back(world, size)
    assert world.found() == [("rolled-back", chain, size) for chain in CHAINS]


def test_a_chain_that_is_gone_with_all_that_was_signed_of_it(world: World) -> None:
    for table in ("ledger", "tiles", "checkpoints"):
        world.delete(table, "chain = 1")
    assert world.found() == [("rolled-back", 1, 0)]


# --- checkpoints ----------------------------------------------------------------------------------


def replace_checkpoint(world: World, chain: int, size: int, note: bytes) -> None:
    world.alter("checkpoints", f"note = unhex('{note.hex()}')", f"chain = {chain} AND size = {size}")


def checkpoint(world: World, chain: int, size: int) -> bytes:
    return next(found.note for found in Checkpoints(world.store).all(chain) if found.size == size)


def other_keys(tmp_path: Path) -> LogSigner:
    logkeys.create(tmp_path)
    return LogSigner(tmp_path, DEPLOYMENT.bytes)


def without(note: bytes, kind: int) -> bytes:
    """The note without one of its two signatures."""
    parsed = Note.parse(note)
    return replace_signatures(parsed, [s for n, s in enumerate(parsed.signatures) if n != kind])


def replace_signatures(note: Note, signatures: Sequence[object]) -> bytes:
    return Note(note.text, tuple(signatures)).encode()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (
            lambda note: note[:-900] + (b"A" if note[-900:-899] != b"A" else b"B") + note[-899:],
            "bad-signature",
        ),
        (lambda note: note.replace(b"\n400\n", b"\n401\n", 1), "bad-signature"),
        (lambda note: without(note, 0), "bad-signature"),
        (lambda note: without(note, 1), "bad-signature"),
        (lambda note: note[:40], "bad-signature"),
        (lambda _: b"", "bad-signature"),
        (lambda _: b"\xff\x00", "bad-signature"),
    ],
    ids=["signature", "size", "no Ed25519", "no ML-DSA-44", "cut off", "empty", "no text"],
)
def test_a_checkpoint_altered(world: World, change: Callable[[bytes], bytes], kind: str) -> None:
    replace_checkpoint(world, 1, 400, change(checkpoint(world, 1, 400)))
    assert world.found() == [(kind, 1, 399)]


def test_a_checkpoint_signed_with_another_key(world: World, tmp_path: Path) -> None:
    note = other_keys(tmp_path).sign(1, 400, bytes(32), 1).encode()
    replace_checkpoint(world, 1, 400, note)
    assert world.found() == [("bad-signature", 1, 399)]


def test_a_fork_signed_anew_with_another_key(world: World, tmp_path: Path) -> None:
    stored = fork(world, 1, 300)
    leaves = [data[-32:] for data in stored]
    world.delete("tiles", "chain = 1")
    world.keep_tiles(1, leaves)
    world.delete("checkpoints", "chain = 1")
    Checkpoints(world.store).keep(signed(other_keys(tmp_path), 1, leaves))
    assert world.found() == [("bad-signature", 1, 0), ("forked", 1, 100)]


def test_a_checkpoint_replaced_by_an_older_one(world: World) -> None:
    replace_checkpoint(world, 1, 400, checkpoint(world, 1, 256))
    assert world.found() == [("edited", 1, 399)]


def test_a_checkpoint_replaced_by_one_of_another_chain(world: World) -> None:
    replace_checkpoint(world, 1, 400, checkpoint(world, 0, 400))
    assert world.found() == [("wrong-origin", 1, 399)]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("size > 256", ("rolled-back", 256)),
        ("1", ("rolled-back", 0)),
        (f"size = {KEPT}", ("missing", KEPT - 1)),
    ],
)
def test_checkpoints_deleted(world: World, condition: str, expected: tuple[str, int]) -> None:
    world.delete("checkpoints", f"chain = 1 AND {condition}")
    kind, seq = expected
    assert world.found() == [(kind, 1, seq)]


def test_no_checkpoint_at_all_is_no_fault(world: World) -> None:
    """As in a ledger of an older version, or after a kill in the first seconds; the file would tell."""
    world.delete("checkpoints", "1")
    report = world.verify(anchored=False)
    assert report.intact
    assert [chain.uncovered for chain in report.chains] == [ROWS] * 2


# --- chains and deployments -----------------------------------------------------------------------


def test_two_chains_exchanged(world: World) -> None:
    world.move("chain IN (0, 1)", chain="1 - chain")
    for full in (False, True):
        assert world.found(full=full) == [("wrong-origin", 0, 0), ("wrong-origin", 1, 0)]


def test_two_chains_exchanged_with_all_that_belongs_to_them(world: World) -> None:
    world.move("chain IN (0, 1)", chain="1 - chain")
    for table in ("checkpoints", "tiles"):
        for statement in (
            "CREATE TABLE {database}.moved ENGINE = Memory AS "
            f"SELECT * REPLACE(toUInt32(1 - chain) AS chain) FROM {{database}}.{table}",
            f"TRUNCATE TABLE {{database}}.{table}",
            f"INSERT INTO {{database}}.{table} SELECT * FROM {{database}}.moved {ANEW}",
            "DROP TABLE {database}.moved",
        ):
            world.store.command(statement)
    found = world.found()
    assert {(kind, chain) for kind, chain, _ in found} >= {("wrong-origin", 0), ("wrong-origin", 1)}
    assert {kind for kind, _, _ in found} == {"wrong-origin"}


def test_a_row_of_another_chain_in_place_of_ours(world: World) -> None:
    world.delete("ledger", "chain = 1 AND seq = 300")
    data = world.stored[0][300]
    world.insert([data[:1] + (1).to_bytes(4, "little") + data[5:]])
    assert world.found() == [("wrong-origin", 1, 300)]


def test_rows_of_another_deployment(world: World) -> None:
    policy = Catalogue(world.store).put_bundle(CONTENT)
    others = sealed(company(1, policy, to_record(replace(deployment(), id=bytes(16)))))
    world.delete("ledger", "chain = 1")
    world.insert(others)
    assert world.found() == [("wrong-origin", 1, 0)]


def test_a_chain_that_the_deployment_does_not_have(world: World) -> None:
    previous, rows = ZERO32, []
    for row in company(7, Catalogue(world.store).put_bundle(CONTENT), to_record(deployment()))[:5]:
        columns, previous = seal(row, previous)
        rows.append(columns + previous)
    world.insert(rows)
    assert world.found() == [("wrong-origin", 7, 0)]


# --- tiles ----------------------------------------------------------------------------------------


def test_tiles(world: World) -> None:
    world.alter("tiles", "root = reverse(root)", "chain = 1 AND index = 1")
    assert world.found() == [("edited", 1, 256)]
    world.delete("tiles", "chain = 1 AND index = 1")
    assert world.found() == [("truncated", 1, 256)]
    world.delete("tiles", "chain = 1")
    assert world.found(full=True) == [("truncated", 1, 0)]


def test_a_tile_from_the_middle(world: World) -> None:
    world.delete("tiles", "chain = 1 AND index = 0")
    assert world.found() == [("missing", 1, 0)]


def test_a_tile_of_rows_that_are_not_there(world: World) -> None:
    Trees(world.store).keep([(1, (0, 2, bytes(32)))])
    assert world.found() == [("truncated", 1, ROWS)]


def test_another_tile_beside_the_right_one(world: World) -> None:
    Trees(world.store).keep([(1, (0, 1, bytes(32)))])
    assert world.found() == [("edited", 1, 256)]


# --- verifications --------------------------------------------------------------------------------


@pytest.fixture
def verified(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A ledger too large to be recomputed whole each time, verified up to its newest checkpoint."""
    monkeypatch.setattr(verify_module, "WHOLE_ROWS", 0)
    monkeypatch.setattr("ansvar.accountability.verification.WHOLE_ROWS", 0)
    report = verify_everything(world.store, world.vault, signer=world.signer, now=NOW)
    assert [(c.verified_from, c.faults) for c in report.chains] == [(0, ())] * 2
    return world


def test_going_on_from_what_was_verified(verified: World) -> None:
    report = verify_everything(
        verified.store, verified.vault, signer=verified.signer, chains=[1], now=NOW + 1
    )
    assert [(c.chain, c.verified_from, c.rows, c.uncovered) for c in report.chains] == [(1, 690, ROWS, 10)]
    verified.alter("ledger", "purpose = 'forged'", f"chain = 1 AND seq IN (300, {ROWS - 1})")
    assert verified.found() == [("edited", 1, ROWS - 1)]
    assert verified.found(full=True) == [("edited", 1, 300), ("edited", 1, ROWS - 1)]


def test_what_was_verified_no_longer_there(verified: World) -> None:
    verified.delete("ledger", "chain = 1 AND seq >= 500")
    verified.delete("checkpoints", "chain = 1 AND size > 256")
    assert verified.found(anchored=False) == [("truncated", 1, 500)]


def test_checkpoints_older_than_what_was_verified(verified: World) -> None:
    verified.delete("checkpoints", "chain = 1 AND size > 400")
    assert verified.found(anchored=False) == [("rolled-back", 1, 400)]


def test_a_base_that_was_tampered_with_is_not_gone_on_from(verified: World) -> None:
    verified.alter("ledger", "leaf = reverse(leaf)", "chain = 1 AND seq = 689")
    assert verified.found() == [("edited", 1, 689)]
    verified.alter("tiles", "root = reverse(root)", "chain = 1 AND index = 1")
    assert verified.found() == [("edited", 1, 256), ("edited", 1, 689)]


def test_verifications_tampered_with(verified: World, tmp_path: Path) -> None:
    forged = other_keys(tmp_path).sign_verified(1, 690, bytes(32), 1).encode()
    for note, kind in (
        (forged, "bad-signature"),
        (b"nonsense", "bad-signature"),
        (Checkpoints(verified.store).last_verified(1) or b"", "bad-signature"),
    ):
        changed = note if note in (forged, b"nonsense") else note.replace(b"\n690\n", b"\n400\n", 1)
        verified.alter("verifications", f"note = unhex('{changed.hex()}')", "chain = 1")
        assert verified.found() == [(kind, 1, 0)]


# --- what whoever verifies has, and the command ---------------------------------------------------


def test_without_keys(world: World) -> None:
    report = world.verify(keys=False)
    assert report.intact
    assert "signatures not verified" in report.remarks[0]
    fork(world, 1, 300)
    report = world.verify(keys=False)
    assert [(f.kind, f.seq) for f in report.chains[1].faults] == [("forked", 256)]


def test_kept_files_that_are_not_what_they_should_be(world: World, tmp_path: Path) -> None:
    def verify(data: bytes) -> Report:
        file = tmp_path / "kept"
        file.write_bytes(data)
        return verify_everything(world.store, world.vault, signer=world.signer, anchors=[file])

    assert verify(b"").intact
    assert "kept" in verify(b"nonsense").beside[0]
    note = checkpoint(world, 1, 400)
    assert verify(note).intact
    bad = verify(other_keys(tmp_path).sign(1, 400, bytes(32), 1).encode())
    assert [(f.kind, f.seq) for f in bad.chains[1].faults] == [("bad-signature", 399)]
    logkeys.create(tmp_path / "other")
    stranger = LogSigner(tmp_path / "other", bytes(16)).sign(1, 400, bytes(32), 1).encode()
    assert [(f.kind, f.seq) for f in verify(stranger).chains[1].faults] == [("wrong-origin", 399)]


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (lambda world: None, None),
        (lambda world: world.alter("ledger", "purpose = 'x'", "chain = 1 AND seq = 300"), ("edited", 1, 300)),
        (lambda world: world.delete("ledger", "chain = 1 AND seq > 500"), ("truncated", 1, 501)),
        (lambda world: fork(world, 1, 300), ("forked", 1, 256)),
        (lambda world: roll_back(world, 400), ("rolled-back", 0, 400)),
    ],
    ids=["intact", "edited", "truncated", "forked", "rolled back"],
)
def test_the_command(
    world: World,
    capsys: pytest.CaptureFixture[str],
    tamper: Callable[[World], object],
    expected: tuple[str, int, int] | None,
) -> None:
    tamper(world)
    code = run(["verify", "--json", "--data-dir", str(world.directory.path)])
    shown = capsys.readouterr()
    report = json.loads(shown.out)
    found = [(f["kind"], c["chain"], f["seq"]) for c in report["chains"] for f in c["faults"]]
    if expected is None:
        assert (code, found, shown.err) == (0, [], "")
        assert len(Checkpoints(world.store).last_verified(1) or b"") > 100
    else:
        assert (code, found[0]) == (1, expected)
        assert f"chain {expected[1]}, seq {expected[2]}: {expected[0]}: " in shown.err


def test_the_command_takes_a_kept_file(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roll_back(world, 400)
    elsewhere = tmp_path / "mine.txt"
    shutil.move(world.anchor, elsewhere)
    try:
        arguments = ["verify", "--full", "--data-dir", str(world.directory.path)]
        world.vault.effects_through()
        run(arguments)
        assert "rolled-back" not in capsys.readouterr().err
        assert run([*arguments, "--anchor", str(elsewhere)]) == 1
        assert "chain 1, seq 400: rolled-back" in capsys.readouterr().err
    finally:
        shutil.move(elsewhere, world.anchor)


def test_what_a_worker_adds_meanwhile_is_no_fault(world: World) -> None:
    """It appends and signs for more while the rows are read: nothing of that is judged."""
    head = LedgerStore(world.store).head(0)
    assert head is not None
    grown: list[int] = []

    def meanwhile(chain: int, rows: int) -> None:
        if chain != 0 or grown:
            return
        row = replace(head.row, seq=head.seq + 1)
        columns, leaf = seal(row, head.leaf)
        world.insert([columns + leaf])
        size = head.seq + 2
        tree = Trees(world.store).rebuild(0, size)
        note = world.signer.sign(0, size, tree.root(), 1_800_000_000).encode()
        Checkpoints(world.store).keep([Stored(0, size, 1_800_000_000_000, True, note)])
        grown.append(size)

    report = verify_everything(world.store, world.vault, meanwhile, signer=world.signer)
    assert grown
    assert [chain.faults for chain in report.chains] == [(), ()]
    assert report.chains[0].rows == head.seq + 1
    assert world.verify(anchored=False).chains[0].rows == head.seq + 2


def test_the_stacks_own_look_finds_it_too(world: World) -> None:
    check = self_check(world.directory, Settings(), world.store)
    before = check(lambda: False)
    world.alter("ledger", "system = 'forged'", "chain = 1 AND seq = 5")
    assert check(lambda: True) == []  # broken off, because the stack stops
    [found] = [wrong for wrong in check(lambda: False) if wrong not in before]
    assert (found.chain, found.seq, found.text.partition(":")[0]) == (1, 5, "edited")
