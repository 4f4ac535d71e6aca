"""Telling a person where a long run is: sentences as they come, and a bar for each thing that is counted."""

from __future__ import annotations

import sys

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ansvar.cli.options import console


class Bars:
    """Bars on a terminal; where there is none, each count is named once. Used as a context."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._out = console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._out,
            disable=not self._terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the terminal to others."""
        self._progress.stop()

    def say(self, text: str) -> None:
        """A sentence, above the bars."""
        self._out.print(text)

    def count(self, what: str, done: int, total: int) -> None:
        """How far something is."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
            if not self._terminal:
                self._out.print(f"{what} …")
        self._progress.update(self._tasks[what], completed=done, total=total)
