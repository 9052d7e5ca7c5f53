"""Copies of a database by which a query shows what its result hangs on.

Two hold the same rows in another order, backwards and shuffled: a result that differs there was left to chance, as
among ties at a LIMIT. Others hold half of the rows, with the values of every column dealt out anew: a result that is
the same in all of them does not depend on the data. Keys, indexes and constraints are left out, since copies are only
read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random

import duckdb

from lib.seeds import derive_seed
from lib.sources.sql.identifiers import quote_name, quote_names, quote_text
from lib.sources.sql.opening import open_database
from lib.sources.sql.schema import Database, Dialect, Table

NUM_PERTURBED = 3
READING_S = 600.0


class Change(StrEnum):
    """What a copy does to the rows of every table."""

    BACKWARDS = "backwards"
    SHUFFLED = "shuffled"
    PERTURBED = "perturbed"


@dataclass(frozen=True)
class Copies:
    """Database files of the original's dialect."""

    reordered: tuple[Path, ...]
    perturbed: tuple[Path, ...]


def make_copies(database: Database, folder: Path, *, seed: int) -> Copies:
    """Write the copies into the folder, replacing what is there. Views are left out; equal seeds give equal rows."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = {Dialect.SQLITE: _copy_sqlite, Dialect.DUCKDB: _copy_duckdb}[database.dialect]
    changes = (Change.BACKWARDS, Change.SHUFFLED, *[Change.PERTURBED] * NUM_PERTURBED)
    paths = [folder / f"{database.id}.{change}-{number}.db" for number, change in enumerate(changes)]
    for number, (path, change) in enumerate(zip(paths, changes, strict=True)):
        path.unlink(missing_ok=True)
        copy(database, path, change, seed=derive_seed(seed, "copy", number))
    return Copies(tuple(paths[:-NUM_PERTURBED]), tuple(paths[-NUM_PERTURBED:]))


def _tables(database: Database) -> list[Table]:
    return [table for table in database.tables if not table.is_view]


def _create(table: Table) -> str:
    """Types as they were declared, since databases compare by them."""
    columns = ", ".join(f"{quote_name(column.name)} {column.type}" for column in table.columns)
    return f"CREATE TABLE {quote_name(table.name)} ({columns})"


def _copy_sqlite(database: Database, path: Path, change: Change, *, seed: int) -> None:
    random = Random(seed)
    with open_database(database.path) as source, closing(sqlite3.connect(path)) as target, target:
        for table in _tables(database):
            names = quote_names([column.name for column in table.columns])
            query = f"SELECT {names} FROM {quote_name(table.name)}"
            rows = [row for batch in source.batches(query, seconds=READING_S) for row in batch]
            rows = _change(rows, change, random)
            target.execute(_create(table))
            places = ", ".join("?" * len(table.columns))
            target.executemany(f"INSERT INTO {quote_name(table.name)} VALUES ({places})", rows)
        for statement in _indexes(database):
            target.execute(statement)


def _indexes(database: Database) -> Iterator[str]:
    """On both ends of every key: without them, a query inside another reads its table once a row."""
    ends = [(key.table, key.columns) for key in database.foreign_keys]
    ends += [(key.referred_table, key.referred_columns) for key in database.foreign_keys]
    for number, (table, columns) in enumerate(dict.fromkeys(ends)):
        if not database.table(table).is_view:
            yield f"CREATE INDEX {quote_name(f'copied_key_{number}')} ON {quote_name(table)} ({quote_names(columns)})"


def _change(rows: list[tuple], change: Change, random: Random) -> list[tuple]:
    if change is Change.BACKWARDS:
        return rows[::-1]
    if change is Change.SHUFFLED:
        return random.sample(rows, len(rows))
    kept = random.sample(rows, _half(len(rows)))
    columns = [random.sample(column, len(column)) for column in zip(*kept, strict=True)]
    return list(zip(*columns, strict=True))


def _copy_duckdb(database: Database, path: Path, change: Change, *, seed: int) -> None:
    """In the database itself, which reads and writes columns; a hash of the row's number stands for chance."""
    with closing(duckdb.connect(path)) as target:
        target.execute(f"ATTACH {quote_text(str(database.path))} AS original (READ_ONLY)")
        for table in _tables(database):
            target.execute(_create(table))
            source = f"original.{quote_name(table.name)}"
            names = [quote_name(column.name) for column in table.columns]
            if change is Change.PERTURBED:
                (count,) = target.execute(f"SELECT count(*) FROM {source}").fetchone()
                kept = f"SELECT rowid, * FROM {source} ORDER BY {_chance(seed)} LIMIT {_half(count)}"
                # Lists that are unfolded side by side: a join for each column would be too deep for a wide table.
                dealt = [
                    f"unnest(list({name} ORDER BY {_chance(seed + number)}))"
                    for number, name in enumerate(names, start=1)
                ]
                rows = f"SELECT {', '.join(dealt)} FROM ({kept})"
            else:
                order = "rowid DESC" if change is Change.BACKWARDS else _chance(seed)
                rows = f"SELECT {', '.join(names)} FROM {source} ORDER BY {order}"
            target.execute(f"INSERT INTO {quote_name(table.name)} {rows}")


def _chance(seed: int) -> str:
    return f"hash(rowid, {seed % 2**31})"


def _half(count: int) -> int:
    """Half of the rows, and one where there is one."""
    return -(-count // 2)
