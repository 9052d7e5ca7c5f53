"""What the columns of a table hold, at a cost that does not grow with the table.

In: an open database and a table of its catalogue. Out: the table with its number of rows, and for each column how
many values differ, are missing, are least, greatest and most frequent. Small tables are read whole; of large ones,
rows from all over the table.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from lib.sources.sql.identifiers import quote_column, quote_name
from lib.sources.sql.kinds import kind_of_values
from lib.sources.sql.opening import Connection, UnreadableError, fetch
from lib.sources.sql.schema import Column, Dialect, Kind, Table, Value

CELLS = 1_000_000  # of one table, read in about a second
FEWEST_ROWS = 50
BLOCKS = 100  # places of a large SQLite table at which rows are taken
LONGEST_VALUE = 200  # characters; longer texts are counted but neither shown nor compared


@dataclass(frozen=True)
class _Long:
    """A text that is too long to keep, or bytes; equal for equal values of this run."""

    hash: int
    is_blob: bool


def measure(
    connection: Connection, table: Table, *, samples: int, seconds: Callable[[], float], has_rowid: bool
) -> Table:
    """The table with the statistics of its columns.

    Args:
        samples: how many values of a column are kept.
        seconds: how long the next query may take.
        has_rowid: SQLite numbers the rows of this table.

    Raises UnreadableError for a view that fails and for what takes too long.
    """
    name = quote_name(table.name)
    rows: int | None = None
    try:
        rows = fetch(connection, f"SELECT count(*) FROM {name}", seconds=seconds())[0][0]
    except UnreadableError:
        if table.is_view:
            raise
    most = max(FEWEST_ROWS, CELLS // max(1, len(table.columns)))
    is_whole = rows is not None and rows <= most
    counters = [Counter[object]() for _ in table.columns]
    for query in _queries(connection, table, rows=rows, most=most, seconds=seconds, has_rowid=has_rowid):
        for batch in connection.batches(query, seconds=seconds()):
            for counter, values in zip(counters, zip(*batch, strict=True), strict=True):
                counter.update(_shorten(values))
    columns = (
        _describe(column, counter, connection.dialect, samples=samples, exact=is_whole)
        for column, counter in zip(table.columns, counters, strict=True)
    )
    return replace(table, rows=rows, columns=tuple(columns))


def _queries(
    connection: Connection, table: Table, *, rows: int | None, most: int, seconds: Callable[[], float], has_rowid: bool
) -> Iterator[str]:
    """One query for the whole table, or some that give about ``most`` of its rows."""
    name = quote_name(table.name)
    select = f"SELECT {_expressions(table, connection.dialect)} FROM {name}"
    if rows is not None and rows <= most:
        yield select
    elif connection.dialect is Dialect.DUCKDB:
        yield f"{select} USING SAMPLE reservoir({most} ROWS) REPEATABLE (1)"
    elif not has_rowid:
        yield f"{select} LIMIT {most}"
    else:
        first, last = fetch(connection, f"SELECT min(_rowid_), max(_rowid_) FROM {name}", seconds=seconds())[0]
        step = max(1, (last - first + 1) // BLOCKS)
        for start in range(first, last + 1, step):
            within = f"_rowid_ >= {start} AND _rowid_ < {start + step}"
            yield f"{select} WHERE {within} ORDER BY _rowid_ LIMIT {max(1, most // BLOCKS)}"


def _expressions(table: Table, dialect: Dialect) -> str:
    """DuckDB's dates may lie beyond Python's, and its lists cannot be counted; as texts they can."""
    if dialect is Dialect.SQLITE:
        return ", ".join(quote_column(table.name, column.name) for column in table.columns)
    return ", ".join(_duckdb_expression(table, column) for column in table.columns)


def _duckdb_expression(table: Table, column: Column) -> str:
    name = quote_column(table.name, column.name)
    if column.kind is Kind.BLOB:
        return f"md5({name})"
    as_text = column.kind.is_temporal or column.kind is Kind.OTHER or column.type == "UUID"
    return f"CAST({name} AS VARCHAR)" if as_text else name


def _shorten(values: Sequence[object]) -> Iterable[object]:
    types = set(map(type, values))
    if bytes in types:
        return [_Long(hash(v), True) if isinstance(v, bytes) else v for v in _shorten_texts(values)]
    return _shorten_texts(values) if str in types else values


def _shorten_texts(values: Sequence[object]) -> list[object]:
    return [_Long(hash(v), False) if isinstance(v, str) and len(v) > LONGEST_VALUE else v for v in values]


def _describe(column: Column, counter: Counter[object], dialect: Dialect, *, samples: int, exact: bool) -> Column:
    nulls = counter.pop(None, 0)
    # Each NaN differs from all others, so a counter holds many.
    nans = [value for value in counter if value != value]
    for value in nans:
        del counter[value]
    long = [value for value in counter if isinstance(value, _Long)]
    distinct = len(counter) + bool(nans)
    for value in long:
        del counter[value]
    kind = column.kind
    if dialect is Dialect.SQLITE:
        kind = kind_of_values(
            kind, counter, has_blob=any(v.is_blob for v in long), has_text=any(not v.is_blob for v in long)
        )
    if kind in (Kind.BLOB, Kind.OTHER):
        counter.clear()
    least, greatest = _ends(counter)
    # A few more than are wanted, for those that cannot be written.
    frequent = [_plain(value) for value, _ in counter.most_common(samples + 20)]
    return replace(
        column,
        kind=kind,
        distinct=distinct,
        nulls=nulls,
        min=least,
        max=greatest,
        samples=tuple([value for value in frequent if _can_be_written(value)][:samples]),
        exact=exact,
    )


def _ends(values: Iterable[object]) -> tuple[Value, Value]:
    """The least and the greatest in SQLite's order of mixed values: numbers before texts."""
    texts: list[Any] = []
    numbers: list[Any] = []
    for value in values:
        (texts if isinstance(value, str) else numbers).append(value)
    if not texts and not numbers:
        return None, None
    return _plain(min(numbers or texts)), _plain(max(texts or numbers))


def _plain(value: object) -> Value:
    return float(value) if isinstance(value, Decimal) else value  # type: ignore[return-value]


def _can_be_written(value: Value) -> bool:
    """Infinities have no literal, zero bytes end a query, an empty text is no value to ask about."""
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, str) or bool(value.strip()) and "\0" not in value
