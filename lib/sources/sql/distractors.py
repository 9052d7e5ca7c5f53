"""Tables and columns that no question is about, so that an agent has to find those that matter.

In: databases whose files may be written. Out: the same with tables of the others among their own, and columns of the
others behind those of their tables. What was there stays as it was, so that every query keeps its result.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from random import Random
from typing import Any

import duckdb

from lib.errors import SourceError
from lib.seeds import derive_seed
from lib.sources.sql.identifiers import quote_name
from lib.sources.sql.opening import fetch, open_database
from lib.sources.sql.schema import Column, Database, Dialect, Kind, Table

MOST_ROWS = 5_000  # of a table that is copied
# Every engine takes these for values of these kinds; dates are ISO texts, as in SQLite.
TYPES = {Kind.INTEGER: "BIGINT", Kind.REAL: "DOUBLE", Kind.BOOLEAN: "INTEGER"}
STRICT_TYPES = {Kind.INTEGER: "INTEGER", Kind.REAL: "REAL", Kind.BOOLEAN: "INTEGER"}  # of SQLite's strict tables
COPIED = (Kind.TEXT, Kind.INTEGER, Kind.REAL, Kind.BOOLEAN, Kind.DATE)
VALUES = 20  # of a column that is added, in turn over the rows


def add_distractors(databases: Sequence[Database], *, tables: int, columns: int) -> list[Database]:
    """At most so many tables and columns are added to each database, as many as the others have to give.

    Raises SourceError for a file that cannot be written.
    """
    return [_add(database, databases, tables, columns) for database in databases]


def _add(database: Database, among: Sequence[Database], tables: int, columns: int) -> Database:
    random = Random(derive_seed("distractors", database.id))
    others = [other for other in among if other.id != database.id]
    with _writing(database) as execute:
        own = list(database.tables)
        for table, column, place in _choose_columns(own, others, columns, random):
            _fill_column(execute, table, column, database.dialect)
            typed = replace(column, type=_type_of(column, database.dialect))
            own[place] = replace(own[place], columns=(*own[place].columns, typed))
        for other, table in _choose_tables(database, others, tables, random):
            added = _copy_table(execute, table, other, database.dialect)
            own.insert(random.randint(0, len(own)), added)
    return replace(database, tables=tuple(own))


def _choose_tables(
    database: Database, others: Sequence[Database], count: int, random: Random
) -> list[tuple[Database, Table]]:
    found: dict[str, tuple[Database, Table]] = {}
    for other in others:
        for table in other.tables:
            if not table.is_view and not database.find(table.name) and 0 < (table.rows or 0) <= MOST_ROWS:
                found.setdefault(table.name.casefold(), (other, table))
    return random.sample(list(found.values()), min(count, len(found)))


def _choose_columns(
    own: Sequence[Table], others: Sequence[Database], count: int, random: Random
) -> Iterator[tuple[Table, Column, int]]:
    """(table, column to add, place of the table)."""
    places = [place for place, table in enumerate(own) if not table.is_view and table.rows]
    columns = [
        column
        for other in others
        for table in other.tables
        for column in table.columns
        if column.kind in COPIED and column.samples and not column.primary_key
    ]
    taken = {place: {column.name.casefold() for column in table.columns} for place, table in enumerate(own)}
    for column in random.sample(columns, min(count, len(columns))):
        free = [place for place in places if column.name.casefold() not in taken[place]]
        if free:
            place = random.choice(free)
            taken[place].add(column.name.casefold())
            bare = Column(column.name, kind=column.kind, label=column.label, description=column.description)
            yield own[place], replace(bare, samples=column.samples[:VALUES], distractor=True), place


def _copy_table(execute: Any, table: Table, other: Database, dialect: Dialect) -> Table:
    columns = [column for column in table.columns if column.kind in COPIED]
    told = ", ".join(f"{quote_name(column.name)} {_type_of(column, dialect)}" for column in columns)
    with open_database(other.path) as source:
        names = ", ".join(quote_name(column.name) for column in columns)
        rows = fetch(source, f"SELECT {names} FROM {quote_name(table.name)}")
    execute(f"CREATE TABLE {quote_name(table.name)} ({told})")
    places = ", ".join("?" * len(columns))
    for row in rows:
        values = [value if value is None or isinstance(value, (int, float, str)) else str(value) for value in row]
        execute(f"INSERT INTO {quote_name(table.name)} VALUES ({places})", values)
    bare = [
        replace(column, type=_type_of(column, dialect), primary_key=False, generated=False, distractor=True)
        for column in columns
    ]
    return Table(
        table.name, tuple(bare), rows=len(rows), label=table.label, description=table.description, distractor=True
    )


def _fill_column(execute: Any, table: Table, column: Column, dialect: Dialect) -> None:
    name, of = quote_name(column.name), quote_name(table.name)
    execute(f"ALTER TABLE {of} ADD COLUMN {name} {_type_of(column, dialect)}")
    cases = " ".join(f"WHEN {number} THEN ?" for number in range(len(column.samples)))
    execute(f"UPDATE {of} SET {name} = CASE rowid % {len(column.samples)} {cases} END", list(column.samples))


def _type_of(column: Column, dialect: Dialect) -> str:
    types = STRICT_TYPES if dialect is Dialect.SQLITE else TYPES
    return types.get(column.kind, "TEXT")


@contextmanager
def _writing(database: Database) -> Iterator[Any]:
    """``execute(sql, values)`` on the file; all of it or nothing."""
    try:
        if database.dialect is Dialect.SQLITE:
            with closing(sqlite3.connect(database.path)) as connection, connection:
                yield connection.execute
        else:
            with duckdb.connect(database.path) as connection:
                connection.execute("BEGIN")
                yield connection.execute
                connection.execute("COMMIT")
    except (sqlite3.Error, duckdb.Error) as error:
        raise SourceError(
            f"No table or column can be added to the database: {error}",
            where=database.id,
            kept="Your own file is as it was.",
            next_step="Set databases.distractor_tables and databases.distractor_columns to 0, or leave it out.",
        ) from error
