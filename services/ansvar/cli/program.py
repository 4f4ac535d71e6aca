"""All commands in one program, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from typing import Annotated

import typer

from ansvar.cli import (
    demo,
    doctor,
    emit,
    evaluate,
    evidence,
    explain,
    ingest,
    init,
    keys,
    log,
    policy,
    producers,
    review,
    sweep,
    up,
    verify,
    witness,
)

app = typer.Typer(
    name="ansvar",
    help="Prove what was done with personal data: judge, record and verify events.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ansvar {metadata.version('ansvar')}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """Prove what was done with personal data: judge, record and verify events."""
    del version


for command in (
    init,
    demo,
    up,
    emit,
    evaluate,
    ingest,
    verify,
    witness,
    log,
    keys,
    producers,
    evidence,
    explain,
    policy,
    review,
    sweep,
    doctor,
):
    command.register(app)


_STOPPED = 130  # as a shell has it: 128 and the number of SIGINT


def run(arguments: list[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        result = app(given or ["--help"], standalone_mode=False, prog_name="ansvar")
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = "ansvar" if context is None else context.command_path
        text = " ".join(error.format_message().split())
        sys.stderr.write(
            f"{command}: {text if text.endswith(('?', '.')) else text + '.'} See: {command} --help\n"
        )
        return 2
    except (typer.Abort, KeyboardInterrupt):
        result = _STOPPED
    except SystemExit:
        # so Typer answers a closed pipe: the reader has had enough, and Python must not complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not _is_ours(error):
            raise
        sys.stderr.write(f"ansvar: {error}\n")
        return 2
    if result == _STOPPED:
        sys.stderr.write("ansvar: stopped\n")
    return int(result or 0) if given else 2


def _is_ours(error: Exception) -> bool:
    """Whether an error was raised by a room of ours, with a message meant for the person who called."""
    return any(cls.__module__.startswith("ansvar.") for cls in type(error).__mro__)
