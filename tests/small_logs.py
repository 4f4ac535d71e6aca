"""A log in memory, and what it shows to witnesses."""

from __future__ import annotations

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ansvar.ledger.checkpoint import Checkpoint, cosign_mldsa, ed25519_key, mldsa_key, sign
from ansvar.ledger.merkle import root
from ansvar.ledger.notes import Note, VerifierKey
from ansvar.ledger.proofs import Node, consistency_parts, proof
from ansvar.ledger.witness_protocol import AddCheckpoint
from ansvar.verifier.witness import WitnessKeys

ORIGIN = "ansvar/0192d3a4-0000-7000-8000-000000000001/0"


class SmallLog:
    """Leaves of a history: two logs with the same origin and key, and other histories, are a fork.

    The histories "a" and "a@5" are the same up to leaf 5, without it.
    """

    def __init__(self, history: str = "a", origin: str = ORIGIN, secret: bytes = b"s" * 32) -> None:
        self.origin = origin
        self._name, _, self._same = history.partition("@")
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self._mldsa = MLDSA44PrivateKey.from_seed_bytes(secret)

    def leaves(self, size: int) -> list[bytes]:
        """The first leaf hashes."""
        other = self._name + self._same if self._same else self._name
        same = int(self._same) if self._same else size
        return [sha256(f"{self._name if n < same else other} {n}".encode()).digest() for n in range(size)]

    @property
    def keys(self) -> tuple[VerifierKey, VerifierKey]:
        """Ed25519 and ML-DSA-44."""
        return (
            ed25519_key(self.origin, self._key.public_key()),
            mldsa_key(self.origin, self._mldsa.public_key()),
        )

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(self.origin, size, root(self.leaves(size)))

    def note(self, checkpoint: Checkpoint | int, *, mldsa: bool = False) -> Note:
        """The checkpoint as the log signs it."""
        tree = self.checkpoint(checkpoint) if isinstance(checkpoint, int) else checkpoint
        note = Note(tree.text(), (sign(tree, self.origin, self._key),))
        return note.with_signatures(cosign_mldsa(tree, self.origin, self._mldsa, 1)) if mldsa else note

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        """That the tree of size `new` extends that of size `old`."""
        leaves = self.leaves(new)

        def hash_of(node: Node) -> bytes:
            return root(leaves[node.index << node.height : (node.index + 1) << node.height])

        return proof(consistency_parts(old, new), hash_of)

    def request(self, old: int, new: int, *, mldsa: bool = False) -> bytes:
        """The body of a true add-checkpoint call."""
        return AddCheckpoint(old, self.proof(old, new), self.note(new, mldsa=mldsa).encode()).encode()

    def policy(self) -> str:
        """The policy file of a witness of this log."""
        return "".join([f"log {key}\n" for key in self.keys]) + "quorum none\n"


def witness_keys(secret: bytes = b"w" * 32, name: str = "witness.example/w1") -> WitnessKeys:
    """Keys of a witness."""
    return WitnessKeys(
        name, Ed25519PrivateKey.from_private_bytes(secret), MLDSA44PrivateKey.from_seed_bytes(secret)
    )
