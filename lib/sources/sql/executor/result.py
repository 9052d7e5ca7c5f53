"""What comes back for one query: rows, or an error of a known kind in the database's own words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from lib.sources.sql.schema import Database


class DatabaseFile(NamedTuple):
    """A database file and the engine that reads it."""

    dialect: Literal["duckdb", "sqlite"]
    path: str

    @classmethod
    def of(cls, database: Database) -> DatabaseFile:
        return cls(database.dialect.value, str(database.path))


class ErrorKind(StrEnum):
    SYNTAX = "syntax"
    UNKNOWN_NAME = "unknown name"
    INVALID = "invalid"  # it parses, yet its types, grouping or arguments do not fit
    EXECUTION = "execution"  # a value met on the way, for instance text that is no number
    REFUSED = "refused"  # it would write, change a setting, reach out, or is too complex
    TIME = "time"
    MEMORY = "memory"
    BYTES = "bytes"
    DATABASE = "database"  # the file is missing, damaged, locked or half written
    WORKER_LOST = "worker lost"  # the process died; the query may be innocent

    @property
    def is_fault_of_query(self) -> bool:
        """Whether the statement is to blame, and not what it ran on."""
        return self not in (ErrorKind.DATABASE, ErrorKind.WORKER_LOST)


@dataclass(frozen=True)
class QueryError:
    kind: ErrorKind
    message: str


@dataclass(frozen=True)
class Result:
    """The outcome of one query.

    `num_rows` counts all rows of the query, those cut off included, and is None when they were too many to count.
    `seconds` is the time that the query took inside its worker, opening the database included.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    num_rows: int | None = None
    truncated: bool = False
    seconds: float = 0.0
    error: QueryError | None = None

    @property
    def ok(self) -> bool:
        return self.error is None


def failed(kind: ErrorKind, message: str, seconds: float = 0.0) -> Result:
    """The result of a query that gave none."""
    return Result(seconds=seconds, error=QueryError(kind, message))
