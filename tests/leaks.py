"""A byte search for identifiers of persons: every written form of them, in every file below a directory.

A form is a spelling (normal or as it may be sent), in UTF-8 or UTF-16, plain, as base64 at any of the three
places in which it may begin in what was encoded, or as hex in either case. UTF-16 is searched for from its
first significant byte to its last, which big and little endian share. gzip files and zip archives are opened.
Kafka and ClickHouse compress what they keep: `dump_topics` and `dump_tables` read it out by their own means.
"""

from __future__ import annotations

import base64
import gzip
import io
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from ansvar.events.identifiers import normalise
from ansvar.events.model import Identifier
from workers import POLL

_YEAR = 2026
_LEAST = 6  # bytes of a form; fewer are found in anything


class Leak(Struct, frozen=True):
    """Where an identifier stands and in which form; the identifier only by its number among those wanted."""

    file: str
    identifier: int
    form: str


def spellings(identifier: Identifier) -> set[str]:
    """The normal form of an identifier, and those in which producers send it."""
    normal = normalise(identifier, year=_YEAR).value
    found = {identifier.value, normal}
    if identifier.type == "personnummer":
        century, short, rest = normal[:2], normal[2:8], normal[8:]
        found |= {f"{short}{rest}", f"{short}-{rest}", f"{century}{short}-{rest}", f"{short}+{rest}"}
    elif identifier.type == "phone_number":
        national = "0" + normal.removeprefix("+46")
        found |= {normal[1:], f"00{normal[1:]}", national, f"{national[:3]}-{national[3:]}"}
        found.add(f"{national[:3]}-{national[3:6]} {national[6:8]} {national[8:]}")
    else:
        found |= {normal.lower(), normal.upper()}
    return found


def forms(text: str) -> dict[str, bytes]:
    """Every form of one spelling: its name -> its bytes."""
    found = {}
    for encoding, raw in (("utf-8", text.encode()), ("utf-16", text.encode("utf-16-le").rstrip(b"\0"))):
        found[encoding] = raw
        found[f"{encoding} hex"] = raw.hex().encode()
        found[f"{encoding} HEX"] = raw.hex().upper().encode()
        for before in range(3):
            inside = _base64(raw, before)
            found[f"{encoding} base64 +{before}"] = inside
            found[f"{encoding} base64url +{before}"] = inside.translate(bytes.maketrans(b"+/", b"-_"))
    return {name: form for name, form in found.items() if len(form) >= _LEAST}


def _base64(raw: bytes, before: int) -> bytes:
    """The signs that base64 gives for bytes after `before` others, whatever stands around them."""
    encoded = base64.b64encode(bytes(before) + raw)
    return encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]


class Search:
    """Searches for some identifiers."""

    def __init__(self, identifiers: Iterable[Identifier]) -> None:
        self._wanted = {
            form: (number, f"{name} of spelling {place}")
            for number, identifier in enumerate(identifiers)
            for place, spelling in enumerate(sorted(spellings(identifier)))
            for name, form in forms(spelling).items()
        }
        self.bytes = 0  # searched so far, without the zeros at the end of files

    def below(self, *roots: Path) -> list[Leak]:
        """Every form found in a file below, or in the name of one."""
        found = []
        for root in roots:
            assert root.is_dir(), root
            for path in sorted(root.rglob("*")):
                found += self.inside(str(path), str(path.relative_to(root)).encode())
                if path.is_file() and not path.is_symlink():
                    for content in _contents(path.read_bytes()):
                        found += self.inside(str(path), content)
        return found

    def inside(self, where: str, content: bytes) -> list[Leak]:
        """Every form found in some bytes."""
        content = content.rstrip(b"\0")  # Kafka lays its indexes out in advance
        self.bytes += len(content)
        return [Leak(where, *told) for form, told in self._wanted.items() if form in content]


def _contents(content: bytes) -> Iterator[bytes]:
    """The bytes of a file, and what they hold if they are compressed."""
    yield content
    if content.startswith(b"\x1f\x8b"):
        try:
            yield gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            return
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield archive.read(name)


async def dump_topics(bootstrap: str, out: Path) -> set[str]:
    """Write keys, headers and values of every record into a file a topic; returns the topics with records."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        described = await admin.describe_topics(await admin.list_topics())
    finally:
        await admin.close()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=40 << 20
    )
    await consumer.start()
    found = set()
    try:
        for told in described:
            topic = told["topic"]
            places = [TopicPartition(topic, partition["partition"]) for partition in told["partitions"]]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            with (out / f"{topic}.records").open("wb") as kept:
                while [place for place in places if await consumer.position(place) < ends[place]]:
                    for batch in (await consumer.getmany(timeout_ms=int(POLL * 1000))).values():
                        for message in batch:
                            headers = [part for header in message.headers for part in header]
                            for part in (message.key, message.value, *headers):
                                kept.write(part.encode() if isinstance(part, str) else part or b"")
                                kept.write(b"\n")
                            found.add(topic)
    finally:
        await consumer.stop()
    return found


_TABLES = """
import sys
from pathlib import Path
from ansvar.store.client import Store, chdb_dsn
store = Store(chdb_dsn(Path(sys.argv[1])))
named = store.query(
    "SELECT database, name FROM system.tables WHERE NOT is_temporary AND engine NOT LIKE '%View%' AND "
    "(database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') OR name LIKE '%\\\\_log')"
)
for database, name in named:
    content = store.raw(f"SELECT * FROM `{database}`.`{name}`")
    (Path(sys.argv[2]) / f"{database}.{name}.rows").write_bytes(content)
    print(name)
store.close()
"""


def dump_tables(clickhouse: Path, out: Path) -> set[str]:
    """Write every table of a store that no process has open into a file; returns the tables' names."""
    done = subprocess.run(
        [sys.executable, "-c", _TABLES, clickhouse, out], capture_output=True, text=True, check=True
    )
    return set(re.findall(r"\S+", done.stdout))
