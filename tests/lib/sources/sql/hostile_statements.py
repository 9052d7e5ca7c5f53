"""Statements that would do harm or cost too much, and what is to come of each.

An expectation is a kind of error, `rows` for an answer, `cut` for an answer that was cut off, or several of them with a
bar between where the engine may choose. `{folder}` is the folder of the databases.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.lib.sources.sql import hostile_duckdb, hostile_sqlite


class Hostile(NamedTuple):
    dialect: str
    sql: str
    expected: str


def _lines(table: str) -> list[str]:
    """One statement a line; the sign ⏎ stands for a line break inside a statement."""
    return [line.replace("⏎", "\n") for line in table.split("\n") if line.strip()]


def hostile_statements(folder: str) -> list[Hostile]:
    """All of them, for databases in the given folder."""
    rows = [Hostile("duckdb", sql, "refused") for sql in _lines(hostile_duckdb.REFUSED)]
    rows += [Hostile("duckdb", *row) for row in hostile_duckdb.OTHERS]
    rows += [Hostile("sqlite", sql, "refused") for sql in _lines(hostile_sqlite.REFUSED)]
    rows += [Hostile("sqlite", *row) for row in hostile_sqlite.OTHERS]
    return [row._replace(sql=row.sql.replace("{folder}", folder)) for row in rows]
