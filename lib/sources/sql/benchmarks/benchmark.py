"""Questions with gold SQL over databases, whatever the layout of the folder that they came in.

Rows that cannot be used stand in ``rejected`` with the reason; their number in the file is kept, since predictions
in the official formats are lines in the order of all questions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lib.sources.sql.annotations import Annotations
from lib.sources.sql.read import read_database
from lib.sources.sql.schema import Database


@dataclass(frozen=True)
class BenchmarkRow:
    """One question. Any of ``gold_sql`` is right."""

    id: str
    position: int  # in the file, from 0
    database_id: str
    question: str
    gold_sql: tuple[str, ...]
    evidence: str = ""  # a hint that belongs to this question
    hardness: str = ""  # in the words of the benchmark
    external_knowledge: str = ""  # what must be known beyond the database, for instance the time that is "now"


@dataclass(frozen=True)
class RejectedRow:
    file: str
    position: int
    content: str
    reason: str


@dataclass(frozen=True)
class Benchmark:
    name: str
    rows: tuple[BenchmarkRow, ...]
    rejected: tuple[RejectedRow, ...]
    databases: dict[str, Path]
    annotations: dict[str, Annotations] = field(default_factory=dict)

    def read_database(self, database_id: str, **options) -> Database:
        """The database with what the benchmark says about it. Raises KeyError for an unknown id."""
        annotations = self.annotations.get(database_id)
        return read_database(self.databases[database_id], id=database_id, annotations=annotations, **options)
