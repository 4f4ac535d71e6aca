"""Reading events from a file of JSON Lines, for the commands that take one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from ansvar.cli.options import console

# An event is at most 32 KiB: a longer line is cut here and is then no valid event.
_LONGEST_LINE = 1 << 20
_BYTE_ORDER_MARK = (
    b"\xef\xbb\xbf"  # some editors begin a file with it; JSON allows to ignore it (RFC 8259, 8.1)
)
_JSON_SPACE = b" \t\r\n"

Advance = Callable[[int], None]


@contextmanager
def opened(file: str) -> Iterator[IO[bytes]]:
    """The file, or standard input for `-`. A missing file is wrong use."""
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        source = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as fault:
        raise typer.BadParameter(
            f"cannot read {file}: {fault.strerror}; name a file of JSON Lines, or - for standard input"
        ) from fault
    with source:
        yield source


def numbered_lines(source: IO[bytes], advance: Advance) -> Iterator[tuple[int, bytes]]:
    """(1-based number, line without its end) of every line that is not blank; an overlong line is cut.

    `advance` is told the bytes read.
    """
    number = 0
    while line := source.readline(_LONGEST_LINE):
        number += 1
        advance(len(line))
        last = line
        while len(last) == _LONGEST_LINE and not last.endswith(b"\n"):
            last = source.readline(_LONGEST_LINE)
            advance(len(last))
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if text := line.strip(_JSON_SPACE):
            yield number, text


@contextmanager
def progress(source: IO[bytes], what: str) -> Iterator[Advance]:
    """A progress bar over a file's bytes, on a terminal only."""
    if not sys.stderr.isatty() or source.isatty():  # over what a person types it would only flicker
        yield lambda _: None
        return
    total = os.fstat(source.fileno()).st_size or None
    with Progress(
        TextColumn(what),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=total)
        yield lambda size: bar.advance(task, size)
