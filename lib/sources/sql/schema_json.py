"""A database's description as JSON and back, equal after the round trip.

NaN and the infinities, which JSON has not, are written as ``{"number": "inf"}``.
"""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

from lib.sources.sql.schema import Column, Database, Dialect, ForeignKey, Kind, Origin, Table, Value

_DEFAULTS = {field.name: field.default for field in fields(Column)}


def database_to_json(database: Database) -> dict[str, Any]:
    return {
        "id": database.id,
        "dialect": str(database.dialect),
        "path": str(database.path),
        "tables": [_table_to_json(table) for table in database.tables],
        "foreign_keys": [_key_to_json(key) for key in database.foreign_keys],
        "remarks": list(database.remarks),
    }


def database_from_json(data: dict[str, Any]) -> Database:
    return Database(
        id=data["id"],
        dialect=Dialect(data["dialect"]),
        path=Path(data["path"]),
        tables=tuple(_table_from_json(table) for table in data["tables"]),
        foreign_keys=tuple(_key_from_json(key) for key in data["foreign_keys"]),
        remarks=tuple(data["remarks"]),
    )


def _table_to_json(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "columns": [_column_to_json(column) for column in table.columns],
        "rows": table.rows,
        "is_view": table.is_view,
        "primary_key": list(table.primary_key),
        "primary_key_origin": str(table.primary_key_origin),
        "unique": [list(key) for key in table.unique],
        "label": table.label,
        "description": table.description,
        "distractor": table.distractor,
    }


def _table_from_json(data: dict[str, Any]) -> Table:
    return Table(
        **data
        | {
            "columns": tuple(_column_from_json(column) for column in data["columns"]),
            "primary_key": tuple(data["primary_key"]),
            "primary_key_origin": Origin(data["primary_key_origin"]),
            "unique": tuple(tuple(key) for key in data["unique"]),
        }
    )


def _column_to_json(column: Column) -> dict[str, Any]:
    """Fields that hold their default are left out."""
    values = {name: getattr(column, name) for name in _DEFAULTS}
    told = {name: value for name, value in values.items() if value != _DEFAULTS[name]}
    for name in ("min", "max"):
        if name in told:
            told[name] = _value_to_json(told[name])
    if "samples" in told:
        told["samples"] = [_value_to_json(value) for value in column.samples]
    return told


def _column_from_json(data: dict[str, Any]) -> Column:
    values = dict(data)
    if "kind" in values:
        values["kind"] = Kind(values["kind"])
    for name in ("min", "max"):
        if name in values:
            values[name] = _value_from_json(values[name])
    values["samples"] = tuple(_value_from_json(value) for value in values.get("samples", ()))
    return Column(**values)


def _key_to_json(key: ForeignKey) -> dict[str, Any]:
    return {
        "table": key.table,
        "columns": list(key.columns),
        "referred_table": key.referred_table,
        "referred_columns": list(key.referred_columns),
        "origin": str(key.origin),
    }


def _key_from_json(data: dict[str, Any]) -> ForeignKey:
    return ForeignKey(
        table=data["table"],
        columns=tuple(data["columns"]),
        referred_table=data["referred_table"],
        referred_columns=tuple(data["referred_columns"]),
        origin=Origin(data["origin"]),
    )


def _value_to_json(value: Value) -> Any:
    return {"number": repr(value)} if isinstance(value, float) and not math.isfinite(value) else value


def _value_from_json(value: Any) -> Value:
    return float(value["number"]) if isinstance(value, dict) else value
