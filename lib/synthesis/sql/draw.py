"""Draws requests from a database: a shape, a base table, columns along its keys, conditions on values that occur.

In: the database and a source of chance. Out: a request, or None where the database does not have what the shape needs.
Whether its result is worth asking for is found out by running it, see `checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import TypeVar

from lib.sources.sql.schema import Database, ForeignKey, Kind, Table
from lib.synthesis.sql.eligible import (
    functions_of,
    is_asked,
    is_compared,
    is_group,
    is_measure,
    is_number,
    is_sayable,
    is_told,
    places_of,
    turns_back,
)
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
    Having,
    InYear,
    IsMissing,
    Measure,
    Order,
    Path,
    Place,
    Request,
)

MAX_STEPS = 2  # foreign keys from the base table upwards
CORRELATED_ROWS = 2_000  # a query for each row takes the square of their number
YEARS = range(1000, 2200)

Item = TypeVar("Item")


class Drawer:
    """Draws from one database; equal seeds give equal requests."""

    def __init__(self, database: Database, random: Random):
        self._database, self._random = database, random
        self._bases = [
            table
            for table in database.tables
            if not table.is_view and not table.distractor and (table.rows or 0) > 1 and is_told(table, database)
        ]
        self._places = {table.name: list(self._reachable(table)) for table in self._bases}
        self._compared = {
            name: [place for place in places if is_compared(place)] for name, places in self._places.items()
        }

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask about."""
        return not self._bases

    def draw(self, shape: str) -> Asked | None:
        """A request of the shape, one of SHAPES. Its parts may turn out to be idle."""
        base = self._random.choices(self._bases, weights=[1 + len(self._places[t.name]) ** 0.5 for t in self._bases])[0]
        return SHAPES[shape](self, base)

    # Shapes

    def columns(self, base: Table) -> Asked | None:
        asked = self._asked(base, self._random.choice((1, 1, 2, 3)))
        conditions = self._conditions(base, self._random.choice((0, 1, 1, 1, 2)), asked)
        order = self._order(base) if self._random.random() < 0.3 else None
        distinct = order is None and self._random.random() < 0.2
        if not asked or not (conditions or order or distinct):
            return None
        return Request(base, asked, conditions=conditions, order=order, distinct=distinct)

    def either(self, base: Table) -> Asked | None:
        asked = self._asked(base, self._random.choice((1, 1, 2)))
        conditions = self._conditions(base, 2, asked)
        if not asked or len(conditions) < 2:
            return None
        return Request(base, asked, conditions=conditions, connective="or")

    def count(self, base: Table) -> Asked | None:
        conditions = self._conditions(base, self._random.choice((1, 1, 2)), ())
        return Request(base, measures=(Measure("count"),), conditions=conditions) if conditions else None

    def measures(self, base: Table) -> Asked | None:
        found = self._measures(base, self._random.choice((1, 1, 2)))
        conditions = self._conditions(base, self._random.choice((0, 1, 1)), [measure.place for measure in found])
        return Request(base, measures=found, conditions=conditions) if found else None

    def groups(self, base: Table) -> Asked | None:
        if not (group := self._group(base)):
            return None
        measures = (Measure("count"),) if self._random.random() < 0.6 else self._measures(base, 1, group)
        conditions = self._conditions(base, self._random.choice((0, 0, 1)), (group,))
        order = (
            Order(self._pick(measures), self._pick(("asc", "desc")))
            if measures and self._random.random() < 0.2
            else None
        )
        return (
            Request(base, measures=measures, groups=(group,), conditions=conditions, order=order) if measures else None
        )

    def having(self, base: Table) -> Asked | None:
        if not (group := self._group(base)):
            return None
        rows, distinct = base.rows or 0, group.column.distinct or 1
        usual = max(1, round(rows / distinct))
        having = Having(Measure("count"), self._pick((">", ">=", "<", "=")), self._pick((1, 2, 3, 5, usual, 2 * usual)))
        if having.operator == "<" and having.value == 1:
            return None
        measures = (Measure("count"),) if self._random.random() < 0.4 else ()
        if self._random.random() < 0.3 and (found := self._measures(base, 1, group)):
            measures = found
        conditions = self._conditions(base, self._random.choice((0, 0, 1)), (group,))
        return Request(base, measures=measures, groups=(group,), conditions=conditions, having=having)

    def top_groups(self, base: Table) -> Asked | None:
        if not (group := self._group(base)):
            return None
        by = Measure("count") if self._random.random() < 0.7 else next(iter(self._measures(base, 1, group)), None)
        if by is None:
            return None
        conditions = self._conditions(base, self._random.choice((0, 0, 1)), (group,))
        order, limit = Order(by, self._pick(("desc", "desc", "asc"))), self._pick((1, 1, 1, 2, 3, 5))
        return Request(base, groups=(group,), conditions=conditions, order=order, limit=limit)

    def top(self, base: Table) -> Asked | None:
        order, asked = self._extreme(base), self._asked(base, self._random.choice((1, 1, 2)))
        if not order or not asked or order.by in asked:
            return None
        conditions = self._conditions(base, self._random.choice((0, 0, 1)), (*asked, order.by))
        return Request(base, asked, conditions=conditions, order=order, limit=self._pick((1, 1, 1, 3, 5)))

    def mean(self, base: Table) -> Asked | None:
        return self._against_mean(base, within=False)

    def mean_of_group(self, base: Table) -> Asked | None:
        return self._against_mean(base, within=True)

    def children(self, base: Table) -> Asked | None:
        keys = [key for key in self._database.keys_to(base.name) if self._can_be_child(key, base)]
        if not keys:
            return None
        key = self._pick(keys)
        child = self._database.table(key.table)
        own = self._conditions(child, self._random.choice((0, 0, 1)), ()) if child.name in self._places else ()
        has = HasChildren(key, child, own, negated=self._random.random() < 0.5, as_in=self._random.random() < 0.5)
        if self._random.random() < 0.3:
            return Request(base, measures=(Measure("count"),), conditions=(has,))
        asked = self._asked(base, self._random.choice((1, 1, 2)), steps=0)
        return Request(base, asked, conditions=(has,)) if asked else None

    def combination(self, base: Table) -> Asked | None:
        asked = self._asked(base, 1)
        if not asked:
            return None
        halves = [self._conditions(base, 1, asked) for _ in range(2)]
        if not all(halves) or halves[0] == halves[1]:
            return None
        left, right = (Request(base, asked, conditions=conditions) for conditions in halves)
        return Combination(self._pick(("union", "intersect", "except")), left, right)

    def best_of_each(self, base: Table) -> Asked | None:
        group, order, asked = self._group(base), self._extreme(base), self._asked(base, 1)
        if not (group and order and asked) or order.by in asked or group in (*asked, order.by):
            return None
        conditions = self._conditions(base, self._random.choice((0, 0, 0, 1)), (group, order.by))
        return Request(base, (group, *asked), conditions=conditions, best=BestOfEach(group, order))

    # Parts

    def _against_mean(self, base: Table, *, within: bool) -> Asked | None:
        numbers = [place for place in self._own(base) if is_number(place.column)]
        asked = self._asked(base, self._random.choice((1, 1, 2)))
        if not numbers or not asked:
            return None
        place = self._pick(numbers)
        groups = [
            item
            for item in self._own(base, keys=True)
            if is_group(item, base) and item != place and item.column.kind != Kind.BOOLEAN  # "with the same restricted"
        ]
        if within and (not groups or (base.rows or 0) > CORRELATED_ROWS):
            return None
        mean = ComparedWithMean(place, self._pick((">", "<")), self._pick(groups) if within else None)
        more = self._conditions(base, self._random.choice((0, 0, 1)), (*asked, place))
        if self._random.random() < 0.25:
            return Request(base, measures=(Measure("count"),), conditions=(mean, *more))
        return Request(base, asked, conditions=(mean, *more))

    def _asked(self, base: Table, count: int, steps: int = MAX_STEPS) -> tuple[Place, ...]:
        """Columns to give, those of the base table before others."""
        places = [
            place for place in self._places[base.name] if len(place.path.keys) <= steps and is_asked(place.column)
        ]
        return tuple(self._choose(places, count))

    def _measures(self, base: Table, count: int, group: Place | None = None) -> tuple[Measure, ...]:
        """Over the base table's own columns: those above are repeated for each row."""
        places = self._choose([place for place in self._own(base) if is_measure(place.column)], 1)
        found = [
            Measure(function, place)
            for place in places
            for function in self._random.sample(functions_of(place.column), count)
        ]
        texts = [
            place
            for place in self._own(base)
            if place.column.kind == Kind.TEXT and is_group(place, base) and place != group
        ]
        if texts and self._random.random() < 0.2:
            found = [Measure("count", self._pick(texts), distinct=True), *found][:count]
        return tuple(found)

    def _group(self, base: Table) -> Place | None:
        return next(iter(self._choose([p for p in self._places[base.name] if is_group(p, base)], 1)), None)

    def _extreme(self, base: Table) -> Order | None:
        places = [place for place in self._own(base) if is_measure(place.column) and not place.column.nulls]
        return Order(self._pick(places), self._pick(("asc", "desc", "desc"))) if places else None

    def _order(self, base: Table) -> Order | None:
        places = [place for place in self._own(base) if is_asked(place.column) and not place.column.nulls]
        return Order(self._pick(places), self._pick(("asc", "desc"))) if places else None

    def _conditions(self, base: Table, count: int, but: Iterable[Place | Measure | None]) -> tuple[Condition, ...]:
        """At most so many, on different columns; those in ``but`` are asked for, and not compared."""
        excluded = [place for place in but if isinstance(place, Place)]
        places = [place for place in self._compared[base.name] if place not in excluded]
        drawn = [self._condition(place) for place in self._choose(places, count)]
        return tuple(condition for condition in drawn if condition)

    def _condition(self, place: Place) -> Condition | None:
        column = place.column
        if column.nulls and self._random.random() < 0.08:
            return IsMissing(place, negated=self._random.random() < 0.5)
        if column.kind.is_temporal:
            return self._dated(place)
        values = [value for value in column.samples if value is not None and value != ""]
        if not values:
            return None
        if column.kind.is_numeric and (column.distinct or 0) > 8:
            return self._numeric(place, sorted(values))
        if column.kind == Kind.TEXT and self._random.random() < 0.2 and (part := self._part_of(self._pick(values))):
            return part(place)
        value = self._pick(values)
        if isinstance(value, str) and not is_sayable(value):
            return None
        return Compare(place, "=" if self._random.random() < 0.85 else "!=", value)

    def _numeric(self, place: Place, values: list) -> Condition:
        inner = values[len(values) // 6 : -(len(values) // 6) or None] or values
        if self._random.random() < 0.2 and len(inner) > 2:
            low, high = sorted(self._random.sample(inner, 2))
            if low < high:
                return Between(place, low, high)
        return Compare(place, self._pick((">", ">=", "<", "<=")), self._pick(inner))

    def _dated(self, place: Place) -> Condition | None:
        value = self._pick([str(value) for value in place.column.samples])
        if not value[:4].isdigit() or int(value[:4]) not in YEARS:
            return None
        if self._random.random() < 0.5:
            return InYear(place, int(value[:4]))
        # A comparison of texts with a date alone would be wrong for times of that day.
        return Compare(place, self._pick((">=", "<")), value[:10])

    def _part_of(self, value: object) -> Callable[[Place], Contains] | None:
        words = [word for word in str(value).split() if word.isalpha() and len(word) > 2]
        if not words:
            return None
        where = self._pick(("start", "end", "anywhere"))
        text = {"start": words[0][:3], "end": words[-1][-3:], "anywhere": self._pick(words)}[where]
        if not str(value).lower().startswith(text.lower()) and where == "start":
            return None
        return lambda place: Contains(place, text, where)

    def _own(self, base: Table, *, keys: bool = False) -> list[Place]:
        if keys:
            return [Place(Path(), base, column) for column in base.columns]
        return [place for place in self._places[base.name] if not place.path.keys]

    def _reachable(self, base: Table) -> Iterable[Place]:
        """Columns that can be talked about: of the table and of those above it, keys left out."""
        yield from places_of(base, Path(), self._database)
        paths = [(Path(), base)]
        for _ in range(MAX_STEPS):
            paths = [
                (Path((*path.keys, key)), self._database.table(key.referred_table))
                for path, table in paths
                for key in self._database.keys_from(table.name)
                if self._database.find(key.referred_table) and not turns_back(path, key, base)
            ]
            for path, table in paths:
                yield from places_of(table, path, self._database)

    def _can_be_child(self, key: ForeignKey, base: Table) -> bool:
        child = self._database.find(key.table)
        return child is not None and (child.rows or 0) > 0 and child.name != base.name

    def _choose(self, places: list[Place], count: int) -> list[Place]:
        """Without repetition, the nearer the likelier."""
        left, chosen = list(places), []
        while left and len(chosen) < count:
            place = self._random.choices(left, weights=[0.5 ** len(item.path.keys) for item in left])[0]
            left.remove(place)
            chosen.append(place)
        return chosen

    def _pick(self, items: Iterable[Item]) -> Item:
        return self._random.choice(tuple(items))


# The constructs that a question can be about, by name.
SHAPES: dict[str, Callable[[Drawer, Table], Asked | None]] = {
    "columns": Drawer.columns,
    "either": Drawer.either,
    "count": Drawer.count,
    "measures": Drawer.measures,
    "groups": Drawer.groups,
    "having": Drawer.having,
    "top": Drawer.top,
    "top_groups": Drawer.top_groups,
    "mean": Drawer.mean,
    "mean_of_group": Drawer.mean_of_group,
    "children": Drawer.children,
    "combination": Drawer.combination,
    "best_of_each": Drawer.best_of_each,
}
