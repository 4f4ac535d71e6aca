"""Anchor files: checkpoints that were kept, one signed note after the other, each ended by an empty line.

Pure. A file is appended to, so its end may be torn; what is before the tear is whole. Notes are unchecked.
"""

from __future__ import annotations

from ansvar.ledger.errors import Malformed

MAX_FILE = 1 << 28  # bytes; some forty thousand checkpoints


def encode(note: bytes) -> bytes:
    """What is appended for one note."""
    return note + b"\n"


def read(data: bytes) -> list[bytes]:
    """The notes of a file, also of one that holds a single note as a log shows it. Raises Malformed."""
    notes, whole = decode(data)
    rest = data[whole:]
    if rest.endswith(b"\n") and rest.count(b"\n\n") == 1:
        notes.append(rest)
    if data and not notes:
        raise Malformed("kept checkpoints", "start", "no whole signed note")
    return notes


def decode(data: bytes) -> tuple[list[bytes], int]:
    """The whole notes of a file, and how many bytes they take. Raises Malformed where it is too large."""
    if len(data) > MAX_FILE:
        raise Malformed("anchor file", "length", f"more than {MAX_FILE} bytes")
    parts = data.split(b"\n\n")  # text and signatures by turns, then what is torn, or nothing
    pairs = (len(parts) - 1) // 2
    notes = [parts[2 * n] + b"\n\n" + parts[2 * n + 1] + b"\n" for n in range(pairs)]
    return notes, sum(len(encode(note)) for note in notes)
