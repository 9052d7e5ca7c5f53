"""The tables, columns and keys that a DuckDB file declares in its schema ``main``."""

from __future__ import annotations

from lib.sources.sql.catalogue import Catalogue
from lib.sources.sql.kinds import kind_of_type
from lib.sources.sql.opening import Connection, fetch
from lib.sources.sql.schema import Column, Dialect, ForeignKey, Table

_MAIN = "database_name = current_database() AND schema_name = 'main' AND NOT internal"


def read_duckdb_catalogue(connection: Connection) -> Catalogue:
    columns = _read_columns(connection)
    primary, unique, foreign = _read_keys(connection)
    tables = []
    for name, is_view, comment in _list_tables(connection):
        key = primary.get(name, ())
        tables.append(
            Table(
                name=name,
                columns=tuple(_column(row, key) for row in columns.get(name, [])),
                is_view=is_view,
                primary_key=key,
                unique=tuple(unique.get(name, ())),
                description=comment or "",
            )
        )
    return Catalogue(tables, foreign, frozenset(), _remark_on_other_schemata(connection))


def _list_tables(connection: Connection) -> list[tuple[str, bool, str | None]]:
    return fetch(
        connection,
        "SELECT name, is_view, comment FROM ("
        f" SELECT table_name AS name, false AS is_view, comment, table_oid AS made FROM duckdb_tables() WHERE {_MAIN}"
        f" UNION ALL SELECT view_name, true, comment, view_oid FROM duckdb_views() WHERE {_MAIN}) ORDER BY made",
    )


def _read_columns(connection: Connection) -> dict[str, list[tuple]]:
    columns: dict[str, list[tuple]] = {}
    for table, *row in fetch(
        connection,
        "SELECT table_name, column_name, data_type, is_nullable, is_generated, comment"
        f" FROM duckdb_columns() WHERE {_MAIN} ORDER BY table_oid, column_index",
    ):
        columns.setdefault(table, []).append(tuple(row))
    return columns


def _column(row: tuple, key: tuple[str, ...]) -> Column:
    name, type_, nullable, generated, comment = row
    return Column(
        name=name,
        type=type_,
        kind=kind_of_type(type_, Dialect.DUCKDB),
        nullable=nullable,
        primary_key=name in key,
        generated=generated,
        description=comment or "",
    )


def _read_keys(connection: Connection) -> tuple[dict[str, tuple[str, ...]], dict[str, list], list[ForeignKey]]:
    primary: dict[str, tuple[str, ...]] = {}
    unique: dict[str, list[tuple[str, ...]]] = {}
    foreign = []
    query = (
        "SELECT table_name, constraint_type, constraint_column_names, referenced_table, referenced_column_names"
        " FROM duckdb_constraints() WHERE database_name = current_database() AND schema_name = 'main'"
        " ORDER BY table_oid, constraint_index"
    )
    for table, type_, names, referred, referred_names in fetch(connection, query):
        if type_ == "PRIMARY KEY":
            primary[table] = tuple(names)
        elif type_ == "UNIQUE":
            unique.setdefault(table, []).append(tuple(names))
        elif type_ == "FOREIGN KEY":
            foreign.append(ForeignKey(table, tuple(names), referred, tuple(referred_names)))
    return primary, unique, foreign


def _remark_on_other_schemata(connection: Connection) -> list[str]:
    found = fetch(
        connection,
        "SELECT schema_name, count(*) FROM duckdb_tables() WHERE database_name = current_database()"
        " AND schema_name <> 'main' AND NOT internal GROUP BY ALL ORDER BY ALL",
    )
    return [f"schema {name!r} is left out with its {number} tables: only main is read" for name, number in found]
