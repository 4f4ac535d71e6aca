"""Signed notes and verifier keys as bytes (C2SP signed-note), and the strict encodings they are made of.

Pure. What parses is written back to the same bytes: base64 is canonical, decimals have no leading zeroes,
and a name can stand in a signature line. A parsed note is *not* yet believed; checking its signatures is
`checkpoint`'s job, as the message of a cosignature depends on what the note says.

Every length is limited before it is acted on, and whatever is wrong is one Malformed that names the line.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ansvar.ledger.errors import Malformed

ED25519: Final = 0x01
COSIGNATURE_ED25519: Final = 0x04
COSIGNATURE_MLDSA44: Final = 0x06

MAX_NOTE: Final = 128 * 1024  # bytes: sixteen signatures of 5 kB each fit, as signed-note asks
MAX_SIGNATURES: Final = 64
MAX_HASHES: Final = 63  # the longest proof in a tree of fewer than 2^63 leaves
MAX_NUMBER: Final = 2**63 - 1
MAX_NAME: Final = 255  # bytes: an ML-DSA-44 cosignature states its signer and the origin with a u8 length

_PUBLIC_BYTES: Final = {ED25519: 32, COSIGNATURE_ED25519: 32, COSIGNATURE_MLDSA44: 1312}
_MAX_VKEY: Final = 4096
_DASH: Final = "\u2014 "
_CONTROL: Final = re.compile(rb"[\x00-\x09\x0b-\x1f]")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name it signs under: a "vkey". `kind` is a signature type of signed-note.

    `public` is 32 bytes of Ed25519 (0x01, 0x04) or 1,312 of ML-DSA-44 (0x06). Raises Malformed when made of
    anything else. `str()` gives the vkey line, without a newline.
    """

    name: str
    kind: int
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name, "verifier key", "name")
        if self.kind not in _PUBLIC_BYTES:
            raise Malformed("verifier key", "type", f"0x{self.kind:02x} is none of 0x01, 0x04 and 0x06")
        if len(self.public) != _PUBLIC_BYTES[self.kind]:
            problem = f"{len(self.public)} bytes where type 0x{self.kind:02x} has {_PUBLIC_BYTES[self.kind]}"
            raise Malformed("verifier key", "key", problem)

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that stand for this key beside its name."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._material).digest()[:4]

    @property
    def _material(self) -> bytes:
        return bytes([self.kind]) + self.public

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(self._material)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key of a vkey line (without a newline). Raises Malformed."""
        what = "verifier key"
        if len(text) > _MAX_VKEY:
            raise Malformed(what, "length", f"more than {_MAX_VKEY} characters")
        parts = text.split("+", 2)  # base64 may have further plus signs
        if len(parts) != 3:
            raise Malformed(what, "line", "not of the form name+id+key")
        name, key_id, encoded = parts
        if not _KEY_ID.fullmatch(key_id):
            raise Malformed(what, "key id", "not eight lowercase hexadecimal digits")
        material = decode_base64(encoded, what, "key")
        if not material:
            raise Malformed(what, "key", "empty")
        key = cls(name, material[0], material[1:])
        if key.key_id.hex() != key_id:
            raise Malformed(what, "key id", f"{key_id} is stated, name and key give {key.key_id.hex()}")
        return key


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: `blob` is what follows the 4 bytes of `key_id`, for a cosignature with its time."""

    name: str
    key_id: bytes
    blob: bytes

    def line(self) -> str:
        """The line as it stands in a note, with its newline."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.blob)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, with its final newline, and the signatures below it, believed or not."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """The note as bytes; of a parsed note the very bytes that were parsed."""
        return (self.text + "\n" + "".join([s.line() for s in self.signatures])).encode()

    def with_signatures(self, *signatures: NoteSignature) -> Note:
        """This note and those of the signatures that it does not have. Raises Malformed above the limits."""
        note = replace(self, signatures=tuple(dict.fromkeys(self.signatures + signatures)))
        if len(note.signatures) > MAX_SIGNATURES:
            raise Malformed("signed note", "signatures", f"more than {MAX_SIGNATURES}")
        if len(note.encode()) > MAX_NOTE:
            raise Malformed("signed note", "length", f"more than {MAX_NOTE} bytes")
        return note

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """The note that the bytes are, its signatures unchecked. Raises Malformed."""
        text = decode_text(data, "signed note", MAX_NOTE)
        end = text.rfind("\n\n")  # the text itself may have empty lines, so the last one separates
        if end < 0:
            raise Malformed("signed note", "end", "no blank line between text and signatures")
        first = text.count("\n", 0, end) + 3
        return cls(text[: end + 1], decode_signatures(text[end + 2 :], "signed note", first))


def decode_signatures(text: str, what: str, first: int) -> tuple[NoteSignature, ...]:
    """The signature lines that a text consists of; `first` is the number of its first line in the whole.

    Raises Malformed if there is none, more than 64, or anything else among them.
    """
    if not text.endswith("\n"):
        raise Malformed(what, "end", "not a signature line with a newline")
    if text.count("\n") > MAX_SIGNATURES:
        raise Malformed(what, "signatures", f"more than {MAX_SIGNATURES}")
    return tuple(
        [_signature(line, what, f"line {number}") for number, line in enumerate(text[:-1].split("\n"), first)]
    )


def _signature(line: str, what: str, where: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise Malformed(what, where, "not a signature: em dash, space, name, space, base64")
    check_name(name, what, where)
    blob = decode_base64(encoded, what, where)
    if len(blob) < 5:
        raise Malformed(what, where, "a signature of fewer than 5 bytes")
    return NoteSignature(name, blob[:4], blob[4:])


def check_name(name: str, what: str, where: str) -> None:
    """Raise Malformed unless the name can be a key's: 1 to 255 bytes without spaces, "+" and controls."""
    if not name:
        raise Malformed(what, where, "the key has no name")
    if any(char.isspace() or char == "+" or char < " " for char in name):
        raise Malformed(what, where, "a space, plus sign or control character in the key's name")
    if len(encode_utf8(name, what, where)) > MAX_NAME:
        raise Malformed(what, where, f"a key name of more than {MAX_NAME} bytes")


def encode_utf8(text: str, what: str, where: str) -> bytes:
    """The text as UTF-8. Raises Malformed for one with half a surrogate pair, as file names can have."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Malformed(what, where, "characters that UTF-8 does not have") from error


def decode_text(data: bytes, what: str, limit: int) -> str:
    """The bytes as text: UTF-8 without control characters but newline. Raises Malformed, naming the line."""
    if len(data) > limit:
        raise Malformed(what, "length", f"{len(data)} bytes, at most {limit} are read")
    if control := _CONTROL.search(data):
        where = f"line {data.count(10, 0, control.start()) + 1}"
        raise Malformed(what, where, f"control character 0x{control[0][0]:02x}")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Malformed(what, f"line {data.count(10, 0, error.start) + 1}", "not UTF-8") from error


def split_head(data: bytes, what: str, limit: int) -> tuple[list[str], bytes]:
    """The lines before the first blank line, and verbatim what follows it: how a proof carries a checkpoint.

    At most `limit` bytes in all. Raises Malformed.
    """
    if len(data) > limit:
        raise Malformed(what, "length", f"{len(data)} bytes, at most {limit} are read")
    end = data.find(b"\n\n")
    if end < 0:
        raise Malformed(what, "end", "no blank line before a checkpoint")
    return decode_text(data[:end], what, limit).split("\n"), data[end + 2 :]


def decode_hashes(lines: Sequence[str], what: str, first: int) -> tuple[bytes, ...]:
    """At most 63 SHA-256 hashes, one a line in base64; `first` is the number of the first line."""
    if len(lines) > MAX_HASHES:
        raise Malformed(what, f"line {first + MAX_HASHES}", f"more than {MAX_HASHES} hashes")
    return tuple([decode_hash(line, what, f"line {number}") for number, line in enumerate(lines, first)])


def decode_hash(text: str, what: str, where: str) -> bytes:
    """32 bytes in canonical base64. Raises Malformed."""
    value = decode_base64(text, what, where)
    if len(value) != 32:
        raise Malformed(what, where, f"a hash of {len(value)} bytes, not 32")
    return value


def decode_base64(text: str, what: str, where: str) -> bytes:
    """The bytes of canonical base64 (RFC 4648 section 4, padded, no stray bits). Raises Malformed."""
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Malformed(what, where, "not base64") from error
    if encode_base64(value) != text:  # the standard decoder ignores bits behind the last byte
        raise Malformed(what, where, "base64 that is not canonical")
    return value


def encode_base64(value: bytes) -> str:
    """Standard base64, padded."""
    return base64.b64encode(value).decode()


def decode_decimal(text: str, what: str, where: str) -> int:
    """A decimal below 2^63 without leading zeroes. Raises Malformed."""
    if not _DECIMAL.fullmatch(text) or (value := int(text)) > MAX_NUMBER:
        raise Malformed(what, where, "not a decimal below 2^63 without leading zeroes")
    return value
