"""The sample company, Securio Sweden AB: its policy bundle, shipped as package data.

Invariants: what lies here is invented except what Securio's published privacy policy says itself. Another
company replaces every file of the bundle but those under `law/`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from ansvar.policy.bundle import Bundle
from ansvar.policy.loader import load_bundle

SAMPLE_BUNDLE: Path = Path(str(files(__name__))) / "bundle"


@cache
def sample_bundle() -> Bundle:
    """The sample company's bundle, read once a process (a Bundle is immutable)."""
    return load_bundle(SAMPLE_BUNDLE)
