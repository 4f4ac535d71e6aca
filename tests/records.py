"""Recorded Kafka records and what a worker needs to take them, without a broker.

One deployment with fixed keys, a producer that seals for it, a topic kept in memory (a `TopicReader`) and a
publisher that keeps what it is given (a `Publisher`). Only what HPKE draws by itself differs between two runs
of the tests; within one run a record is recorded once and can be taken any number of times.
"""

from __future__ import annotations

import atexit
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from ansvar.deployment import CONTROL, FORWARDER, Deployment, RegisteredProducer
from ansvar.enforcement.effects import Message, Topics
from ansvar.enforcement.enforcer import Parts
from ansvar.enforcement.founding import genesis
from ansvar.enforcement.judging import Rules, judge
from ansvar.enforcement.linking import named_here
from ansvar.enforcement.memory import ChainMemory
from ansvar.enforcement.opening import Opener, Record
from ansvar.enforcement.people import Known, People, Persons, named_in
from ansvar.enforcement.ports import Bounds, Publisher, TopicReader
from ansvar.enforcement.sheet import Judged
from ansvar.enforcement.trees import ChainTrees
from ansvar.events import codec
from ansvar.events.control import Control, encode_control
from ansvar.events.envelope import RecordType, Session, new_session
from ansvar.events.intake import IntakePrivateKey
from ansvar.events.model import Event, Identifier, ProcessingEvent
from ansvar.events.partition import partition_of
from ansvar.events.schemas import current
from ansvar.ledger.merkle import root
from ansvar.ledger.row import Row
from ansvar.policy.bundle import Bundle
from ansvar.policy.canonical import canonical
from ansvar.policy.decide import ENGINE
from ansvar.policy.loader import bundle_from_bytes
from ansvar.sample import SAMPLE_BUNDLE
from ansvar.store.client import Store
from ansvar.store.ledger import LedgerStore
from ansvar.vault import logkeys
from ansvar.vault.generator import SeededGenerator
from ansvar.vault.keys import DeploymentKeys, SubjectKeys, lookup_tag
from ansvar.vault.logkeys import LogSigner
from ansvar.vault.vault import Vault
from ansvar.vault.wrapping import FileKeys

CHAINS = 4
HOUR = 3_600_000
NOW = 1_772_460_000_000  # 2026-03-02 14:00 UTC, in ms
TOPIC = "ansvar.events"
TOPICS = Topics(TOPIC, "ansvar.alerts", "ansvar.deadletter")
EPOCH = 1
INTAKE = IntakePrivateKey(bytes(range(96)))
SIGNING = Ed25519PrivateKey.from_private_bytes(bytes(range(0x60, 0x80)))
OPERATOR = Ed25519PrivateKey.from_private_bytes(bytes(range(0xC0, 0xE0)))
PARTITION_KEY = bytes(range(0x20, 0x40))
PEPPER = bytes(range(0x40, 0x60))
SECRET = bytes(range(0x80, 0xA0))
DEPLOYMENT_ID = bytes(range(0xA0, 0xB0))
SEED = b"the tests' subjects"


@cache
def bundle_bytes() -> bytes:
    """The sample bundle in the form in which it is stored."""
    return canonical(SAMPLE_BUNDLE)


@cache
def bundle() -> Bundle:
    """The sample bundle, compiled."""
    return bundle_from_bytes(bundle_bytes())


@cache
def deployment(recent_events: int = 200_000, chains: int = CHAINS) -> Deployment:
    """The deployment of all tests here."""
    return Deployment(
        id=DEPLOYMENT_ID,
        topic=TOPIC,
        chains=chains,
        recent_events=recent_events,
        engine=ENGINE,
        bundle=bundle().sha256,
        operator=OPERATOR.public_key().public_bytes_raw(),
        epoch=EPOCH,
        intake=INTAKE.public_key().to_bytes(),
        secrets=bytes(32),
        producers=(
            RegisteredProducer("local", SIGNING.public_key().public_bytes_raw()),
            RegisteredProducer("control", SIGNING.public_key().public_bytes_raw(), (), (CONTROL,)),
            RegisteredProducer(FORWARDER, SIGNING.public_key().public_bytes_raw(), (), (FORWARDER,)),
        ),
        founded_at=NOW - HOUR,
    )


def opener(**changes: Any) -> Opener:
    """What opens the records of the deployment."""
    values: dict[str, Any] = {
        "deployment": DEPLOYMENT_ID,
        "topic": TOPIC,
        "producer_keys": dict.fromkeys(("local", "control", FORWARDER), SIGNING.public_key()),
        "epoch_keys": {EPOCH: INTAKE},
        "partition_key": PARTITION_KEY,
        "chains": CHAINS,
        "forwarders": frozenset((FORWARDER,)),
        "operator": deployment().operator,
    }
    return Opener(**values | changes)


def rules() -> Rules:
    """What judging needs, with the sample bundle."""
    known = {bundle().sha256: bundle()}

    def keep(content: bytes) -> None:
        kept = bundle_from_bytes(content)
        known[kept.sha256] = kept

    return Rules(DeploymentKeys(SECRET), known.__getitem__, keep, opener().home)


@cache
def customer(partition: int, number: int = 0) -> Identifier:
    """The n-th customer whose events belong to a partition."""
    found = -1
    for name in range(1_000_000):
        identifier = Identifier("customer_number", f"K-{name}")
        event = ProcessingEvent(occurred_at=None, system="crm", subject=identifier, operation="use")  # type: ignore[arg-type] # only the subject is looked at
        found += partition_of(PARTITION_KEY, event, CHAINS) == partition
        if found == number:
            return identifier
    raise AssertionError("a million customers suffice")


def numbered(event: Event, number: int, **changes: Any) -> Event:
    """The event with the n-th event id."""
    return replace(event, event_id=UUID(int=number, version=4), **changes)


def known(identifier: Identifier) -> Known:
    """A person as the tests' vault makes them."""
    generator = SeededGenerator(SEED)
    tag = lookup_tag(PEPPER, identifier.type, identifier.value)
    return Known(generator.reference(tag, 0), SubjectKeys(generator.data_key(tag, 0)), 0)


def persons(*events: Event) -> Persons:
    """Everyone that events name."""
    return {identifier: known(identifier) for event in events for identifier in named_in(event)}


class Producer:
    """Seals records in a session of its own; counts batches per partition as the SDK does."""

    def __init__(self, name: str = "1", **changes: Any) -> None:
        values: dict[str, Any] = {
            "deployment": DEPLOYMENT_ID,
            "producer": "local",
            "session": name.encode().rjust(16, b"s"),
            "started": NOW,
            "epoch": EPOCH,
            "intake_key": INTAKE.public_key(),
            "signing_key": SIGNING,
            "content_key": name.encode().rjust(32, b"k"),
        }
        self.session: Session = new_session(**values | changes)
        self.next: Counter[int] = Counter()

    def batch(self, partition: int, events: Sequence[Event], number: int | None = None) -> bytes:
        """A batch; by default with the next number."""
        return self.sealed(RecordType.BATCH, partition, codec.encode_batch(events), number)

    def command(self, partition: int, control: Control, number: int | None = None) -> bytes:
        """A command; by default with the next number."""
        return self.sealed_control(partition, encode_control(control), number)

    def sealed_control(self, partition: int, body: bytes, number: int | None = None) -> bytes:
        """A control record of whatever body; by default with the next number."""
        made = self.next[partition] if number is None else number
        self.next[partition] = max(self.next[partition], made + 1)
        schema = current("control").fingerprint
        return self.sealed(RecordType.CONTROL, partition, body, made, fingerprint=schema)

    def close(self, partition: int, next_batch: int | None = None, number: int = 0) -> bytes:
        """The end of the session on a partition."""
        stated = self.next[partition] if next_batch is None else next_batch
        return self.sealed(RecordType.CLOSE, partition, codec.encode_close(stated), number)

    def sealed(
        self,
        kind: RecordType,
        partition: int,
        body: bytes,
        number: int | None = None,
        *,
        fingerprint: bytes | None = None,
        topic: str = TOPIC,
    ) -> bytes:
        """Any body, sealed."""
        if number is None:
            number = self.next[partition]
        if kind is RecordType.BATCH:
            self.next[partition] = max(self.next[partition], number + 1)
        schema = fingerprint or current("batch" if kind is RecordType.BATCH else "close").fingerprint
        return self.session.seal(kind, number, schema, body, topic, partition)


class Chain:
    """One chain judged in memory, from its genesis on."""

    def __init__(self, partition: int = 0, *, recent_events: int = 200_000) -> None:
        self.partition = partition
        self.memory = ChainMemory(partition, recent_events)
        self.opener = opener()
        self.rules = rules()
        self.judged = [genesis(deployment(recent_events), partition)]
        self.memory.took(self.judged[0].row, self.judged[0].leaf)
        self.records: list[Record] = []

    def take(self, value: bytes, *, at: int = NOW, offset: int | None = None) -> list[Judged]:
        """Take a record at the next offset, or at the given one."""
        place = self.memory.offset + 1 if offset is None else offset
        return self.take_record(Record(self.partition, place, at, value))

    def take_record(self, record: Record) -> list[Judged]:
        """Take a record."""
        opened = self.opener.open(record)
        named = {who: known(who) for _, who in named_here(opened, record.partition, self.opener.home)}
        for content in getattr(opened, "bundles", ()):
            self.rules.keep(content)
        made = judge(record, opened, self.memory, named, self.rules)
        self.records.append(record)
        self.judged += made
        return made

    def kinds(self) -> list[str]:
        """The kinds of all rows but the genesis."""
        return [judged.row.kind for judged in self.judged[1:]]


class RecordedTopic(TopicReader):
    """The events topic, kept in memory; offsets may have holes, and the oldest records may have expired."""

    def __init__(self, partitions: int = CHAINS) -> None:
        self.kept: list[list[Record]] = [[] for _ in range(partitions)]
        self.ends = [0] * partitions
        self.starts = [0] * partitions

    def add(self, partition: int, value: bytes, at: int = NOW) -> Record:
        """Append a record, as the broker would."""
        record = Record(partition, self.ends[partition], at, value)
        self.kept[partition].append(record)
        self.ends[partition] += 1
        return record

    def lose(self, partition: int, offsets: int = 1) -> None:
        """Leave a hole."""
        self.ends[partition] += offsets

    def expire(self, partition: int, before: int) -> None:
        """Forget the records below an offset."""
        self.starts[partition] = before
        self.kept[partition] = [record for record in self.kept[partition] if record.offset >= before]

    async def bounds(self, partition: int) -> Bounds:
        return Bounds(self.starts[partition], self.ends[partition])

    async def records(self, partition: int, start: int, end: int) -> list[Record]:
        return [record for record in self.kept[partition] if start <= record.offset < end]


class KeptMessages(Publisher):
    """Keeps what is published. `before` and `after` are called around each publication and may raise."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    async def publish(self, messages: Sequence[Message]) -> None:
        self.before()
        self.messages += messages
        self.after()

    def alerts(self) -> Counter[bytes]:
        """Alert id -> how often it was published."""
        decoded = (codec.single_object_decode(m.value)[1] for m in self.messages if m.topic == TOPICS.alerts)
        return Counter(alert["alert_id"] for alert in decoded)

    def dead_letters(self) -> Counter[tuple[int, int]]:
        """(partition, offset) -> how often its dead letter was published."""
        letters = (m.value for m in self.messages if m.topic == TOPICS.deadletter)
        decoded = (codec.single_object_decode(value)[1] for value in letters)
        return Counter((letter["partition"], letter["offset"]) for letter in decoded)


def vault(path: Path) -> Vault:
    """A vault whose references and keys are the same in every run."""
    return Vault.in_file(path, SeededGenerator(SEED), FileKeys(path.parent / "keys"))


def parts(
    topic: TopicReader,
    ledger: LedgerStore,
    vault: Vault,
    publisher: Publisher,
    founded: Deployment | None = None,
) -> Parts:
    """What an enforcer works with, as a process of its own would have it: nothing cached yet."""
    return Parts(
        deployment=founded or deployment(),
        ledger=ledger,
        vault=vault,
        people=People(vault, PEPPER),
        opener=opener(),
        rules=rules(),
        reader=topic,
        publisher=publisher,
        topics=TOPICS,
        trees=ChainTrees(ledger.store, log_signer()),
    )


@cache
def log_signer() -> LogSigner:
    """Signs for the deployment of `records`, with keys that live as long as the process."""
    keys = Path(mkdtemp(prefix="ansvar-log-keys-"))
    atexit.register(rmtree, keys, ignore_errors=True)
    logkeys.create(keys)
    return LogSigner(keys, deployment().id)


def roots(store: Store) -> dict[int, tuple[int, bytes]]:
    """Chain -> number of rows and Merkle root, from what is stored."""
    ledger = LedgerStore(store)
    found = {}
    for chain in ledger.chains():
        leaves = [leaf for _, leaf in ledger.stored(chain, 0, ledger.last_seq(chain) + 1)]
        found[chain] = (len(leaves), root(leaves))
    return found


def rows(store: Store, chains: Iterable[int] | None = None) -> list[Row]:
    """Every row of some chains, by chain and seq."""
    ledger = LedgerStore(store)
    wanted = ledger.chains() if chains is None else chains
    return [row for chain in wanted for row, _ in ledger.rows(chain, 0, ledger.last_seq(chain) + 1)]


def by_partition(events: Iterable[Event]) -> dict[int, list[Event]]:
    """Normalised events, where they belong."""
    found: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        found[partition_of(PARTITION_KEY, event, CHAINS)].append(event)
    return found
