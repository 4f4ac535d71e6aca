"""The log's client against real witness servers, and against servers that lie, stall or say too much."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from pathlib import Path

import pytest

from ansvar.enforcement.witnessing import MAX_ANSWER, Ahead, Consistency, Cosigned, Witnesses
from ansvar.ledger.checkpoint import cosign_ed25519, open_checkpoint
from ansvar.ledger.errors import Malformed
from ansvar.ledger.notes import NoteSignature
from ansvar.ledger.trust import TrustPolicy
from ansvar.ledger.witness_protocol import SIZE_TYPE, AddCheckpoint, origin_hash
from ansvar.verifier.witness import Witness, WitnessKeys
from ansvar.verifier.witness_http import WitnessServer
from ansvar.verifier.witness_store import WitnessStore
from small_logs import ORIGIN, SmallLog, witness_keys

LOG = SmallLog()
GOOD = witness_keys(b"g" * 32, "witness.example/good")
OTHER = witness_keys(b"o" * 32, "witness.example/other")
PATIENT = 60.0  # seconds


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


class Real:
    """A witness server in a thread, and what it remembers."""

    def __init__(self, directory: Path, keys: WitnessKeys, stack: ExitStack) -> None:
        self.store = stack.enter_context(
            closing(WitnessStore(directory / f"{len(list(directory.iterdir()))}.db"))
        )
        self.witness = Witness(self.store, keys, LOG.keys)
        server = WitnessServer(self.witness, "127.0.0.1", 0)
        stack.enter_context(server.serving())
        self.keys, self.url = keys, server.url

    def has(self, size: int) -> bool:
        answer = self.witness.published(origin_hash(ORIGIN))
        if answer.status == 404:
            return size == 0
        return open_checkpoint(answer.body, LOG.keys, self.keys.public).checkpoint.size == size


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Callable[..., Real]]:
    with ExitStack() as stack:
        yield lambda keys=GOOD: Real(tmp_path, keys, stack)


def policy(*witnesses: tuple[WitnessKeys, str], quorum: str = "none") -> TrustPolicy:
    """Both keys of each of these, at a URL."""
    lines = []
    for keys, url in witnesses:
        short = keys.name.rpartition("/")[2]
        for suffix, key in zip(("ed", "ml"), keys.public, strict=True):
            lines.append(f"witness {short}-{suffix} {key} {url}".rstrip() + "\n")
    return TrustPolicy.parse(("".join(lines) + f"quorum {quorum}\n").encode())


@asynccontextmanager
async def client(trusted: TrustPolicy, seconds: float = PATIENT) -> AsyncIterator[Witnesses]:
    witnesses = Witnesses(trusted, timeout=seconds)
    try:
        yield witnesses
    finally:
        await witnesses.aclose()


def proofs_to(size: int, log: SmallLog = LOG, asked: list[int] | None = None) -> Consistency:
    async def consistency(old: int) -> tuple[bytes, ...]:
        if asked is not None:
            asked.append(old)
        return log.proof(old, size)

    return consistency


async def cosign(witnesses: Witnesses, size: int, log: SmallLog = LOG) -> Cosigned:
    return await witnesses.cosign(log.checkpoint(size), log.note(size, mldsa=True), proofs_to(size, log))


async def test_a_log_grows_under_a_witness(real: Callable[..., Real]) -> None:
    there = real()
    trusted = policy((GOOD, there.url + "/"), quorum="good-ml")
    async with client(trusted) as witnesses:
        for size in (0, 1, 5, 5, 300):
            done = await cosign(witnesses, size)
            assert (done.problems, done.ahead, done.forked) == ((), (), ())
            assert trusted.satisfied_by(done.signed)
            opened = open_checkpoint(done.note.encode(), LOG.keys, trusted.witness_keys, ORIGIN)
            trusted.check(opened)
            assert {one.key for one in opened.signed} == {*LOG.keys, *GOOD.public}
            assert there.has(size)


async def test_a_new_client_learns_the_old_size(real: Callable[..., Real]) -> None:
    there = real()
    async with client(policy((GOOD, there.url))) as first:
        await cosign(first, 5)
    async with client(policy((GOOD, there.url))) as second:
        asked: list[int] = []
        done = await second.cosign(LOG.checkpoint(9), LOG.note(9), proofs_to(9, asked=asked))
        assert len(done.signed) == 2
        assert asked == [5]  # once for both keys of the server, and not for size 0


async def test_an_answer_that_was_lost_is_asked_for_again(real: Callable[..., Real]) -> None:
    there = real()
    assert there.witness.add_checkpoint(LOG.request(0, 9), 1).status == 200
    async with client(policy((GOOD, there.url))) as witnesses:
        assert len((await cosign(witnesses, 9)).signed) == 2


async def test_a_witness_ahead_means_rolled_back_and_is_not_asked_again(real: Callable[..., Real]) -> None:
    there = real()
    async with client(policy((GOOD, there.url))) as witnesses:
        await cosign(witnesses, 300)
        for _ in range(2):  # also with a size in memory that is larger than the checkpoint's
            done = await cosign(witnesses, 200)
            assert done.ahead == (Ahead("good-ed", 300), Ahead("good-ml", 300))
            assert done.signed == ()
            assert "it has cosigned size 300, and ours is 200" in done.problems[0]
            assert len(done.note.signatures) == 2  # the log's
    async with client(policy((GOOD, there.url))) as fresh:
        assert (await cosign(fresh, 200)).ahead == (Ahead("good-ed", 300), Ahead("good-ml", 300))
    assert there.has(300)


async def test_a_fork_is_said_apart(real: Callable[..., Real]) -> None:
    there = real()
    async with client(policy((GOOD, there.url))) as witnesses:
        await cosign(witnesses, 5)
        for size in (5, 9):
            done = await cosign(witnesses, size, SmallLog("a@3"))
            assert done.forked == ("good-ed", "good-ml")
            assert (done.signed, done.ahead) == ((), ())
    assert len(there.store.conflicts()) == 2


async def test_an_unknown_log_and_a_bad_key_are_told_apart(real: Callable[..., Real]) -> None:
    there = real()
    async with client(policy((GOOD, there.url))) as witnesses:
        unknown = await cosign(witnesses, 5, SmallLog(origin="example.com/other"))
        assert "404: it does not know our log" in unknown.problems[0]
        stranger = await cosign(witnesses, 5, SmallLog(secret=b"x" * 32))
        assert "403: it does not trust our log's key" in stranger.problems[0]
        assert stranger.forked == ()


Reply = Callable[[bytes], bytes]


class Fake:
    """A server that answers every request with the bytes that a function makes of its body."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[AddCheckpoint] = []


@asynccontextmanager
async def fake(reply: Callable[[AddCheckpoint], bytes], *, stays: bool = False) -> AsyncIterator[Fake]:
    """`stays` keeps the connection open after the answer; one that has begun goes on, a byte at a time."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            there.asked.append(AddCheckpoint.parse(await reader.readexactly(int(length.split(b":")[1]))))
            writer.write(reply(there.asked[-1]))
            await writer.drain()
            while stays and not ended.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), 0.1)
                writer.write(b"x" if reply(there.asked[-1]) else b"")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has seen enough
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    there = Fake(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield there
    finally:
        ended.set()
        server.close()
        await server.wait_closed()


def http_answer(status: int, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def lines(*signatures: NoteSignature) -> bytes:
    return "".join([one.line() for one in signatures]).encode()


async def test_one_good_one_dead_one_lying(real: Callable[..., Real]) -> None:
    there = real()
    dead, liar = (
        witness_keys(b"d" * 32, "witness.example/dead"),
        witness_keys(b"l" * 32, "witness.example/liar"),
    )
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"

    def lie(_: AddCheckpoint) -> bytes:
        """The first cosignature is over another tree, the second a good one of an unknown witness."""
        false = liar.cosign(LOG.checkpoint(6), 1)[0]
        return http_answer(200, lines(false, *OTHER.cosign(LOG.checkpoint(5), 1)))

    async with fake(lie) as lying:
        trusted = policy((dead, nobody), (liar, lying.url), (GOOD, there.url), quorum="good-ed")
        async with client(trusted) as witnesses:
            done = await cosign(witnesses, 5)
    assert done.problems == (
        "witness 'dead-ed': it cannot be reached",
        "witness 'dead-ml': it cannot be reached",
        "witness 'liar-ed': its cosignature does not verify",
        "witness 'liar-ml': its answer has no cosignature of the key that the policy names",
    )
    assert [one.key for one in done.signed] == list(GOOD.public)
    trusted.check(open_checkpoint(done.note.encode(), LOG.keys, trusted.witness_keys, ORIGIN))
    assert trusted.satisfied_by(done.signed)


async def test_a_cosignature_without_a_time_is_none() -> None:
    timeless = cosign_ed25519(LOG.checkpoint(5), GOOD.name, GOOD.ed25519, 0)
    async with (
        fake(lambda _: http_answer(200, lines(timeless))) as there,
        client(policy((GOOD, there.url))) as ours,
    ):
        done = await cosign(ours, 5)
    assert done.signed == ()
    assert "states no time" in done.problems[0]


async def test_no_witness_can_make_us_ask_for_ever() -> None:
    def always_other(request: AddCheckpoint) -> bytes:
        return http_answer(409, f"{(request.old + 1) % 5}\n".encode(), f"Content-Type: {SIZE_TYPE}")

    async with fake(always_other) as there, client(policy((GOOD, there.url))) as witnesses:
        done = await cosign(witnesses, 5)
        assert [one.old for one in there.asked] == [0, 1, 2]
    assert "another old size 3 times" in done.problems[0]
    assert done.ahead == ()


async def test_a_larger_size_is_never_answered_with_another_request() -> None:
    async with (
        fake(lambda _: http_answer(409, b"6\n")) as there,
        client(policy((GOOD, there.url))) as witnesses,
    ):
        done = await cosign(witnesses, 5)
        assert len(there.asked) == 1
    assert done.ahead == (Ahead("good-ed", 6), Ahead("good-ml", 6))


async def test_a_witness_that_contradicts_itself_is_asked_once() -> None:
    async with (
        fake(lambda _: http_answer(409, b"0\n")) as there,
        client(policy((GOOD, there.url))) as witnesses,
    ):
        assert "refuses size 0" in (await cosign(witnesses, 5)).problems[0]
        assert len(there.asked) == 1


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (http_answer(200, b""), "its answer (200) is not of the protocol"),
        (http_answer(200, b"<html>\x1b[2J"), "its answer (200) is not of the protocol"),
        (http_answer(409, b"<html>"), "its answer (409) is not of the protocol"),
        (http_answer(409, b"05\n"), "its answer (409) is not of the protocol"),
        (http_answer(409, b"9" * 5000 + b"\n"), "its answer (409) is not of the protocol"),
        (http_answer(307, b"", "Location: http://127.0.0.1:9/add-checkpoint"), "it answered 307"),
        (http_answer(500, b"secret of theirs"), "it answered 500"),
        (http_answer(200, b"x" * (MAX_ANSWER + 1)), f"its answer is longer than {MAX_ANSWER} bytes"),
        (http_answer(200, struct.pack("<I", 0x04034B50), "Content-Encoding: gzip"), "not of the protocol"),
        (b"nonsense\r\n\r\n", "the connection failed (RemoteProtocolError)"),
        (b"HTTP/1.1 200 x\r\nContent-Length: 50\r\n\r\nshort", "the connection failed (RemoteProtocolError)"),
        (b"", "the connection failed (RemoteProtocolError)"),
    ],
)
async def test_strange_answers_are_one_plain_line(answer: bytes, problem: str) -> None:
    async with fake(lambda _: answer) as there, client(policy((GOOD, there.url))) as witnesses:
        done = await cosign(witnesses, 5)
        assert len(there.asked) == 1
    assert len(done.problems) == 2
    assert done.problems[0].startswith("witness 'good-ed': ")
    assert problem in done.problems[0]
    assert done.problems[0].isprintable()
    assert done.note.text == LOG.checkpoint(5).text()
    assert len(done.note.signatures) == 2


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 x\r\nContent-Length: 60000\r\n\r\n"])
async def test_a_witness_that_stalls_does_not_stop_the_good_one(
    real: Callable[..., Real], begun: bytes
) -> None:
    there = real()
    async with (
        fake(lambda _: begun, stays=True) as stalling,
        client(policy((OTHER, stalling.url), (GOOD, there.url)), 2.0) as witnesses,
    ):
        done = await cosign(witnesses, 5)
    assert done.problems == (
        "witness 'other-ed': no answer within 2 s",
        "witness 'other-ml': no answer within 2 s",
    )
    assert [one.key for one in done.signed] == list(GOOD.public)


async def test_what_consistency_raises_comes_through(real: Callable[..., Real]) -> None:
    there = real()
    assert there.witness.add_checkpoint(LOG.request(0, 3), 1).status == 200

    async def failing(_: int) -> tuple[bytes, ...]:
        raise LookupError("tiles are gone")

    async with client(policy((GOOD, there.url))) as witnesses:
        with pytest.raises(LookupError, match="tiles are gone"):
            await witnesses.cosign(LOG.checkpoint(5), LOG.note(5), failing)


async def test_a_witness_without_a_url_is_named() -> None:
    async with client(policy((GOOD, ""))) as witnesses:
        done = await cosign(witnesses, 5)
    assert done.problems == (
        "witness 'good-ed': the policy has no URL for it",
        "witness 'good-ml': the policy has no URL for it",
    )


async def test_no_witnesses_no_problems() -> None:
    async with client(policy()) as witnesses:
        done = await cosign(witnesses, 5)
    assert (done.signed, done.problems) == ((), ())


@pytest.mark.parametrize(
    "url", ["ftp://w", "w", "http://", "http://[::1", "http://w:port", "http://\xff\x80..", "/x"]
)
def test_a_url_that_cannot_be_asked_is_malformed(url: str) -> None:
    with pytest.raises(Malformed, match="witness 'good-ed': its URL"):
        Witnesses(policy((GOOD, url)))
