"""`ansvar policy …`: look at a bundle, compare it with another, and put it in force.

Each command is a module here with a `register`, as in `ansvar.cli`.
"""

from __future__ import annotations

import typer

from ansvar.cli.policy import activate, diff, export, lint, schema, show

app = typer.Typer(help="Look at a policy bundle, check it, compare it, put it in force.")
for command in (show, diff, activate, lint, schema, export):
    command.register(app)


def register(program: typer.Typer) -> None:
    """Add the group of commands to the program."""
    program.add_typer(app, name="policy")
