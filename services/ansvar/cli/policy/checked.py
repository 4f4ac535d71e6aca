"""A bundle's directory, checked before a command goes on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ansvar.policy.errors import BundleError

if TYPE_CHECKING:
    from ansvar.policy.bundle import Bundle


def checked(directory: Path) -> tuple[bytes, Bundle]:
    """A bundle's canonical form and meaning; a broken one is told problem by problem and ends the run."""
    from ansvar.policy.canonical import canonical
    from ansvar.policy.loader import bundle_from_bytes

    try:
        content = canonical(directory)
        return content, bundle_from_bytes(content)
    except BundleError as fault:
        for problem in fault.problems:
            sys.stderr.write(f"{directory}: {problem}\n")
        raise typer.Exit(2) from None
