"""Lists of schemata that come with benchmarks -> labels of tables and columns, and their keys.

What does not fit its own list, such as a number of a column that is not there, is a remark.
"""

from __future__ import annotations

from typing import Any

from lib.sources.sql.annotations import Annotations, Note
from lib.sources.sql.schema import ForeignKey


def annotations_of_tables(items: list[Any]) -> dict[str, Annotations]:
    """Spider's ``tables.json``: names as they are and in plain English, keys by numbers of columns."""
    found: dict[str, Annotations] = {}
    for item in items:
        if isinstance(item, dict) and isinstance(item.get("db_id"), str):
            found[item["db_id"]] = _guarded(_read_tables_item, item)
    return found


def annotations_of_labels(items: list[Any]) -> dict[str, Annotations]:
    """The plain layout's ``schema.json``: objects of tables and columns with a ``label`` each."""
    found: dict[str, Annotations] = {}
    for item in items:
        if isinstance(item, dict) and isinstance(item.get("db_id"), str):
            found[item["db_id"]] = _guarded(_read_labels_item, item)
    return found


def _guarded(read: Any, item: dict) -> Annotations:
    annotations = Annotations()
    try:
        read(item, annotations)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        annotations.remarks.append(f"the schema is not read to its end: {type(error).__name__}: {error}")
    return annotations


def _read_tables_item(item: dict, annotations: Annotations) -> None:
    tables = item["table_names_original"]
    # (number of the table, name); the first is "*" of no table
    columns = [(tables[number] if number >= 0 else "", name) for number, name in item["column_names_original"]]
    for name, label in zip(tables, item.get("table_names", tables), strict=False):
        annotations.tables[name.casefold()] = Note(label=label, description=label)
    for (table, name), (_, label) in zip(columns, item.get("column_names", ()), strict=False):
        annotations.columns[(table.casefold(), name.casefold())] = Note(label=label, description=label)
    for key in item.get("primary_keys", ()):
        numbers = key if isinstance(key, list) else [key]
        table = columns[numbers[0]][0].casefold()
        annotations.primary_keys[table] = tuple(columns[number][1] for number in numbers)
    for own, referred in item.get("foreign_keys", ()):
        (table, column), (referred_table, referred_column) = columns[own], columns[referred]
        annotations.foreign_keys.append(ForeignKey(table, (column,), referred_table, (referred_column,)))


def _read_labels_item(item: dict, annotations: Annotations) -> None:
    for table in item["tables"]:
        name = table["name"].casefold()
        annotations.tables[name] = Note(label=table["label"], description=table["label"])
        for column in table["columns"]:
            note = Note(label=column["label"], description=column["label"])
            annotations.columns[(name, column["name"].casefold())] = note
        if key := tuple(column["name"] for column in table["columns"] if column.get("pk")):
            annotations.primary_keys[name] = key
    for key in item.get("foreign_keys", ()):
        table, _, column = key["from_"].partition(".")
        referred_table, _, referred_column = key["to"].partition(".")
        annotations.foreign_keys.append(ForeignKey(table, (column,), referred_table, (referred_column,)))
