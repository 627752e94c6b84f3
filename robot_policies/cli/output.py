"""What commands say: JSON for scripts, tables for people, progress and faults on stderr."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from robot_policies.documents import dumps
from robot_policies.interface import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress

STDOUT = "-"
LINE_PERIOD = 60.0  # s between two lines about progress, where there is no terminal


class Output:
    """Where a command's result goes.

    Attributes:
        json_path: File for the JSON, `-` for stdout, `None` for none.
        document: The result, once `finish` was called.
        tables: What people see of it.
    """

    def __init__(self, json_path: str | None) -> None:
        self.json_path = json_path
        self.document: Any = None
        self.tables: Sequence[RenderableType] = ()

    def finish(self, document: Any, *tables: "RenderableType") -> None:
        """Set the result; it is written when the `results` block ends."""
        self.document, self.tables = document, tables


@contextmanager
def results(json_path: str | None) -> Iterator[Output]:
    """Run a command's work and write what it found.

    While the work runs with JSON on stdout, file descriptor 1 leads to stderr: native libraries
    (PyBullet's banner, codecs) print past Python, and stdout must hold the JSON and nothing else.
    """
    _check_writable(json_path)
    output = Output(json_path)
    with _stdout_to_stderr() if json_path == STDOUT else _unchanged():
        yield output
    if json_path == STDOUT:
        sys.stdout.write(dumps(output.document))
        return
    if json_path is not None:
        Path(json_path).write_text(dumps(output.document), encoding="utf-8")
    if output.tables:
        from rich.console import Console

        console = Console()
        for table in output.tables:
            console.print(table)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "RenderableType":
    """Return a table; numbers are right-aligned and rounded to four digits."""
    from rich.markup import escape
    from rich.table import Table

    made = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(escape(cell(entry)) for entry in row))
    return made


def cell(value: Any) -> str:
    """Return a table cell's text."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def counts(numbers: Mapping[str, int]) -> str:
    """Return how often what happened, as one line."""
    return ", ".join(f"{number} {name}" for name, number in numbers.items()) or "none"


@contextmanager
def progress() -> "Iterator[Progress]":
    """Show a progress bar with elapsed and remaining time on stderr; a line a minute in a file."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        if console.is_terminal:
            yield bar
            return
        ended = Event()
        writer = Thread(target=_write_lines, args=(bar, ended), daemon=True)
        writer.start()
        try:
            yield bar
        finally:
            ended.set()
            writer.join()


def _write_lines(bar: "Progress", ended: Event) -> None:
    """Say once a minute how far each task is, until the work has ended."""
    while not ended.wait(LINE_PERIOD):
        for task in bar.tasks:
            total = "" if task.total is None else f" of {task.total:g}"
            left = task.time_remaining
            rest = "" if left is None else f", {left / 60.0:.0f} min left"
            passed = (task.elapsed or 0.0) / 60.0
            line = f"{task.description}: {task.completed:g}{total} after {passed:.0f} min{rest}"
            print(line, file=sys.stderr, flush=True)


def _check_writable(json_path: str | None) -> None:
    """Refuse a path before the work, not after an hour of it."""
    if json_path in (None, STDOUT):
        return
    path = Path(json_path)
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"--json {json_path}: no file can be written there")


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


@contextmanager
def _unchanged() -> Iterator[None]:
    yield
