"""What a table must look like to cross a task boundary.

In: an Arrow table or a Parquet file. Out: the table, checked, and the rows that broke a rule.
A contract is an Arrow schema, a version and row rules: SQL conditions that DuckDB evaluates over
the table and that every row must satisfy. This file knows nothing of stages or of the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import duckdb
import pyarrow as pa


class Mode(StrEnum):
    """What happens to a table that does not fit."""

    FREEZE = "freeze"  # a bad row or an unknown column is an error
    QUARANTINE = "quarantine"  # bad rows go to a side table with the rule that they broke
    EVOLVE = "evolve"  # unknown columns are let through; bad rows are an error


class ContractError(ValueError):
    """A table does not fit its contract."""


@dataclass(frozen=True)
class Rule:
    """A condition, in DuckDB's SQL, that holds for every row."""

    name: str
    condition: str


@dataclass(frozen=True)
class Contract:
    """The schema and the row rules of one table.

    Columns whose field carries the metadata ``{"optional": "yes"}`` may be absent and are then
    filled with nulls.
    """

    name: str
    version: int
    schema: pa.Schema
    rules: tuple[Rule, ...] = field(default=())
    key: tuple[str, ...] = field(default=())  # columns that together name a row once

    def check(self, table: pa.Table, *, mode: Mode = Mode.FREEZE) -> tuple[pa.Table, pa.Table]:
        """Return ``(rows that fit, rows that do not)``; the latter carry a column ``broken_rule``.

        Raises ContractError for a missing column, a type that cannot be cast, an unknown column
        (unless evolving), a repeated key, and, outside quarantine, for any row that breaks a rule.
        """
        table = self._cast(table, mode)
        broken = self._broken_rules(table)
        if broken.num_rows == 0:
            return table, broken.drop_columns(["row_index"])
        if mode is not Mode.QUARANTINE:
            raise ContractError(self._describe(broken))
        bad = set(broken.column("row_index").to_pylist())
        keep = pa.array([i not in bad for i in range(table.num_rows)])
        return table.filter(keep), broken.drop_columns(["row_index"])

    def _cast(self, table: pa.Table, mode: Mode) -> pa.Table:
        columns = {}
        for wanted in self.schema:
            if wanted.name in table.column_names:
                try:
                    columns[wanted.name] = table.column(wanted.name).cast(wanted.type)
                except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                    raise ContractError(
                        f"{self.name}: column {wanted.name!r} is {table.column(wanted.name).type}, "
                        f"not {wanted.type}: {error}"
                    ) from error
            elif (wanted.metadata or {}).get(b"optional") == b"yes":
                columns[wanted.name] = pa.nulls(table.num_rows, wanted.type)
            else:
                raise ContractError(
                    f"{self.name}: column {wanted.name!r} is missing; present: {', '.join(table.column_names)}"
                )
        unknown = [name for name in table.column_names if name not in columns]
        if unknown and mode is Mode.FREEZE:
            raise ContractError(f"{self.name}: unknown columns {', '.join(unknown)}")
        fields = list(self.schema)
        if mode is Mode.EVOLVE:
            for name in unknown:
                columns[name] = table.column(name)
                fields.append(table.schema.field(name))
        return pa.table(columns, schema=pa.schema(fields))

    def _broken_rules(self, table: pa.Table) -> pa.Table:
        rules = list(self.rules)
        rules += [
            Rule(f"{item.name} is not null", f'"{item.name}" IS NOT NULL') for item in self.schema if not item.nullable
        ]
        numbered = table.append_column("row_index", pa.array(range(table.num_rows), pa.int64()))
        with duckdb.connect() as connection:
            connection.register("checked", numbered)
            cases = [
                f"SELECT *, '{rule.name.replace(chr(39), chr(39) * 2)}' AS broken_rule FROM checked "
                f"WHERE NOT coalesce(({rule.condition}), false)"
                for rule in rules
            ]
            if self.key:
                columns = ", ".join(f'"{name}"' for name in self.key)
                cases.append(
                    f"SELECT *, '{', '.join(self.key)} is unique' AS broken_rule FROM checked "
                    f"QUALIFY row_number() OVER (PARTITION BY {columns} ORDER BY row_index) > 1"
                )
            query = " UNION ALL ".join(cases) or "SELECT *, '' AS broken_rule FROM checked WHERE false"
            return connection.sql(f"SELECT * FROM ({query}) ORDER BY row_index, broken_rule").to_arrow_table()

    def _describe(self, broken: pa.Table) -> str:
        first = broken.slice(0, 1).to_pylist()[0]
        shown = {name: first[name] for name in (self.key or self.schema.names[:3])}
        rules = sorted(set(broken.column("broken_rule").to_pylist()))
        return (
            f"{self.name} v{self.version}: {broken.num_rows} broken rules in rows; rules: {'; '.join(rules)}. "
            f"First: row {first['row_index']}, {shown}"
        )


def optional(name: str, type_: pa.DataType) -> pa.Field:
    """A field that a table may leave out."""
    return pa.field(name, type_, metadata={"optional": "yes"})


def required(name: str, type_: pa.DataType) -> pa.Field:
    """A field that is present and never null."""
    return pa.field(name, type_, nullable=False)


def measured(name: str) -> pa.Field:
    """A number that tells of the machine and its day, such as seconds; it is no part of the artifact's digest."""
    return pa.field(name, pa.float64(), nullable=False, metadata={"measured": "yes"})


@dataclass(frozen=True)
class ArtifactKind:
    """What one kind of artifact consists of: its tables, and folders or files that hold no table."""

    name: str
    tables: tuple[Contract, ...]  # stored as <table name>.parquet
    paths: tuple[str, ...] = ()  # relative paths that must exist beside them
    summary: str = ""  # the table whose row count stands for the artifact

    def table(self, name: str) -> Contract:
        for contract in self.tables:
            if contract.name == name:
                return contract
        raise KeyError(f"{self.name} has no table {name!r}")

    @property
    def version(self) -> str:
        """The versions of all tables, part of every fingerprint that reads or writes this kind."""
        return ",".join(f"{contract.name}={contract.version}" for contract in self.tables)
