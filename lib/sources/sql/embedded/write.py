"""A planned database -> a SQLite or DuckDB file, with descriptions beside it as BIRD lays them out.

Equal plans give equal SQLite files byte for byte, and DuckDB files with equal rows in an equal order.
"""

from __future__ import annotations

import csv
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from lib.sources.sql.annotations import FOLDER, TABLES
from lib.sources.sql.embedded.plan import DatabasePlan, TablePlan
from lib.sources.sql.identifiers import plain_words, quote_name, quote_names
from lib.sources.sql.schema import Dialect

SUFFIXES = {Dialect.SQLITE: ".sqlite", Dialect.DUCKDB: ".duckdb"}
ARROW_TYPES = {"INTEGER": pa.int64(), "REAL": pa.float64(), "BOOLEAN": pa.bool_()}
HEADER = ("original_column_name", "column_name", "column_description", "data_format", "value_description")


def write_database(plan: DatabasePlan, folder: Path, dialect: Dialect) -> Path:
    """``folder/<id>/<id>.sqlite`` or ``.duckdb``, replaced whole."""
    path = folder / plan.id / f"{plan.id}{SUFFIXES[dialect]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    growing = path.with_name(path.name + ".growing")
    growing.unlink(missing_ok=True)
    (_write_sqlite if dialect is Dialect.SQLITE else _write_duckdb)(plan, growing)
    os.replace(growing, path)
    _write_descriptions(plan, path.parent / FOLDER)
    return path


def _write_sqlite(plan: DatabasePlan, path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        for table in plan.tables:
            connection.execute(_create(table, Dialect.SQLITE))
            places = ", ".join("?" * len(table.columns))
            connection.executemany(f"INSERT INTO {quote_name(table.name)} VALUES ({places})", table.rows)
            for columns, _, _ in table.references:  # as whoever runs a database would
                index = quote_name(f"{table.name}_by_{'_and_'.join(columns)}")
                connection.execute(f"CREATE INDEX {index} ON {quote_name(table.name)} ({quote_names(columns)})")
        connection.commit()
        broken = connection.execute("PRAGMA foreign_key_check").fetchmany(3)
        assert not broken, f"{plan.id}: rows refer to what is not there: {broken}"
    finally:
        connection.close()


def _write_duckdb(plan: DatabasePlan, path: Path) -> None:
    with duckdb.connect(str(path), config={"threads": "1"}) as connection:
        for table in plan.tables:
            connection.execute(_create(table, Dialect.DUCKDB))
            for rows in _insertable(table):
                columns = zip(*rows, strict=True)
                arrays = [
                    pa.array(values, type=ARROW_TYPES.get(column.type, pa.string()))
                    for column, values in zip(table.columns, columns, strict=True)
                ]
                connection.register("rows_of_table", pa.table(arrays, names=[c.name for c in table.columns]))
                connection.execute(f"INSERT INTO {quote_name(table.name)} SELECT * FROM rows_of_table")
                connection.unregister("rows_of_table")


def _insertable(table: TablePlan) -> Iterator[list[tuple]]:
    """The rows in runs, each of which refers to rows of its own table in earlier runs only, as DuckDB wants it."""
    names = [column.name for column in table.columns]
    own = [
        (names.index(columns[0]), names.index(referred[0]))
        for columns, other, referred in table.references
        if other == table.name
    ]
    run: list[tuple] = []
    keys: set[object] = set()
    for row in table.rows:
        if any(row[index] in keys for index, _ in own):
            yield run
            run, keys = [], set()
        run.append(row)
        keys |= {row[index] for _, index in own}
    if run:
        yield run


def _create(table: TablePlan, dialect: Dialect) -> str:
    lines = []
    for index, column in enumerate(table.columns):
        type_ = "DOUBLE" if column.type == "REAL" and dialect is Dialect.DUCKDB else column.type
        lines.append(f"{quote_name(column.name)} {type_}{' NOT NULL' if table.is_required(index) else ''}")
    lines.append(f"PRIMARY KEY ({quote_names(table.primary_key)})")
    lines += [f"UNIQUE ({quote_names(key)})" for key in table.unique]
    lines += [
        f"FOREIGN KEY ({quote_names(columns)}) REFERENCES {quote_name(other)} ({quote_names(referred)})"
        for columns, other, referred in table.references
    ]
    return f"CREATE TABLE {quote_name(table.name)} (\n  " + ",\n  ".join(lines) + "\n)"


def _write_descriptions(plan: DatabasePlan, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    tables = [(table.name, plain_words(table.name), table.description) for table in plan.tables]
    _write_csv(folder / TABLES, ("original_table_name", "table_name", "table_description"), tables)
    for table in plan.tables:
        rows = [(c.name, c.label, c.description or c.label, c.type.lower(), c.values) for c in table.columns]
        _write_csv(folder / f"{table.name}.csv", HEADER, rows)


def _write_csv(path: Path, header: tuple[str, ...], rows: list[tuple]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([header, *rows])
