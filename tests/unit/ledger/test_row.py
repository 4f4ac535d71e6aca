"""Row version 1: one form of bytes, whoever writes it, and frozen."""

from __future__ import annotations

import hashlib
import uuid

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ansvar.ledger.canonical import MAX_CANONICAL, ZERO32, kind_code, leaf, place
from ansvar.ledger.columns import COLUMNS, KIND_CODES, LEAF_SQL, names
from ansvar.ledger.errors import MalformedRow, RowTooLarge
from ansvar.ledger.row import Row, canonical, decode, encode, seal
from rows import any_row

LARGEST = Row(
    chain=2**32 - 1,
    seq=2**64 - 1,
    stream=b"\xff" * 16,
    offset=2**63 - 1,
    index=2**16 - 1,
    recorded_at=2**63 - 1,
    kind="erasure",
    stage="fail_open",
    event_id=uuid.UUID(int=2**128 - 1),
    occurred_at=-(2**63),
    policy=b"\xff" * 32,
    engine=2**16 - 1,
    batch=2**64 - 1,
    details=b"\0" * 5000,
    extra="𝄞" * 200,
)

# Every column has a value of its own, none the empty one.
GOLDEN = Row(
    chain=0x01020304,
    seq=0x05060708090A0B0C,
    stream=bytes(range(16)),
    offset=-2,
    index=513,
    recorded_at=1_767_225_600_123,
    kind="disclosure",
    stage="done",
    event_id=uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
    occurred_at=1_767_225_599_987_654,
    subject=bytes(range(16, 32)),
    system="crm",
    actor="säljstöd",
    purpose="contract",
    legal_basis="legal_obligation",
    role="processor",
    controller="Bolaget AB",
    data_categories=("name", "phone"),
    operation="use",
    recipient="polisen",
    recipient_type="authority",
    country="SE",
    safeguard="scc",
    safeguard_reference="SCC 2021/914 module 2",
    via="molnet",
    reference="K 123-26",
    ground="legal_request",
    right="access",
    phase="received",
    request_id=bytes(range(32, 48)),
    contract_id=bytes(range(48, 64)),
    correlation_id=bytes(range(64, 80)),
    digest=bytes(range(80, 96)),
    verdict="deny",
    findings=("D.1", "Å.2"),
    policy=bytes(range(96, 128)),
    engine=7,
    producer="local",
    session=bytes(range(128, 144)),
    batch=0x1112131415161718,
    details=b"\x00\xff" * 70,
    extra='{"fee":0}',
)
GOLDEN_PREVIOUS = bytes(range(200, 232))
GOLDEN_CANONICAL = (
    "01040302010c0b0a0908070605000102030405060708090a0b0c0d0e0ffeffffffffffffff01027ba8da769b01000006"
    "014b7796ac5d0a890157809a0902b3cebcc60f204648470600101112131415161718191a1b1c1d1e1f0363726d0a73c3"
    "a46c6a7374c3b66408636f6e7472616374106c6567616c5f6f626c69676174696f6e020a426f6c616765742041420204"
    "6e616d650570686f6e650375736507706f6c6973656e09617574686f7269747902534503736363155343432032303231"
    "2f393134206d6f64756c652032066d6f6c6e6574084b203132332d32360d6c6567616c5f726571756573740661636365"
    "7373087265636569766564202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f4041424344"
    "45464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f030203442e3104c3852e3260616263646566676869"
    "6a6b6c6d6e6f707172737475767778797a7b7c7d7e7f0700056c6f63616c808182838485868788898a8b8c8d8e8f1817"
    "1615141312118c0100ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff"
    "00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff"
    "00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff"
    "00ff00ff097b22666565223a307dc8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7"
)
GOLDEN_LEAF = "3db1be67d66b611e17bd22822123ffd5c4ba4427792ce324c22129b0748d1f4a"


def test_version_1_is_frozen() -> None:
    data = canonical(GOLDEN, GOLDEN_PREVIOUS)
    assert data.hex() == GOLDEN_CANONICAL
    assert leaf(data).hex() == GOLDEN_LEAF
    assert seal(GOLDEN, GOLDEN_PREVIOUS) == (data[:-32], leaf(data))


def test_every_column_of_the_golden_row_is_filled() -> None:
    defaults = {field.name: field.default for field in msgspec.structs.fields(Row) if field.name != "version"}
    assert [name for name, default in defaults.items() if getattr(GOLDEN, name) == default] == []


def test_columns_are_the_fields_of_a_row() -> None:
    assert names(1) == Row.__struct_fields__
    assert set(COLUMNS) == {1}
    assert LEAF_SQL == "FixedString(32)"


@given(any_row(), st.binary(min_size=32, max_size=32))
@example(LARGEST, ZERO32)
def test_the_fast_encoder_equals_the_plain_one(row: Row, previous: bytes) -> None:
    assert encode(row) + previous == canonical(row, previous)
    assert seal(row, previous) == (encode(row), leaf(canonical(row, previous)))


@given(any_row(), st.binary(max_size=8), st.binary(max_size=8))
@example(LARGEST, b"", b"")
def test_round_trip(row: Row, before: bytes, after: bytes) -> None:
    columns = encode(row)
    assert decode(before + columns + after, len(before)) == (row, len(before + columns))
    assert place(columns) == (row.chain, row.seq)
    assert kind_code(columns) == KIND_CODES[row.kind]


@settings(max_examples=15)
@given(any_row())
def test_cut_off_at_any_byte(row: Row) -> None:
    columns = encode(row)
    for size in range(len(columns)):
        with pytest.raises(MalformedRow):
            decode(columns[:size])


@given(st.binary(max_size=400))
def test_any_bytes_are_a_row_or_malformed(data: bytes) -> None:
    for version in (b"", b"\x01"):
        try:
            row, end = decode(version + data)
        except MalformedRow:
            continue
        assert encode(row) == (version + data)[:end]


def test_place_and_kind_of_what_is_no_row() -> None:
    columns = encode(GOLDEN)
    with pytest.raises(MalformedRow, match="12, before its chain and seq"):
        place(columns[:12])
    assert place(b"\x02" + columns[1:13]) == (GOLDEN.chain, GOLDEN.seq)
    assert kind_code(b"\x02" + columns[1:]) is None
    assert kind_code(columns[:40]) is None


@pytest.mark.parametrize("version", [0, 2, 255])
def test_an_unknown_version(version: int) -> None:
    with pytest.raises(MalformedRow, match=f"row version {version} at byte 0"):
        decode(bytes((version,)) + encode(GOLDEN)[1:])


FIXED = {"stream": 16, "subject": 16, "request_id": 16, "contract_id": 16, "correlation_id": 16, "digest": 16}
FIXED |= {"policy": 32, "session": 16}


@pytest.mark.parametrize(("name", "size"), FIXED.items())
@pytest.mark.parametrize("more", [-1, 1])
def test_fixed_columns_are_neither_cut_nor_filled(name: str, size: int, more: int) -> None:
    row = replace(GOLDEN, **{name: bytes(size + more)})
    with pytest.raises(MalformedRow):
        encode(row)
    with pytest.raises(MalformedRow):
        canonical(row, ZERO32)


def test_the_largest_row() -> None:
    room = MAX_CANONICAL - len(canonical(replace(GOLDEN, extra="x" * 20_000), ZERO32)) + 20_000
    fits = replace(GOLDEN, extra="x" * room)
    assert len(canonical(fits, ZERO32)) == MAX_CANONICAL
    assert seal(fits, ZERO32)[0] == encode(fits)
    over = replace(GOLDEN, extra="x" * (room + 1))
    for write in (canonical, seal):
        with pytest.raises(RowTooLarge, match="65536 bytes, at most 65535"):
            write(over, ZERO32)


def test_a_leaf_is_rfc_6962() -> None:
    # RFC 6962 section 2.1, and the vectors of the Certificate Transparency reference tests
    assert leaf(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf(b"L123456").hex().startswith("395aa064")
    assert leaf(b"abc") == hashlib.sha256(b"\0abc").digest()


def test_the_row_before_changes_the_leaf() -> None:
    columns, first = seal(GOLDEN, ZERO32)
    again, second = seal(GOLDEN, first)
    assert columns == again
    assert first != second
