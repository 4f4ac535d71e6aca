"""Keys of a subject and of the deployment, and what is derived from them.

Pure. One 32-byte data key per subject, one 32-byte secret per deployment; every use has a key of its own,
HMAC-SHA256(key, label). The labels are frozen: a changed label changes every digest. Destroying the data key
makes digests, ids and details of that subject meaningless to anyone.
"""

from __future__ import annotations

import hmac
import struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ansvar.vault.errors import VaultError

SUBJECT_DIGEST: Final = b"ansvar/subject/digest/v1"
SUBJECT_REQUEST_ID: Final = b"ansvar/subject/request-id/v1"
SUBJECT_CONTRACT_ID: Final = b"ansvar/subject/contract-id/v1"
SUBJECT_DETAILS: Final = b"ansvar/subject/details/v1"
SUBJECT_DETAILS_NONCE: Final = b"ansvar/subject/details-nonce/v1"
SUBJECT_IDENTIFIER: Final = b"ansvar/subject/identifier/v1"
SUBJECT_ALIAS: Final = b"ansvar/subject/alias/v1"
DEPLOYMENT_SUBJECT: Final = b"ansvar/deployment/no-subject/v1"
DEPLOYMENT_CORRELATION: Final = b"ansvar/deployment/correlation-id/v1"


def derive(key: bytes, label: bytes) -> bytes:
    """The key for one use: HMAC-SHA256(key, label), 32 bytes."""
    return hmac.digest(key, label, "sha256")


def lookup_tag(pepper: bytes, identifier_type: str, value: str) -> bytes:
    """The vault's name for a normalised identifier: HMAC-SHA256(pepper, type || 0x00 || value), 32 bytes."""
    return hmac.digest(pepper, identifier_type.encode() + b"\0" + value.encode(), "sha256")


def position_bytes(chain: int, stream: bytes, offset: int, index: int) -> bytes:
    """A source position as 30 bytes, big-endian: u32 chain, 16 stream, i64 offset, u16 index."""
    return struct.pack(">I16sqH", chain, stream, offset, index)


class SubjectKeys:
    """What one data key is used for. Sub-keys are derived once, on first use of the subject."""

    __slots__ = ("_contract", "_data_key", "_details", "_digest", "_nonce", "_request")

    def __init__(self, data_key: bytes) -> None:
        self._data_key = data_key
        self._digest = derive(data_key, SUBJECT_DIGEST)
        self._request: bytes | None = None
        self._contract: bytes | None = None
        self._details: AESGCM | None = None
        self._nonce = b""

    def digest(self, normal_form: bytes) -> bytes:
        """The ledger's 16-byte digest of an event's normal form."""
        return hmac.digest(self._digest, normal_form, "sha256")[:16]

    def request_id(self, request_id: str) -> bytes:
        """A request id as the ledger stores it, 16 bytes."""
        if self._request is None:
            self._request = derive(self._data_key, SUBJECT_REQUEST_ID)
        return hmac.digest(self._request, request_id.encode(), "sha256")[:16]

    def contract_id(self, contract_id: str) -> bytes:
        """A contract id as the ledger stores it, 16 bytes."""
        if self._contract is None:
            self._contract = derive(self._data_key, SUBJECT_CONTRACT_ID)
        return hmac.digest(self._contract, contract_id.encode(), "sha256")[:16]

    def alias(self, identifier_type: str, value: str) -> bytes:
        """What stands in the ledger for another identifier of the subject's, 16 bytes."""
        key = derive(self._data_key, SUBJECT_ALIAS)
        return hmac.digest(key, identifier_type.encode() + b"\0" + value.encode(), "sha256")[:16]

    def seal_details(self, position: bytes, text: bytes) -> bytes:
        """AES-256-GCM of a row's free text; nonce and associated data come from its source position.

        The nonce is HMAC-SHA256(nonce key, position)[:12], so equal rows are equal bytes on every worker and
        a position is never used for two texts: a position names one row.
        """
        cipher, nonce = self._details_cipher(position)
        return cipher.encrypt(nonce, text, position)

    def open_details(self, position: bytes, sealed: bytes) -> bytes:
        """The inverse of `seal_details`. Raises VaultError when key, position or bytes do not fit."""
        cipher, nonce = self._details_cipher(position)
        try:
            return cipher.decrypt(nonce, sealed, position)
        except InvalidTag as error:
            raise VaultError(
                "the details were not sealed under this subject's key at this position"
            ) from error

    def _details_cipher(self, position: bytes) -> tuple[AESGCM, bytes]:
        if self._details is None:
            self._details = AESGCM(derive(self._data_key, SUBJECT_DETAILS))
            self._nonce = derive(self._data_key, SUBJECT_DETAILS_NONCE)
        return self._details, hmac.digest(self._nonce, position, "sha256")[:12]


class DeploymentKeys:
    """What the deployment's secret is used for: events without a subject, and correlation ids."""

    def __init__(self, secret: bytes) -> None:
        self.no_subject = SubjectKeys(derive(secret, DEPLOYMENT_SUBJECT))
        self._correlation = derive(secret, DEPLOYMENT_CORRELATION)

    def correlation_id(self, correlation_id: str) -> bytes:
        """A correlation id as the ledger stores it, 16 bytes. It joins subjects, so it has none's key."""
        return hmac.digest(self._correlation, correlation_id.encode(), "sha256")[:16]
