"""`python -m ansvar`: the command, where its script is not on the path."""

from ansvar.cli import main

main()
