"""Why a Kafka record is not opened: one class a reason, one root.

Invariants: `reason` is stable (it is written into `refused` rows and dead letters, so a released code never
changes its meaning); no message holds a value from inside the record, only its kind, place and size.
"""

from __future__ import annotations

from typing import ClassVar

from ansvar.events.errors import EventError


class EnvelopeError(EventError):
    """Root of everything that sealing and opening records may raise."""


class NumberReused(EnvelopeError):
    """A producer tried to seal a second body under a number that is already bound to a ciphertext.

    AES-GCM loses both secrecy and authenticity when one nonce seals two texts (NIST SP 800-38D, 8).
    """


class RecordRefused(EnvelopeError):
    """A record cannot be opened as what it claims to be; it becomes a `refused` row and a dead letter."""

    reason: ClassVar[str]  # type: ignore[assignment] # a list of its own: those of `errors` are of bodies


class Undecodable(RecordRefused):
    """The bytes do not have the layout of wire format version 1."""

    reason = "undecodable"


class UnsupportedVersion(RecordRefused):
    """A header states a version that this code does not know."""

    reason = "unsupported_version"


class WrongDeployment(RecordRefused):
    """The record was sealed for another deployment."""

    reason = "wrong_deployment"


class UnknownProducer(RecordRefused):
    """No key is registered for the producer that the header names."""

    reason = "unknown_producer"


class ProducerRevoked(RecordRefused):
    """The producer was registered once, and revoked before this record."""

    reason = "producer_revoked"


class ProducerKeyReplaced(RecordRefused):
    """The producer signs with a key that another registration replaced before this record."""

    reason = "producer_key_replaced"


class EpochClosed(RecordRefused):
    """The header's epoch was closed so long before the record that nothing sealed in it is taken."""

    reason = "epoch_closed"


class UnknownEpoch(RecordRefused):
    """No intake key of the header's epoch was published before this record, or none is held."""

    reason = "unknown_epoch"


class BadSignature(RecordRefused):
    """The session header was not signed by the producer that it names."""

    reason = "bad_signature"


class BadSeal(RecordRefused):
    """A seal does not open: changed bytes, another topic, partition, number, session or key."""

    reason = "bad_seal"


class SessionExpired(RecordRefused):
    """The session is older than a session may be, or claims to begin too far in the future."""

    reason = "session_expired"


class NotAController(RecordRefused):
    """A control record from a producer that is not registered for them."""

    reason = "not_a_controller"


class NotAForwarder(RecordRefused):
    """A forwarded record from a producer that is not registered for them."""

    reason = "not_a_forwarder"


class BrokenBundle(RecordRefused):
    """The bundle that a control record activates cannot be used."""

    reason = "broken_bundle"
