"""The hybrid intake key: producers seal to it, the intake opens (X25519 with ML-KEM-768).

Invariants: a key has exactly one encoding in bytes, ML-KEM part first, as in X-Wing
(draft-connolly-cfrg-xwing-kem, 5.2); the HPKE suite is fixed for wire format version 1 (RFC 9180 with KEM
MLKEM768-X25519, KDF HKDF-SHA256, AEAD AES-256-GCM). `repr` never shows private bytes.

Not handled here: files (`ansvar.keyfiles`), epochs and their end, drawing randomness for keys. Encapsulation
draws its own randomness inside the cryptography library, which offers no way to pass it in.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

_MLKEM_SEED, _MLKEM_PUBLIC, _X25519 = 64, 1184, 32
PRIVATE_BYTES = _MLKEM_SEED + _X25519
PUBLIC_BYTES = _MLKEM_PUBLIC + _X25519
SEAL_OVERHEAD = 1088 + 32 + 16  # ML-KEM ciphertext, X25519 share, GCM tag

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class IntakePublicKey:
    """What a producer holds; 1,216 bytes: 1,184 ML-KEM-768, 32 X25519."""

    __slots__ = ("_encoded", "_key")

    def __init__(self, encoded: bytes) -> None:
        """Read the encoding; `ValueError` when it is none."""
        if len(encoded) != PUBLIC_BYTES:
            raise ValueError(f"an intake public key is {PUBLIC_BYTES} bytes, not {len(encoded)}")
        self._encoded = bytes(encoded)
        self._key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self._encoded[:_MLKEM_PUBLIC]),
            X25519PublicKey.from_public_bytes(self._encoded[_MLKEM_PUBLIC:]),
        )

    def to_bytes(self) -> bytes:
        return self._encoded

    def seal(self, plaintext: bytes, info: bytes) -> bytes:
        """HPKE base mode, one shot: encapsulated key (1,120 bytes) ‖ ciphertext with tag (RFC 9180, 6.1)."""
        return _SUITE.encrypt(plaintext, self._key, info=info)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntakePublicKey) and other._encoded == self._encoded

    def __hash__(self) -> int:
        return hash(self._encoded)


class IntakePrivateKey:
    """What the intake holds for one epoch; 96 bytes: 64 ML-KEM-768 seed (d ‖ z), 32 X25519 scalar."""

    __slots__ = ("_key", "_mlkem", "_x25519")

    def __init__(self, secret: bytes) -> None:
        """The key that 96 bytes stand for; random ones make a new key. `ValueError` on another length."""
        if len(secret) != PRIVATE_BYTES:
            raise ValueError(f"an intake private key is {PRIVATE_BYTES} bytes, not {len(secret)}")
        self._mlkem = MLKEM768PrivateKey.from_seed_bytes(secret[:_MLKEM_SEED])
        self._x25519 = X25519PrivateKey.from_private_bytes(secret[_MLKEM_SEED:])
        self._key = MLKEM768X25519PrivateKey(self._mlkem, self._x25519)

    @property
    def parts(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        """Both halves, for writing them to a file."""
        return self._mlkem, self._x25519

    def to_bytes(self) -> bytes:
        return self._mlkem.private_bytes_raw() + self._x25519.private_bytes_raw()

    def public_key(self) -> IntakePublicKey:
        return IntakePublicKey(
            self._mlkem.public_key().public_bytes_raw() + self._x25519.public_key().public_bytes_raw()
        )

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Undo `IntakePublicKey.seal`; `ValueError` when the bytes were not sealed to this key and `info`."""
        try:
            return _SUITE.decrypt(sealed, self._key, info=info)
        except InvalidTag as error:
            raise ValueError("not sealed to this intake key") from error
