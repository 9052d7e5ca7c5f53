"""Where SQL databases come from: those that questions are made about, and those of benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.settings.section import Section

Rule = Literal["spider", "bird", "tolerant"]


class EmbeddedDatabases(Section):
    """The databases that ship with the project, made from data packages."""

    type: Literal["embedded"] = "embedded"
    ids: tuple[str, ...] = ()
    """Those of them that are taken; empty means all."""
    dialect: Literal["sqlite", "duckdb"] = "sqlite"
    """The engine that they are written for."""


class DatabaseFiles(Section):
    """The user's databases."""

    type: Literal["files"]
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    """SQLite and DuckDB files, and folders of Parquet or CSV files, one a table."""


class BenchmarkFolder(Section):
    """A folder as Spider or BIRD lays it out, with questions that people wrote, or databases alone."""

    type: Literal["benchmark"] = "benchmark"
    folder: Path
    questions: str = ""
    """The file of questions in the folder; dev.json or questions.jsonl without it."""
    name: str = Field("", pattern=r"^[\w.-]*$")
    """How scores and predictions call it; the folder's name without it."""
    rule: Rule = "spider"
    """By which official evaluator's rule results are compared."""

    @property
    def title(self) -> str:
        return self.name or self.folder.absolute().name


class DatabaseSettings(Section):
    source: Annotated[EmbeddedDatabases | DatabaseFiles | BenchmarkFolder, Field(discriminator="type")] = (
        EmbeddedDatabases()
    )
    """What questions are made about and trained on."""
    benchmarks: tuple[BenchmarkFolder, ...] = ()
    """Folders whose questions every policy is tried on, and nobody trains on."""
    distractor_tables: int = Field(0, ge=0)
    """Tables of the source's other databases that are added to each, and that no question is about."""
    distractor_columns: int = Field(0, ge=0)
    """Columns of the source's other databases that are added to each, and that no question is about."""
    query_seconds: float = Field(10.0, gt=0)
    """Longest that a benchmark's gold SQL may run; a question whose gold SQL takes longer is left out."""

    @model_validator(mode="after")
    def benchmarks_have_names_of_their_own(self) -> DatabaseSettings:
        titles = [benchmark.title for benchmark in self.benchmarks]
        if len(set(titles)) < len(titles):
            raise ValueError("benchmarks must have different names, since scores are told apart by them: set `name`")
        if taken := [title for title in titles if title.startswith("held_out_")]:
            raise ValueError(
                f"benchmark {taken[0]} bears the name of a run's own held-out questions: set another `name`"
            )
        return self
