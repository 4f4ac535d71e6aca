"""`ansvar policy schema`: JSON Schema of the files of a bundle."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def schema(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write one file a schema there instead of printing all."),
    ] = None,
) -> None:
    """Print or write the JSON Schema (2020-12) of each file of a policy bundle.

    An editor with a YAML language server completes and checks a bundle's file whose first line is
    `# yaml-language-server: $schema=DIR/recipients.schema.json`.

    Example: ansvar policy schema --out schemas/bundle
    """
    from ansvar.policy.schema import schema_files, schemas, written

    if out is None:
        sys.stdout.write(written(schemas()).decode())
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in schema_files().items():
            (out / name).write_bytes(content)
    except OSError as fault:
        raise typer.BadParameter(
            f"cannot write to {out}: {fault.strerror}; name a directory that can be written"
        ) from fault


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("schema")(schema)
