"""What is wrong in a hand-made file, told by file, line and column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.errors import ArtifactError

FAULTS_SHOWN = 12  # what fits on a screen; the rest is counted


@dataclass(frozen=True)
class Place:
    """Where a row stands."""

    file: Path
    line: int  # from 1; for Parquet the number of the row

    def __str__(self) -> str:
        word = "row" if self.file.suffix == ".parquet" else "line"
        return f"{self.file.name}, {word} {self.line}"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in one row."""

    place: Place
    column: str  # "" where it is not of one column
    problem: str

    def __str__(self) -> str:
        column = f", column {self.column}" if self.column else ""
        return f"{self.place}{column}: {self.problem}"


def raise_faults(faults: Sequence[Fault], files: Sequence[Path], *, what: str) -> None:
    """Raise ArtifactError that lists the faults, first ones first, if there are any."""
    if not faults:
        return
    shown = [f"  {fault}" for fault in faults[:FAULTS_SHOWN]]
    if rest := len(faults) - len(shown):
        shown.append(f"  and {rest:,} more")
    number = "1 fault" if len(faults) == 1 else f"{len(faults):,} faults"
    raise ArtifactError(
        "\n".join([f"These are no {what}; {number}:", *shown]),
        where=", ".join(str(file.absolute()) for file in files),
        kept="the store as it was; nothing was imported",
        next_step="mend the rows and import the file again; docs/operating.md says what each column must hold",
    )
