"""What a database declares, before statistics are taken and keys are checked."""

from __future__ import annotations

from dataclasses import dataclass

from lib.sources.sql.schema import ForeignKey, Table


@dataclass(frozen=True)
class Catalogue:
    tables: list[Table]
    foreign_keys: list[ForeignKey]  # as they are written; what they refer to may be missing
    with_rowid: frozenset[str]  # tables of SQLite whose rows are numbered
    remarks: list[str]
