"""A SQLite or DuckDB file, or a folder of tables, -> what is known of the database.

Damage to the file is an error; what is wrong with one table, view or key is a remark, and the rest is read.
"""

from __future__ import annotations

import time
from pathlib import Path

from lib.errors import SourceError
from lib.sources.sql.annotations import FOLDER, Annotations, read_descriptions
from lib.sources.sql.catalogue import Catalogue
from lib.sources.sql.duckdb_catalogue import read_duckdb_catalogue
from lib.sources.sql.folder import load_folder
from lib.sources.sql.inferred_keys import infer_foreign_keys, infer_primary_keys
from lib.sources.sql.keys import check_foreign_keys
from lib.sources.sql.opening import LONGEST_QUERY, Connection, UnreadableError, open_database
from lib.sources.sql.schema import Database, Dialect, Table
from lib.sources.sql.sqlite_catalogue import read_sqlite_catalogue
from lib.sources.sql.statistics import measure

CATALOGUES = {Dialect.SQLITE: read_sqlite_catalogue, Dialect.DUCKDB: read_duckdb_catalogue}


def read_database(
    path: Path,
    *,
    id: str | None = None,
    annotations: Annotations | None = None,
    loaded: Path | None = None,
    samples: int = 20,
    seconds: float = 120.0,
    infer_keys: bool = True,
) -> Database:
    """The tables, columns with statistics and sample values, and keys of a database.

    Args:
        path: a file, or a folder of Parquet or CSV files, one a table.
        id: the name of the database; the stem of the path without it.
        annotations: what else is known; without it, a folder ``database_description`` beside the file is read.
        loaded: the DuckDB file to be made of a folder.
        samples: how many values of a column are kept.
        seconds: how long statistics and the search for keys may take; columns without statistics are remarked on.
        infer_keys: look for keys where none is declared.

    Raises SourceError for a file that is missing, damaged, locked, no database or without tables.
    """
    id = id or path.stem
    if path.is_dir():
        if loaded is None:
            raise ValueError(f"{path} is a folder: say by `loaded` which DuckDB file to make of it")
        loading_remarks = load_folder(path, loaded)
        described, path = path / FOLDER, loaded
    else:
        loading_remarks, described = [], path.parent / FOLDER
    if annotations is None:
        annotations = read_descriptions(described)
    clock = _Clock(seconds)
    with open_database(path) as connection:
        catalogue = CATALOGUES[connection.dialect](connection)
        if not catalogue.tables:
            raise SourceError(
                "The database has no tables.",
                where=str(path),
                kept="; ".join(catalogue.remarks),
                next_step="Give a database with at least one table.",
            )
        remarks = [*loading_remarks, *catalogue.remarks, *annotations.remarks]
        tables = _measure_tables(connection, catalogue, remarks, samples=samples, clock=clock)
        tables = [annotations.annotate(table) for table in tables]
        keys, missing = check_foreign_keys(catalogue.foreign_keys, tables)
        more, _ = check_foreign_keys(annotations.foreign_keys, tables)
        told = {(key.table, name) for key in keys for name in key.columns}
        keys += [key for key in more if (key.table, key.columns[0]) not in told]
        if infer_keys:
            tables = infer_primary_keys(tables)
            keys += infer_foreign_keys(connection, tables, keys, seconds=clock.next_query)
        return Database(id, connection.dialect, path, tuple(tables), tuple(keys), (*remarks, *missing))


def _measure_tables(
    connection: Connection, catalogue: Catalogue, remarks: list[str], *, samples: int, clock: _Clock
) -> list[Table]:
    tables = []
    for table in catalogue.tables:
        try:
            has_rowid = table.name in catalogue.with_rowid
            measured = measure(connection, table, samples=samples, seconds=clock.next_query, has_rowid=has_rowid)
        except UnreadableError as error:
            remarks.append(f"{'view' if table.is_view else 'table'} {table.name!r} is not looked into: {error}")
            measured = table
        tables.append(measured)
    return tables


class _Clock:
    """Shares what is left of the time among queries."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds

    def next_query(self) -> float:
        # A hundredth of a second is left to queries after the end, so that small tables are still read.
        return max(0.01, min(LONGEST_QUERY, self._end - time.monotonic()))
