"""The keys with which the log signs its checkpoints: a secret a generation, keys of its own for every chain.

Invariants:
- A generation is one file, `log-key-<g>.pem`: an Ed25519 key (PKCS #8), encrypted if a passphrase is given.
  From its 32 bytes HKDF-SHA-256 derives each chain's Ed25519 and ML-DSA-44 seeds, with the chain's origin in
  `info`: no key signs for two chains, and none fits another deployment.
- Keys are rotated with overlap: the old generation signs the new one's keys, chain by chain
  (`log-succession-<g>.txt`), and both sign checkpoints until the overlap ends. Whoever pinned an old key
  follows its signature. A generation counts once its successions are on disk; a key file is never replaced.
- Of rotations at the same time one is carried out: who makes the file of the successions first.

Not handled here: when something is signed (`enforcement.checkpointing`), what it means (`ledger.checkpoint`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from ansvar.keyfiles import (
    KeyFileError,
    KeyFileExists,
    read_secret_file,
    read_signing_key,
    write_secret_file,
    write_signing_key,
)
from ansvar.ledger.checkpoint import Checkpoint, cosign_mldsa, ed25519_key, mldsa_key, sign
from ansvar.ledger.errors import BadSignature, LedgerError
from ansvar.ledger.notes import Note, VerifierKey, decode_decimal
from ansvar.ledger.statements import (
    Succession,
    Verified,
    join_notes,
    open_statement,
    sign_statement,
    split_notes,
)

_SUCCESSION: Final = re.compile(r"log-succession-([0-9]{1,6})\.txt")
_MAX_SUCCESSIONS: Final = 1 << 26  # bytes: 2 kB for each chain, and every ingested file has chains of its own
_MAX_SIGNING: Final = 8  # generations at once: a note has room for 64 signatures, and witnesses add theirs
_ED25519: Final = b"ansvar/log-key/v1/ed25519/"
_MLDSA: Final = b"ansvar/log-key/v1/ml-dsa-44/"


class ChainKeys(Struct, frozen=True):
    """What one generation signs the checkpoints of one chain with."""

    origin: str
    ed25519: Ed25519PrivateKey
    mldsa: MLDSA44PrivateKey

    @property
    def public(self) -> tuple[VerifierKey, VerifierKey]:
        """The Ed25519 note key and the ML-DSA-44 cosigner key."""
        return (
            ed25519_key(self.origin, self.ed25519.public_key()),
            mldsa_key(self.origin, self.mldsa.public_key()),
        )


class Generation(Struct, frozen=True):
    """One generation's secret; it signs until `until` (Unix seconds), the newest without end."""

    number: int
    secret: Ed25519PrivateKey
    until: int | None = None


class LogSigner:
    """Signs for every chain of one deployment with the keys in a directory; a rotation is noticed."""

    def __init__(self, directory: Path, deployment: bytes, passphrase: bytes | None = None) -> None:
        """Read the keys. Raises KeyFileError where there are none or one cannot be read."""
        self._directory = directory
        self._deployment = deployment
        self._passphrase = passphrase
        self._generations: list[Generation] = []
        self._keys = lru_cache(maxsize=4096)(self._derive)
        self._look()

    def origin(self, chain: int) -> str:
        """The origin of a chain's checkpoints, and the name of its keys: `ansvar/<deployment>/<chain>`."""
        return f"ansvar/{UUID(bytes=self._deployment)}/{chain}"

    def sign(self, chain: int, size: int, root: bytes, at: int) -> Note:
        """The signed checkpoint of a chain; `at` in Unix seconds. Raises KeyFileError."""
        self._look()
        checkpoint = Checkpoint(self.origin(chain), size, root)
        note = Note(checkpoint.text(), ())
        for generation in self._generations:
            if generation.until is None or at < generation.until:
                keys = self._keys(generation.number, chain)
                note = note.with_signatures(
                    sign(checkpoint, keys.origin, keys.ed25519),
                    cosign_mldsa(checkpoint, keys.origin, keys.mldsa, at),
                )
        return note

    def sign_verified(self, chain: int, size: int, root: bytes, at: int) -> Note:
        """The note that says that a chain was found intact, by the newest key."""
        self._look()
        keys = self._keys(self._generations[-1].number, chain)
        statement = Verified(Checkpoint(keys.origin, size, root), at)
        return sign_statement(statement, keys.origin, keys.ed25519)

    def sign_bytes(self, chain: int, message: bytes) -> list[tuple[VerifierKey, bytes]]:
        """Ed25519 signatures by every generation of a chain's keys; `message` begins with its own label."""
        self._look()
        keys = [self._keys(each.number, chain) for each in self._generations]
        return [(each.public[0], each.ed25519.sign(message)) for each in keys]

    @property
    def generations(self) -> tuple[Generation, ...]:
        """Every generation, oldest first."""
        self._look()
        return tuple(self._generations)

    def keys(self, number: int, chain: int) -> tuple[VerifierKey, VerifierKey]:
        """The public keys of one generation for one chain: Ed25519, ML-DSA-44."""
        self._look()
        return self._keys(number, chain).public

    def public(self, chain: int) -> tuple[VerifierKey, ...]:
        """Every key that the chain's checkpoints were ever signed with, newest generation first."""
        self._look()
        return tuple(
            key for each in reversed(self._generations) for key in self._keys(each.number, chain).public
        )

    def successions(self, chain: int) -> list[bytes]:
        """The notes by which the chain's older keys name those that followed, in order."""
        name = f"\n{self.origin(chain)}\n".encode()
        return [
            note
            for generation in self._generations[1:]
            for note in self._notes(generation.number)
            if name in note
        ]

    def publish(self, chains: Iterable[int]) -> None:
        """Write `log-<chain>.vkey` and `log-<chain>.mldsa.vkey`, one line each, for the newest generation."""
        for chain in chains:
            for key, end in zip(self._keys(self._generations[-1].number, chain).public, _ENDS, strict=True):
                path = self._directory / f"log-{chain}.{end}"
                line = f"{key}\n".encode()
                if not path.exists() or path.read_bytes() != line:
                    write_secret_file(path, line, replace=True)

    def rotate(self, chains: Iterable[int], now: int, overlap: int) -> int:
        """Make the next generation; the old signs along for `overlap` seconds. Returns its number.

        Cut off anywhere, it changes nothing or is finished by doing it again. Raises KeyFileError, also where
        another rotation was faster, or too many generations sign at once.
        """
        self._look()
        signing = [each for each in self._generations if each.until is None or now < each.until]
        if len(signing) >= _MAX_SIGNING:
            raise KeyFileError(
                f"{len(signing)} generations of log keys sign at once, and no more may; wait until the "
                "overlap of one has ended (ansvar keys list), and rotate less often or with a shorter overlap"
            )
        old, number = self._generations[-1], self._generations[-1].number + 1
        create(self._directory, self._passphrase, number)
        new = Generation(number, self._read(number))
        notes = []
        for chain in chains:
            before, after = self._keys(old.number, chain), self._of(new, chain)
            succession = Succession(before.origin, *after.public, now, now + overlap)
            notes.append(sign_statement(succession, before.origin, before.ed25519).encode())
        try:
            write_secret_file(_succession(self._directory, number), join_notes(notes))
        except KeyFileExists as error:
            raise KeyFileError(
                f"another rotation made the log keys of generation {number} just now; this one did nothing"
            ) from error
        self._look()
        return number

    def _look(self) -> None:
        """Take note of generations that were added."""
        names = [path.name for path in self._directory.glob("log-succession-*")]
        numbers = sorted({1, *(int(m[1]) for name in names if (m := _SUCCESSION.fullmatch(name)))})
        if lost := [number for number in numbers if not _key(self._directory, number).exists()]:
            raise KeyFileError(
                f"{self._directory} has no log-key-{lost[0]}.pem, and without it no checkpoint can "
                "be signed. Bring it back from a backup of the keys"
            )
        if [each.number for each in self._generations] == numbers:
            return
        plain = [Generation(number, self._read(number)) for number in numbers]
        untils = [self._until(before, after) for before, after in pairwise(plain)]
        self._generations = [
            Generation(each.number, each.secret, until)
            for each, until in zip(plain, [*untils, None], strict=True)
        ]

    def _until(self, before: Generation, after: Generation) -> int:
        """When the older generation stops signing, as it has signed itself."""
        number = after.number
        notes = self._notes(number)
        if not notes:
            raise KeyFileError(
                f"{_succession(self._directory, number)} is empty; bring it back from a backup"
            )
        try:
            stated = Succession.parse(Note.parse(notes[0]).text)
            old, new = (self._of(each, _chain_of(stated.origin)) for each in (before, after))
            open_statement(notes[0], old.public)
            if (stated.origin, stated.ed25519, stated.mldsa) != (old.origin, *new.public):
                raise BadSignature("it names other keys than those that are here")
        except LedgerError as error:
            raise KeyFileError(f"{_succession(self._directory, number)}: {error}") from error
        return stated.until

    def _notes(self, number: int) -> list[bytes]:
        """The successions that lead to a generation."""
        path = _succession(self._directory, number)
        try:
            return split_notes(read_secret_file(path, _MAX_SUCCESSIONS))
        except LedgerError as error:
            raise KeyFileError(f"{path}: {error}") from error

    def _read(self, number: int) -> Ed25519PrivateKey:
        return read_signing_key(_key(self._directory, number), self._passphrase)

    def _derive(self, number: int, chain: int) -> ChainKeys:
        return self._of(next(each for each in self._generations if each.number == number), chain)

    def _of(self, generation: Generation, chain: int) -> ChainKeys:
        origin, secret = self.origin(chain), generation.secret.private_bytes_raw()

        def seed(label: bytes) -> bytes:
            return HKDF(SHA256(), 32, salt=None, info=label + origin.encode()).derive(secret)

        return ChainKeys(
            origin,
            Ed25519PrivateKey.from_private_bytes(seed(_ED25519)),
            MLDSA44PrivateKey.from_seed_bytes(seed(_MLDSA)),
        )


_ENDS: Final = ("vkey", "mldsa.vkey")


def create(directory: Path, passphrase: bytes | None = None, number: int = 1) -> None:
    """Make the key of a generation, by default the first, unless it is there."""
    try:
        write_signing_key(_key(directory, number), Ed25519PrivateKey.generate(), passphrase=passphrase)
    except KeyFileExists:
        return


def _chain_of(origin: str) -> int:
    """The chain that an origin of ours ends with. Raises Malformed."""
    return decode_decimal(origin.rpartition("/")[2], "key succession", "line 2")


def _key(directory: Path, number: int) -> Path:
    return directory / f"log-key-{number}.pem"


def _succession(directory: Path, number: int) -> Path:
    return directory / f"log-succession-{number}.txt"
