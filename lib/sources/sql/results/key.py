"""A short name for what a query gave, so that answers can be counted by their results (self-consistency)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from lib.sources.sql.executor.result import Result

DIGITS = 6  # of a number; sums of the same numbers in another order differ far behind them
ROUNDS = 2  # the first sees no columns yet; a third would tell apart nothing but made-up tables


def result_key(result: Result) -> str | None:
    """Equal for equal bags of rows, whatever the names and the order of their columns; None for a query that failed.

    Rows are named by what stands in their columns and columns by what stands in their rows, in turns; neither name
    says at which place a row or a column stands.
    """
    if not result.ok or result.truncated:
        return None
    rows = [tuple(map(_text, row)) for row in result.rows]
    names, columns = [""] * len(rows), [""] * len(result.columns)
    for _ in range(ROUNDS):
        names = [_digest(zip(columns, row, strict=True)) for row in rows]
        columns = [_digest(zip(names, column, strict=True)) for column in zip(*rows, strict=True)] or columns
    return _digest([str(len(columns)), *names])[:16]


def _digest(parts: Iterable[object]) -> str:
    """Of a bag: the order of its parts does not count."""
    return hashlib.sha256(repr(sorted(parts)).encode()).hexdigest()


def _text(value: Any) -> str:
    if not isinstance(value, (int, float, Decimal)):
        return f"{type(value).__name__} {value}"
    number = float(value)
    if math.isfinite(number) and number == int(number):
        return f"number {int(value)}"
    return f"number {number:.{DIGITS}g}"
