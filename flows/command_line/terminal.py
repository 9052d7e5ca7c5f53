"""What a run looks like in a terminal: a bar a stage on stderr, a table at the end on stdout."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from lib import progress as lib_progress
from lib.store.manifest import Reference
from tasks.run import Outcome

WIDTH_WITHOUT_TERMINAL = 160
MARKS = {Outcome.CACHED: "[cyan]cached[/]", Outcome.COMPUTED: "[green]done[/]", Outcome.GIVEN: "[magenta]given[/]"}

stderr = Console(stderr=True)
if not stderr.is_terminal:  # a file of errors is searched by lines
    stderr = Console(stderr=True, soft_wrap=True)


class StageBars(AbstractContextManager["StageBars"]):
    """A listener that draws one bar a stage; without a terminal it writes one line a stage."""

    def __init__(self, stages: Sequence[str]):
        self._started: dict[str, float] = {}
        self._bars = Progress(
            TextColumn("{task.description:12}"),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[mark]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim", markup=False),  # a note may quote what a model wrote
            console=stderr,
            disable=not stderr.is_terminal,
        )
        self._ids: dict[str, TaskID] = {
            name: self._bars.add_task(name, total=None, start=False, mark="", note="") for name in stages
        }

    def __enter__(self) -> StageBars:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def started(self, stage: str) -> lib_progress.Progress:
        self._started[stage] = time.monotonic()
        self._bars.start_task(self._ids[stage])
        return _Bar(self._bars, self._ids[stage])

    def finished(self, stage: str, reference: Reference, outcome: Outcome) -> None:
        self._bars.start_task(self._ids[stage])
        self._bars.update(self._ids[stage], total=1, completed=1, mark=MARKS[outcome], note=str(reference))
        self._bars.stop_task(self._ids[stage])
        if not stderr.is_terminal:
            now = time.monotonic()
            seconds = now - self._started.get(stage, now)
            stderr.print(Text(f"{stage:12} {outcome:9} {seconds:7.1f} s  {reference}"))


class _Bar:
    """The progress of one stage."""

    def __init__(self, bars: Progress, bar: TaskID):
        self._bars, self._bar = bars, bar

    def update(self, done: int, total: int, note: str = "") -> None:
        self._bars.update(self._bar, completed=done, total=total or None, note=note)


def stdout() -> Console:
    """For data; what is no terminal is wide, so that nothing is cut."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL, soft_wrap=True)


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, numbers: Sequence[str] = ()
) -> None:
    """A table on stdout; where stdout is no terminal its cells are not cut."""
    console = stdout()
    table = Table(title=Text(title, style="table.title"), title_justify="left")
    for name in columns:
        table.add_column(Text(name), justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console.print(table)
