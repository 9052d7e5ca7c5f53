"""Requests as queries, in trees of sqlglot that it writes in any dialect.

Tables keep their names where a query names each once, and get the aliases T1, T2, ... where it joins. Text is compared
as it is stored; a search in text ignores case. Dates are compared as ISO texts in SQLite, which has no type for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from sqlglot import exp
from sqlglot.tokens import Tokenizer

from lib.sources.sql.schema import ForeignKey, Table
from lib.synthesis.sql.request import (
    Asked,
    BestOfEach,
    Between,
    Combination,
    Compare,
    ComparedWithMean,
    Condition,
    Contains,
    HasChildren,
    InYear,
    IsMissing,
    Measure,
    Order,
    Path,
    Place,
    Request,
    Value,
)

COMPARISONS = {"=": exp.EQ, "!=": exp.NEQ, ">": exp.GT, ">=": exp.GTE, "<": exp.LT, "<=": exp.LTE}
FUNCTIONS = {"count": exp.Count, "sum": exp.Sum, "avg": exp.Avg, "min": exp.Min, "max": exp.Max}
SET_OPERATIONS = {"union": exp.Union, "intersect": exp.Intersect, "except": exp.Except}
RANKED, RANK = "ranked", "place"
PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z", re.IGNORECASE)
PATTERNS = {"start": "{}%", "end": "%{}", "anywhere": "%{}%"}


def write_sql(asked: Asked, dialect: str) -> str:
    """The query in one line."""
    return to_sql(asked).sql(dialect=dialect)


def to_sql(asked: Asked) -> exp.Query:
    if isinstance(asked, Combination):
        left, right = to_sql(asked.left), to_sql(asked.right)
        return SET_OPERATIONS[asked.operation](this=left, expression=right, distinct=True)
    return _Query(asked, _Names()).tree()


@dataclass
class _Names:
    """Aliases T1, T2, ... over a whole query, those inside it included."""

    used: int = 0

    def next(self) -> str:
        self.used += 1
        return f"T{self.used}"


@dataclass
class _Query:
    """The query of one request while it is built."""

    request: Request
    names: _Names
    aliases: dict[Path, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        paths = dict.fromkeys(prefix for place in self._places() for prefix in place.path.prefixes())
        self._joined = sorted(paths, key=lambda path: len(path.keys))
        # A query inside another may name the same table, so that every column of both has to say whose it is.
        if self._joined or any(isinstance(item, HasChildren | ComparedWithMean) for item in self.request.conditions):
            for path in (Path(), *self._joined):
                self.aliases[path] = self.names.next()

    def tree(self) -> exp.Select:
        request = self.request
        # Every part is made for this query alone, so that no builder need copy what it is given.
        select = exp.select(*self._selected(), copy=False).from_(self._table(request.base, Path()), copy=False)
        for path in self._joined:
            select = self._join(select, path)
        if where := self._where():
            select = select.where(where, copy=False)
        if request.groups:
            select = select.group_by(*[self.column(place) for place in request.groups], copy=False)
        if request.having:
            found = request.having
            select = select.having(
                COMPARISONS[found.operator](this=self._measure(found.measure), expression=literal(found.value)),
                copy=False,
            )
        if request.distinct:
            select = select.distinct(copy=False)
        if request.best:
            return self._best_of_each(select, request.best)
        if request.order:
            select = select.order_by(self._ordered(request.order), copy=False)
        return select.limit(request.limit, copy=False) if request.limit else select

    def column(self, place: Place) -> exp.Column:
        alias = self.aliases.get(place.path)
        return exp.column(
            identifier(place.column.name), table=exp.Identifier(this=alias, quoted=False) if alias else None
        )

    def _places(self) -> list[Place]:
        """Every column that is named, so that its table is joined."""
        request = self.request
        found: list[Place | None] = [*request.columns, *request.groups]
        found += [measure.place for measure in request.measures]
        for condition in request.conditions:
            found.append(getattr(condition, "place", None))
            found.append(getattr(condition, "within", None))
        found.append(request.having.measure.place if request.having else None)
        orders = [request.order, request.best.order if request.best else None]
        for order in filter(None, orders):
            found.append(order.by.place if isinstance(order.by, Measure) else order.by)
        found.append(request.best.within if request.best else None)
        return [place for place in found if place is not None]

    def _selected(self) -> list[exp.Expression]:
        asked = [self.column(place) for place in (*self.request.groups, *self.request.columns)]
        return asked + [self._measure(measure) for measure in self.request.measures]

    def _table(self, table: Table, path: Path) -> exp.Expression:
        found = exp.Table(this=identifier(table.name))
        alias = self.aliases.get(path)
        return exp.alias_(found, alias, table=True, copy=False) if alias else found

    def _join(self, select: exp.Select, path: Path) -> exp.Select:
        key, before = path.keys[-1], Path(path.keys[:-1])
        on = equal_keys(key, below=self.aliases[before], above=self.aliases[path])
        table = exp.alias_(exp.Table(this=identifier(key.referred_table)), self.aliases[path], table=True, copy=False)
        return select.join(table, on=on, copy=False)

    def _measure(self, measure: Measure) -> exp.Expression:
        if measure.place is None:
            return exp.Count(this=exp.Star())
        column: exp.Expression = self.column(measure.place)
        if measure.distinct:
            column = exp.Distinct(expressions=[column])
        return FUNCTIONS[measure.function](this=column)

    def _ordered(self, order: Order) -> exp.Ordered:
        by = self._measure(order.by) if isinstance(order.by, Measure) else self.column(order.by)
        # Without NULLS FIRST or LAST, since the places that are ordered by hold no NULL.
        return exp.Ordered(this=by, desc=order.direction == "desc", nulls_first=order.direction == "asc")

    def _where(self) -> exp.Expression | None:
        found = [self._condition(condition) for condition in self.request.conditions]
        if not found:
            return None
        connect = exp.or_ if self.request.connective == "or" else exp.and_
        return connect(*found, wrap=False, copy=False)

    def _condition(self, condition: Condition) -> exp.Expression:
        if isinstance(condition, HasChildren):
            return self._has_children(condition)
        column = self.column(condition.place)
        if isinstance(condition, Compare):
            return COMPARISONS[condition.operator](this=column, expression=literal(condition.value))
        if isinstance(condition, Between):
            return exp.Between(this=column, low=literal(condition.low), high=literal(condition.high))
        if isinstance(condition, Contains):
            pattern = PATTERNS[condition.where].format(condition.text)
            return exp.Like(this=exp.Lower(this=column), expression=literal(pattern.lower()))
        if isinstance(condition, InYear):
            first, after = f"{condition.year:04}-01-01", f"{condition.year + 1:04}-01-01"
            return exp.and_(
                exp.GTE(this=column, expression=literal(first)),
                exp.LT(this=column.copy(), expression=literal(after)),
                copy=False,
            )
        if isinstance(condition, IsMissing):
            missing = exp.Is(this=column, expression=exp.null())
            return exp.Not(this=missing) if condition.negated else missing
        return self._compared_with_mean(condition, column)

    def _compared_with_mean(self, condition: ComparedWithMean, column: exp.Column) -> exp.Expression:
        """The mean over the table in which the column stands."""
        inner = self.names.next()
        mean = exp.Avg(this=exp.column(identifier(condition.place.column.name), table=inner))
        table = exp.alias_(exp.Table(this=identifier(condition.place.table.name)), inner, table=True, copy=False)
        query = exp.select(mean, copy=False).from_(table, copy=False)
        if condition.within:
            same = exp.column(identifier(condition.within.column.name), table=inner)
            query = query.where(exp.EQ(this=same, expression=self.column(condition.within)), copy=False)
        kind = exp.GT if condition.operator == ">" else exp.LT
        return kind(this=column, expression=query.subquery(copy=False))

    def _has_children(self, condition: HasChildren) -> exp.Expression:
        inner = _Query(Request(condition.child, conditions=condition.conditions), self.names)
        if not inner.aliases:
            inner.aliases[Path()] = self.names.next()
        below, above = inner.aliases[Path()], self.aliases[Path()]
        query = exp.select().from_(inner._table(condition.child, Path()), copy=False)
        for path in inner._joined:
            query = inner._join(query, path)
        if where := inner._where():
            query = query.where(where, copy=False)
        if condition.as_in and len(condition.key.columns) == 1:
            child = exp.column(identifier(condition.key.columns[0]), table=below)
            own = exp.column(identifier(condition.key.referred_columns[0]), table=above)
            if condition.negated:  # one NULL among the values would make NOT IN empty
                query = query.where(exp.Not(this=exp.Is(this=child.copy(), expression=exp.null())), copy=False)
            found: exp.Expression = exp.In(this=own, query=query.select(child, copy=False).subquery(copy=False))
        else:
            on = equal_keys(condition.key, below=below, above=above)
            found = exp.Exists(this=query.select(exp.Literal.number(1), copy=False).where(on, copy=False))
        return exp.Not(this=found) if condition.negated else found

    def _best_of_each(self, select: exp.Select, best: BestOfEach) -> exp.Select:
        """Rank in a query inside, and take the first: ties are all taken, so that no row depends on chance."""
        rank = exp.Window(
            this=exp.Anonymous(this="RANK"),
            partition_by=[self.column(best.within)],
            order=exp.Order(expressions=[self._ordered(best.order)]),
        )
        names = [f"column_{number}" for number in range(1, len(self.request.columns) + 1)]
        asked = [exp.alias_(item, name) for item, name in zip(self._selected(), names, strict=True)]
        inner = select.select(*asked, exp.alias_(rank, RANK), append=False)
        outer = exp.select(*names).from_(inner.subquery(RANKED))
        return outer.where(exp.EQ(this=exp.column(RANK), expression=exp.Literal.number(1)))


def equal_keys(key: ForeignKey, *, below: str, above: str) -> exp.Expression:
    """The condition under which a row below refers to a row above."""
    pairs = zip(key.columns, key.referred_columns, strict=True)
    return exp.and_(
        *[
            exp.EQ(
                this=exp.column(identifier(own), table=below), expression=exp.column(identifier(referred), table=above)
            )
            for own, referred in pairs
        ],
        copy=False,
    )


def literal(value: Value) -> exp.Expression:
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    return exp.Literal.string(value) if isinstance(value, str) else exp.Literal.number(value)


def identifier(name: str) -> exp.Identifier:
    """Bare where any database takes it so, as people write it; else in quotes."""
    return exp.Identifier(this=name, quoted=not _is_plain(name))


@cache
def _is_plain(name: str) -> bool:
    return PLAIN.match(name) is not None and name.upper() not in Tokenizer.KEYWORDS
