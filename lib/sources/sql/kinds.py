"""The word of a database for a type -> what the values of the column are."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lib.sources.sql.schema import Dialect, Kind

_DUCKDB = {
    Kind.INTEGER: "TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT",
    Kind.REAL: "FLOAT DOUBLE DECIMAL",
    Kind.TEXT: "VARCHAR ENUM UUID",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS DATETIME",
    Kind.BLOB: "BLOB",
}
_DUCKDB_KINDS = {word: kind for kind, words in _DUCKDB.items() for word in words.split()}
# SQLite's rules of affinity in their order, after the words for what it keeps as numbers or text.
_SQLITE = (
    ("BOOL", Kind.BOOLEAN),
    ("DATETIME", Kind.TIMESTAMP),
    ("TIMESTAMP", Kind.TIMESTAMP),
    ("DATE", Kind.DATE),
    ("INT", Kind.INTEGER),
    ("CHAR", Kind.TEXT),
    ("CLOB", Kind.TEXT),
    ("TEXT", Kind.TEXT),
    ("STRING", Kind.TEXT),
    ("BLOB", Kind.BLOB),
    ("REAL", Kind.REAL),
    ("FLOA", Kind.REAL),
    ("DOUB", Kind.REAL),
    ("NUM", Kind.REAL),
    ("DEC", Kind.REAL),
    ("MONEY", Kind.REAL),
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")


def kind_of_type(type_: str, dialect: Dialect) -> Kind:
    """The kind that a declared type promises."""
    if dialect is Dialect.DUCKDB:
        word = re.match(r"\w*", type_).group()  # type: ignore[union-attr]
        plain = not type_.endswith("]") and (word != "TIMESTAMP" or type_ in ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"))
        return _DUCKDB_KINDS.get(word, Kind.OTHER) if plain else Kind.OTHER
    return next((kind for word, kind in _SQLITE if word in type_.upper()), Kind.OTHER)


def kind_of_values(promised: Kind, values: Iterable[object], *, has_blob: bool = False, has_text: bool = False) -> Kind:
    """The kind of a SQLite column, where any column may hold anything: the promised one unless values differ.

    Dates are texts, so a column of ISO dates is one of dates, and a column of dates in another spelling is text.

    Args:
        values: the numbers and texts of the column.
        has_blob: there are bytes too.
        has_text: there are texts too long to be among the values.
    """
    types = set(map(type, values))
    if has_blob:
        return Kind.OTHER if types or has_text else Kind.BLOB
    if has_text:
        return Kind.TEXT
    if not types:
        return promised
    if str not in types:
        if float in types:
            return Kind.REAL
        return promised if promised in (Kind.REAL, Kind.BOOLEAN) else Kind.INTEGER
    return _kind_of_texts(values) if types == {str} else Kind.TEXT


def _kind_of_texts(values: Iterable[object]) -> Kind:
    kind = Kind.DATE
    for value in values:
        if _DATE.fullmatch(value):  # type: ignore[arg-type]
            continue
        if not _TIMESTAMP.fullmatch(value):  # type: ignore[arg-type]
            return Kind.TEXT
        kind = Kind.TIMESTAMP
    return kind
