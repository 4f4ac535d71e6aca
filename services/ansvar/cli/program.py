"""All commands in one program, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import os
import sys

import click
import typer

from ansvar.cli import demo, doctor, emit, evaluate, ingest, init, up, verify

app = typer.Typer(
    name="ansvar",
    help="Prove what was done with personal data: judge, record and verify events.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (init, demo, up, emit, evaluate, ingest, verify, doctor):
    command.register(app)


def run(arguments: list[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    try:
        result = app(arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("ansvar: stopped\n")
        return 130
    except BrokenPipeError:
        # the reader has had enough; Python would complain about the rest at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not _is_ours(error):
            raise
        sys.stderr.write(f"ansvar: {error}\n")
        return 2
    return result if isinstance(result, int) else 0


def _is_ours(error: Exception) -> bool:
    """Whether an error was raised by a room of ours, with a message meant for the person who called."""
    return any(cls.__module__.startswith("ansvar.") for cls in type(error).__mro__)
