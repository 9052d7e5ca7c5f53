"""The tables, columns and keys that a SQLite file declares."""

from __future__ import annotations

from lib.sources.sql.catalogue import Catalogue
from lib.sources.sql.identifiers import quote_name, quote_text
from lib.sources.sql.kinds import kind_of_type
from lib.sources.sql.opening import Connection, UnreadableError, fetch
from lib.sources.sql.schema import Column, Dialect, ForeignKey, Table


def read_sqlite_catalogue(connection: Connection) -> Catalogue:
    tables: list[Table] = []
    keys: list[ForeignKey] = []
    with_rowid: set[str] = set()
    remarks: list[str] = []
    for name, type_, without_rowid in _list_tables(connection):
        try:
            table = _read_table(connection, name, is_view=type_ == "view")
            keys += _read_foreign_keys(connection, name)
        except (UnreadableError, ValueError) as error:
            remarks.append(f"{type_} {name!r} is left out: {error}")
            continue
        tables.append(table)
        if type_ == "table" and not without_rowid and table.find("_rowid_") is None:
            with_rowid.add(name)
    return Catalogue(tables, keys, frozenset(with_rowid), remarks)


def _list_tables(connection: Connection) -> list[tuple[str, str, int]]:
    """In the order in which they were made, without SQLite's own and those that only serve a virtual table."""
    listed = fetch(
        connection,
        "SELECT list.name, list.type, list.wr FROM pragma_table_list AS list"
        " JOIN sqlite_schema AS made ON made.name = list.name"
        " WHERE list.schema = 'main' AND list.type IN ('table', 'view', 'virtual') AND made.type IN ('table', 'view')"
        " ORDER BY made.rowid",
    )
    return [row for row in listed if not row[0].startswith("sqlite_")]


def _read_table(connection: Connection, name: str, *, is_view: bool) -> Table:
    # (number, name, type, not null, default, place in the primary key, hidden); 2 and 3 are generated columns
    found = fetch(connection, f"PRAGMA table_xinfo({quote_name(name)})")
    columns = tuple(
        Column(
            name=column,
            type=type_,
            kind=kind_of_type(type_, Dialect.SQLITE),
            nullable=not not_null and not place,
            primary_key=bool(place),
            generated=hidden in (2, 3),
        )
        for _, column, type_, not_null, _, place, hidden in found
        if hidden != 1
    )
    if not columns:
        raise UnreadableError("it has no columns")
    key = tuple(row[1] for row in sorted(found, key=lambda row: row[5]) if row[5])
    unique = () if is_view else _read_unique(connection, name)
    return Table(name=name, columns=columns, is_view=is_view, primary_key=key, unique=unique)


def _read_unique(connection: Connection, table: str) -> tuple[tuple[str, ...], ...]:
    keys = []
    for _, index, unique, origin, partial in reversed(fetch(connection, f"PRAGMA index_list({quote_name(table)})")):
        if unique and origin != "pk" and not partial:
            names = tuple(row[2] for row in fetch(connection, f"PRAGMA index_info({quote_name(index)})"))
            if all(names):  # an expression has no name
                keys.append(names)
    return tuple(keys)


def _read_foreign_keys(connection: Connection, table: str) -> list[ForeignKey]:
    """Where the referred columns are not named, they are the primary key of the referred table."""
    found: dict[int, list[tuple]] = {}
    query = (
        f'SELECT id, seq, "table", "from", "to" FROM pragma_foreign_key_list({quote_text(table)}) ORDER BY 1 DESC, 2'
    )
    for row in fetch(connection, query):
        found.setdefault(row[0], []).append(row)
    return [
        ForeignKey(
            table=table,
            columns=tuple(row[3] for row in rows),
            referred_table=rows[0][2],
            referred_columns=tuple(row[4] for row in rows) if rows[0][4] is not None else (),
        )
        for rows in found.values()
    ]
