"""Keys found by names and values, where none is declared.

A key is inferred only for a table that declares none of that sort: whoever declared one has probably declared all.
An inferred foreign key needs three things at once: a name that says so, a referred column whose values differ, and
that every value is found there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from lib.sources.sql.identifiers import plain_words, quote_column, quote_name
from lib.sources.sql.opening import Connection, UnreadableError, fetch
from lib.sources.sql.schema import Column, ForeignKey, Kind, Origin, Table

# Ends of names of columns that tell rows apart.
KEY_WORDS = ("id", "key", "code", "no", "number", "nr")


def infer_primary_keys(tables: list[Table]) -> list[Table]:
    """The tables, those without a key with their first column that is named like one and whose values all differ.

    A column that names a table with a shorter name is no key: ``flight_id`` of flight_fare refers to flight.
    """
    found = {table.name: _find_primary_key(table) for table in tables}
    named = [(_singular(_fold(table.name)), _fold(found[table.name])) for table in tables if found[table.name]]
    completed = []
    for table in tables:
        name = found[table.name]
        is_new = name and not table.primary_key and not _is_borrowed(table, name, named)
        completed.append(_with_primary_key(table, name) if is_new else table)
    return completed


def _find_primary_key(table: Table) -> str:
    if table.primary_key:
        return table.primary_key[0] if len(table.primary_key) == 1 else ""
    if table.is_view or not table.rows:
        return ""
    names = (column.name for column in table.columns if _is_unique(table, column))
    return next((name for name in names if _names_rows_of(name, table.name)), "")


def _is_borrowed(table: Table, key: str, named: list[tuple[str, str]]) -> bool:
    name = _singular(_fold(table.name))
    return any(other != name and name.startswith(other) and own == _fold(key) for other, own in named)


def _with_primary_key(table: Table, name: str) -> Table:
    columns = tuple(replace(column, primary_key=column.name == name) for column in table.columns)
    return replace(table, columns=columns, primary_key=(name,), primary_key_origin=Origin.INFERRED)


def infer_foreign_keys(
    connection: Connection, tables: list[Table], declared: list[ForeignKey], *, seconds: Callable[[], float]
) -> list[ForeignKey]:
    with_keys = {key.table for key in declared}
    targets = _index_targets(tables)
    found = []
    for table in tables:
        if table.is_view or table.name in with_keys:
            continue
        for column in table.columns:
            for referred, key in _find_targets(table, column, targets):
                if _contains(connection, table, column, referred, key, seconds=seconds()):
                    found.append(ForeignKey(table.name, (column.name,), referred.name, (key.name,), Origin.INFERRED))
                    break
    return found


def _index_targets(tables: list[Table]) -> dict[str, list[tuple[Table, Column]]]:
    """The single columns that a foreign key may refer to, by the folded names under which others may do so."""
    by_name: dict[str, list[tuple[Table, Column]]] = {}
    for table in tables:
        for column in _single_keys(table):
            for name in dict.fromkeys(_names_of_reference(table, column)):
                by_name.setdefault(name, []).append((table, column))
    return by_name


def _find_targets(
    table: Table, column: Column, targets: dict[str, list[tuple[Table, Column]]]
) -> list[tuple[Table, Column]]:
    """Keys of other tables that the name of the column speaks of; those of tables with short names come first."""
    is_key = table.primary_key == (column.name,)
    if column.kind in (Kind.REAL, Kind.BLOB, Kind.OTHER) or not column.distinct:
        return []
    if is_key and _speaks_of(column.name, table.name):
        return []
    near = [(t, key) for t, key in targets.get(_fold(column.name), ()) if t is not table and key.kind is column.kind]
    # A key of the same name counts where it is the table's own, and not another reference to the same thing.
    told = [(t, key) for t, key in near if _fold(key.name) != _fold(column.name) or _speaks_of(key.name, t.name)]
    if told:
        return sorted(told, key=lambda pair: len(pair[0].name))
    return near if len(near) == 1 and not is_key else []


def _single_keys(table: Table) -> list[Column]:
    keys = [*([table.primary_key] if table.primary_key else []), *table.unique]
    return [table.column(key[0]) for key in keys if len(key) == 1]


def _names_of_reference(table: Table, key: Column) -> Iterator[str]:
    """``StuID`` of a table Student is referred to as stuid, studentstuid, studentid, student."""
    if _fold(key.name) not in KEY_WORDS:
        yield _fold(key.name)
    for name in (_fold(table.name), _singular(_fold(table.name))):
        yield name + _fold(key.name)
        if _ends_like_key(key.name):
            yield name + "id"
            yield name


def _names_rows_of(column: str, table: str) -> bool:
    return _fold(column) in KEY_WORDS[:2] or _ends_like_key(column) and _speaks_of(column, table)


def _speaks_of(column: str, table: str) -> bool:
    """``StuID`` speaks of Student and ``airport_code`` of airports: without its end, the name begins the table's."""
    start = _fold(column)
    for word in KEY_WORDS:
        if start.endswith(word) and start != word:
            return _fold(table).startswith(_singular(start.removesuffix(word)))
    return _singular(start) == _singular(_fold(table))


def _ends_like_key(name: str) -> bool:
    return plain_words(name).split(" ")[-1] in KEY_WORDS or _fold(name).endswith(KEY_WORDS[0])


def _fold(name: str) -> str:
    return plain_words(name).replace(" ", "")


def _singular(name: str) -> str:
    if name.endswith("ies"):
        return name[:-3] + "y"
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def _is_unique(table: Table, column: Column) -> bool:
    return column.exact and not column.nulls and column.distinct == table.rows and column.kind is not Kind.REAL


def _contains(
    connection: Connection, table: Table, column: Column, referred: Table, key: Column, *, seconds: float
) -> bool:
    """Every value of the column is one of the key."""
    own, other = quote_column(table.name, column.name), quote_column(referred.name, key.name)
    query = (
        f"SELECT 1 FROM {quote_name(table.name)} WHERE {own} IS NOT NULL"
        f" AND {own} NOT IN (SELECT {other} FROM {quote_name(referred.name)} WHERE {other} IS NOT NULL) LIMIT 1"
    )
    try:
        return not fetch(connection, query, seconds=seconds)
    except UnreadableError:
        return False
