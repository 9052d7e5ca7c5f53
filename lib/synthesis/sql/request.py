"""What a question asks of a database, before it is a query or a sentence.

Both are made from a Request: the query by `to_sql`, the sentence by `telling`. So the two cannot drift apart, and a
part can be taken out of both at once. Rows are those of one base table, widened upwards along foreign keys
(`Path`), which never changes how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lib.sources.sql.schema import Column, ForeignKey, Table

Value = str | int | float | bool
Comparison = Literal["=", "!=", ">", ">=", "<", "<="]
Function = Literal["count", "sum", "avg", "min", "max"]
Direction = Literal["asc", "desc"]


@dataclass(frozen=True)
class Path:
    """From the base table to a table above it, one foreign key after another; empty is the base itself."""

    keys: tuple[ForeignKey, ...] = ()

    def prefixes(self) -> Iterator[Path]:
        """This path and those that lead to it, the shortest first, without the empty one."""
        for end in range(1, len(self.keys) + 1):
            yield Path(self.keys[:end])


@dataclass(frozen=True)
class Place:
    """A column as seen from the base table."""

    path: Path
    table: Table
    column: Column


@dataclass(frozen=True)
class Compare:
    """The column against a value; for dates, against an ISO date."""

    place: Place
    operator: Comparison
    value: Value


@dataclass(frozen=True)
class Between:
    place: Place
    low: Value
    high: Value


@dataclass(frozen=True)
class Contains:
    """The column's text starts with, ends with or has somewhere the given text, whatever the case."""

    place: Place
    text: str
    where: Literal["start", "end", "anywhere"]


@dataclass(frozen=True)
class InYear:
    place: Place
    year: int


@dataclass(frozen=True)
class IsMissing:
    place: Place
    negated: bool = False


@dataclass(frozen=True)
class ComparedWithMean:
    """Above or below the mean of the column; with `within`, of the rows that share its value (correlated)."""

    place: Place
    operator: Literal[">", "<"]
    within: Place | None = None


@dataclass(frozen=True)
class HasChildren:
    """Rows of the base table that some row, or none, of a table below refers to; conditions are on that row."""

    key: ForeignKey
    child: Table
    conditions: tuple[Condition, ...] = ()
    negated: bool = False
    as_in: bool = False  # `IN (SELECT ...)` instead of `EXISTS`


Condition = Compare | Between | Contains | InYear | IsMissing | ComparedWithMean | HasChildren


@dataclass(frozen=True)
class Measure:
    """An aggregate over rows; without a place, their number."""

    function: Function
    place: Place | None = None
    distinct: bool = False


@dataclass(frozen=True)
class Having:
    measure: Measure
    operator: Comparison
    value: Value


@dataclass(frozen=True)
class Order:
    by: Place | Measure
    direction: Direction


@dataclass(frozen=True)
class BestOfEach:
    """Of the rows that share a value, the one that comes first by an order: a window."""

    within: Place
    order: Order


@dataclass(frozen=True)
class Request:
    """One question. Columns, or measures, or measures a group (`groups` and `measures`) are asked for."""

    base: Table
    columns: tuple[Place, ...] = ()
    measures: tuple[Measure, ...] = ()
    groups: tuple[Place, ...] = ()
    conditions: tuple[Condition, ...] = ()
    connective: Literal["and", "or"] = "and"
    having: Having | None = None
    order: Order | None = None
    limit: int | None = None
    distinct: bool = False
    best: BestOfEach | None = None

    def without_parts(self) -> Iterator[tuple[str, Request]]:
        """The request without one of its parts, with the part's name. Each is meant to change the result."""
        for number, condition in enumerate(self.conditions):
            rest = self.conditions[:number] + self.conditions[number + 1 :]
            yield f"condition {number + 1}", replace(self, conditions=rest)
            if isinstance(condition, HasChildren) and condition.conditions:
                bare = replace(condition, conditions=())
                kept = (*self.conditions[:number], bare, *self.conditions[number + 1 :])
                yield f"condition {number + 1}'s own", replace(self, conditions=kept)
        if self.having:
            yield "having", replace(self, having=None)
        if self.limit:
            yield "limit", replace(self, limit=None)
        if self.distinct:
            yield "distinct", replace(self, distinct=False)
        for number, measure in enumerate(self.measures):
            if measure.distinct:
                plain = replace(measure, distinct=False)
                measures = (*self.measures[:number], plain, *self.measures[number + 1 :])
                yield "distinct", replace(self, measures=measures)

    @property
    def ordered(self) -> bool:
        """Whether the order of the rows belongs to the answer."""
        return self.order is not None and (self.limit is None or self.limit > 1)


@dataclass(frozen=True)
class Combination:
    """Two requests for the same columns whose rows are joined as sets."""

    operation: Literal["union", "intersect", "except"]
    left: Request
    right: Request

    def without_parts(self) -> Iterator[tuple[str, Request]]:
        yield "second half", self.left
        if self.operation == "union":
            yield "first half", self.right

    ordered = False


Asked = Request | Combination
