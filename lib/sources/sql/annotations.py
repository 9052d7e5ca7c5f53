"""What people wrote about a database beside it: plain names, descriptions, keys that the file does not declare.

In: BIRD's ``database_description`` folder of CSV files, one a table, and perhaps one of all tables; or what a
benchmark's list of schemata says.
Out: the tables with labels and descriptions, and further keys.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from lib.sources.files import LONGEST_CELL
from lib.sources.sql.schema import Column, ForeignKey, Table
from lib.sources.titles import one_line

FOLDER = "database_description"
TABLES = "_tables.csv"  # beside BIRD's files, what the tables are
# BIRD's files were saved by spreadsheets; Latin-1 takes any byte, so it comes last.
ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")


@dataclass(frozen=True)
class Note:
    label: str = ""
    description: str = ""
    value_description: str = ""


@dataclass
class Annotations:
    """Notes by folded names."""

    tables: dict[str, Note] = field(default_factory=dict)
    columns: dict[tuple[str, str], Note] = field(default_factory=dict)
    primary_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __or__(self, other: Annotations) -> Annotations:
        """Both, the other's notes where both have one."""
        return Annotations(
            tables=self.tables | other.tables,
            columns=self.columns | other.columns,
            primary_keys=self.primary_keys | other.primary_keys,
            foreign_keys=[*self.foreign_keys, *other.foreign_keys],
            remarks=[*self.remarks, *other.remarks],
        )

    def annotate(self, table: Table) -> Table:
        name = table.name.casefold()
        note = self.tables.get(name, Note())
        columns = tuple(self._annotate_column(name, column) for column in table.columns)
        key = self.primary_keys.get(name, ())
        if key and not table.primary_key and all(table.find(column) for column in key):
            key = tuple(table.column(column).name for column in key)
            columns = tuple(replace(column, primary_key=column.name in key) for column in columns)
        else:
            key = table.primary_key
        return replace(
            table,
            columns=columns,
            primary_key=key,
            label=note.label,
            description=note.description or table.description,
        )

    def _annotate_column(self, table: str, column: Column) -> Column:
        note = self.columns.get((table, column.name.casefold()))
        if note is None:
            return column
        return replace(
            column,
            label=note.label,
            description=note.description or column.description,
            value_description=note.value_description,
        )


def read_descriptions(folder: Path) -> Annotations:
    """Every CSV of the folder; a file or row that cannot be read is a remark."""
    found = Annotations()
    for path in sorted(folder.glob("*.csv")):
        try:
            rows = list(_read_rows(path))
        except (OSError, csv.Error) as error:
            found.remarks.append(f"descriptions {path.name} cannot be read: {error}")
            continue
        for row in rows:
            name = row.get("original_column_name", "")
            if path.name == TABLES:
                table = row.get("original_table_name", "")
                note = Note(row.get("table_name", ""), row.get("table_description", ""))
                found.tables[table.casefold()] = note
            elif name:
                found.columns[(path.stem.strip().casefold(), name.casefold())] = Note(
                    label=row.get("column_name", ""),
                    description=row.get("column_description", ""),
                    value_description=row.get("value_description", ""),
                )
            elif any(row.values()):
                found.remarks.append(f"descriptions {path.name}: a row names no column")
    return found


def _read_rows(path: Path) -> Iterable[dict[str, str]]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.DictReader(io.StringIO(_decode(path.read_bytes()), newline=""))
    for row in reader:
        yield {
            key.strip().casefold(): one_line(value)
            for key, value in row.items()
            if isinstance(key, str) and isinstance(value, str)
        }


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    for encoding in ENCODINGS:
        try:
            return content.decode(encoding).replace("\0", "")
        except UnicodeDecodeError:
            continue
    raise AssertionError("Latin-1 decodes any bytes")
