"""What is known of a database: tables, columns with what they hold, keys.

Readers fill these in; synthesis, environment and evaluation look things up. Nothing here opens a file.
Names keep the spelling of the database and are looked up without regard to case, as SQL does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

Value = str | int | float | bool | None


class Dialect(StrEnum):
    DUCKDB = "duckdb"
    SQLITE = "sqlite"


class Kind(StrEnum):
    """What the values of a column are, whatever the database calls the type."""

    TEXT = "text"
    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    BLOB = "blob"
    OTHER = "other"

    @property
    def is_numeric(self) -> bool:
        return self in (Kind.INTEGER, Kind.REAL)

    @property
    def is_temporal(self) -> bool:
        return self in (Kind.DATE, Kind.TIMESTAMP)


class Origin(StrEnum):
    """Whether a key stands in the database, or was found by looking at names and values."""

    DECLARED = "declared"
    INFERRED = "inferred"


@dataclass(frozen=True)
class Column:
    """One column. Dates and timestamps among its values are ISO texts; bytes are never among them.

    ``distinct``, ``nulls``, ``min``, ``max`` and ``samples`` tell of the rows that were looked at: of all of them
    where ``exact``. ``distinct`` is None where none could be looked at.
    """

    name: str
    type: str = ""  # as the database words it
    kind: Kind = Kind.OTHER
    nullable: bool = True
    primary_key: bool = False
    generated: bool = False
    label: str = ""  # the name in plain English, where somebody wrote one
    description: str = ""
    value_description: str = ""  # what single values mean
    distinct: int | None = None
    nulls: int = 0
    min: Value = None
    max: Value = None
    samples: tuple[Value, ...] = ()  # most frequent first
    exact: bool = False
    distractor: bool = False  # added so that there is more to choose from; no question is about it


@dataclass(frozen=True)
class ForeignKey:
    """``columns`` of ``table`` hold values of ``referred_columns`` of ``referred_table``, in that order."""

    table: str
    columns: tuple[str, ...]
    referred_table: str
    referred_columns: tuple[str, ...]
    origin: Origin = Origin.DECLARED


@dataclass(frozen=True)
class Table:
    """A table or a view."""

    name: str
    columns: tuple[Column, ...]
    rows: int | None = None  # None where they could not be counted in time
    is_view: bool = False
    primary_key: tuple[str, ...] = ()  # in the order of the key
    primary_key_origin: Origin = Origin.DECLARED
    unique: tuple[tuple[str, ...], ...] = ()  # other keys that are declared
    label: str = ""
    description: str = ""
    distractor: bool = False  # as of a column

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return _index((column.name, column) for column in self.columns)

    def find(self, name: str) -> Column | None:
        return self._by_name.get(name) or self._by_name.get(name.casefold())

    def column(self, name: str) -> Column:
        """Raises KeyError for a column that is not there."""
        if (found := self.find(name)) is None:
            raise KeyError(f"The table {self.name!r} has no column {name!r}.")
        return found


@dataclass(frozen=True)
class Database:
    """One database in one file."""

    id: str
    dialect: Dialect
    path: Path
    tables: tuple[Table, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    remarks: tuple[str, ...] = ()  # what was left out or only partly looked at, and why

    @cached_property
    def _by_name(self) -> dict[str, Table]:
        return _index((table.name, table) for table in self.tables)

    @cached_property
    def _keys_from(self) -> dict[str, tuple[ForeignKey, ...]]:
        return _group((self.table(key.table).name, key) for key in self.foreign_keys)

    @cached_property
    def _keys_to(self) -> dict[str, tuple[ForeignKey, ...]]:
        return _group((self.table(key.referred_table).name, key) for key in self.foreign_keys)

    def find(self, name: str) -> Table | None:
        return self._by_name.get(name) or self._by_name.get(name.casefold())

    def table(self, name: str) -> Table:
        """Raises KeyError for a table that is not there."""
        if (found := self.find(name)) is None:
            raise KeyError(f"The database {self.id!r} has no table {name!r}.")
        return found

    def column(self, table: str, name: str) -> Column:
        return self.table(table).column(name)

    def keys_from(self, table: str) -> tuple[ForeignKey, ...]:
        """The foreign keys by which the table refers to others."""
        return self._keys_from.get(self.table(table).name, ())

    def keys_to(self, table: str) -> tuple[ForeignKey, ...]:
        """The foreign keys by which others refer to the table."""
        return self._keys_to.get(self.table(table).name, ())


def _index(named: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """By name and by folded name; an exact spelling wins, since some databases tell É from é."""
    exact = dict(named)
    folded: dict[str, Any] = {}
    for name, thing in exact.items():
        folded.setdefault(name.casefold(), thing)
    return folded | exact


def _group(named: Iterable[tuple[str, ForeignKey]]) -> dict[str, tuple[ForeignKey, ...]]:
    groups: dict[str, list[ForeignKey]] = {}
    for name, key in named:
        groups.setdefault(name, []).append(key)
    return {name: tuple(keys) for name, keys in groups.items()}
