"""A database before it is a file: tables with their columns, rows and keys.

A plan knows no dialect. Types are those that both dialects take: INTEGER, REAL, TEXT, BOOLEAN, DATE, TIMESTAMP;
dates and timestamps are given as ISO texts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ColumnPlan:
    name: str
    type: str
    label: str  # in plain English
    refers: str = ""  # "table.column" of a foreign key of one column
    description: str = ""
    values: str = ""  # what single values mean


@dataclass(frozen=True)
class TablePlan:
    """The first column is the primary key unless ``key`` names others. Rows that others refer to come first."""

    name: str
    description: str
    columns: tuple[ColumnPlan, ...]
    rows: list[tuple]
    key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = ()  # those of several columns

    @property
    def primary_key(self) -> tuple[str, ...]:
        return self.key or (self.columns[0].name,)

    @property
    def references(self) -> list[tuple[tuple[str, ...], str, tuple[str, ...]]]:
        """(columns, referred table, referred columns) of every foreign key."""
        single = [((c.name,), *c.refers.split(".")) for c in self.columns if c.refers]
        return [*((names, table, (column,)) for names, table, column in single), *self.foreign_keys]

    def is_required(self, index: int) -> bool:
        """No row leaves the column out."""
        return all(row[index] is not None for row in self.rows)


@dataclass(frozen=True)
class DatabasePlan:
    """Tables in an order in which each refers to earlier ones or to itself."""

    id: str
    tables: tuple[TablePlan, ...]
