"""Requests as sentences, from patterns of which chance takes one.

In: a request and a source of chance. Out: one or two sentences that say every part of the request, so that the query
can be found from them; values stand in quotes where they are texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from lib.sources.sql.schema import Table
from lib.synthesis.sql.naming import (
    above_noun,
    column_noun,
    is_mark,
    is_plural,
    mark,
    place_noun,
    plural,
    possessive,
    role,
    table_noun,
)
from lib.synthesis.sql.request import (
    Asked,
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
    Place,
    Request,
    Value,
)

TEMPORAL = ("date", "timestamp")
COMPARED = {
    "=": ("is", "equals"),
    "!=": ("is not", "is other than"),
    ">": ("is greater than", "is more than", "exceeds"),
    ">=": ("is at least", "is no less than"),
    "<": ("is less than", "is below"),
    "<=": ("is at most", "is no more than"),
}
DATED = {"=": "is", "!=": "is not", ">": "is after", ">=": "is on or after", "<": "is before", "<=": "is on or before"}
PLURAL_VERBS = {
    "is": "are",
    "equals": "equal",
    "exceeds": "exceed",
    "starts": "start",
    "ends": "end",
    "contains": "contain",
    "falls": "fall",
}
COUNTED = {
    "=": "exactly {}",
    "!=": "any number but {} of",
    ">": "more than {}",
    ">=": "at least {}",
    "<": "fewer than {}",
    "<=": "at most {}",
}
FUNCTIONS = {
    "sum": ("total", "sum of the"),
    "avg": ("average", "mean"),
    "min": ("lowest", "smallest", "minimum"),
    "max": ("highest", "largest", "maximum"),
}
EXTREMES = {"desc": ("highest", "largest"), "asc": ("lowest", "smallest")}
EXTREME_DATES = {"desc": "latest", "asc": "earliest"}
WHERE = {"start": "starts with", "end": "ends with", "anywhere": "contains"}
NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}


def tell(asked: Asked, random: Random) -> str:
    """The question."""
    text = _combined(asked, random) if isinstance(asked, Combination) else _Teller(random).tell(asked)
    return text[0].upper() + text[1:]


def _combined(asked: Combination, random: Random) -> str:
    teller, left, right = _Teller(random), asked.left, asked.right
    columns = _list([plural(place_noun(place)) for place in left.columns])
    first, second = teller.rows(left), teller.rows(right)
    patterns = {
        "union": (
            f"list the different {columns} of {first}, together with those of {second}.",
            f"which {columns} are found among {first} or among {second}? Give each once.",
        ),
        "intersect": (
            f"which {columns} are found both among {first} and among {second}?",
            f"list the {columns} that {first} share with {second}.",
        ),
        "except": (
            f"which {columns} are found among {first}, but not among {second}?",
            f"list the different {columns} of {first}, leaving out those of {second}.",
        ),
    }
    return random.choice(patterns[asked.operation])


class _Teller:
    """Sentences of one question."""

    def __init__(self, random: Random):
        self._random = random

    def tell(self, request: Request) -> str:
        if request.best:
            return self._best_of_each(request)
        if request.groups:
            return self._groups(request)
        if request.measures:
            return self._measures(request)
        if request.order and request.limit:
            return self._top(request)
        return self._columns(request)

    def rows(self, request: Request) -> str:
        """`airports whose elevation is at least 100`."""
        return f"{plural(table_noun(request.base))}{self._conditions(request)}"

    def _columns(self, request: Request) -> str:
        names = _list([column_list(place, request.base) for place in request.columns])
        rows = self.rows(request)
        different = self._pick("different ", "distinct ") if request.distinct else ""
        order = f", {self._sorted(request.order)}" if request.order else ""
        if not request.distinct and len(request.columns) == 1 and self._random.random() < 0.3:
            return f"{self._pick('for', 'of')} all {rows}, give the {names}{order}."
        if order or self._random.random() < 0.6:
            verb = self._pick("list", "show", "give", "return", "find")
            return f"{verb} the {different}{names} of {self._pick('all ', 'the ', '')}{rows}{order}."
        return f"what are the {different}{names} of {self._pick('the ', 'all ')}{rows}?"

    def _measures(self, request: Request) -> str:
        rows, (first, *others) = self.rows(request), request.measures
        if not others and first.place is None:
            return self._pick(
                f"how many {plural(table_noun(request.base))} are there{self._conditions(request)}?",
                f"count the {rows}.",
                f"what is the number of {rows}?",
            )
        if not others and first.function == "count":
            noun = plural(place_noun(first.place))
            return self._pick(
                f"how many different {noun} do the {rows} have?",
                f"count the distinct {noun} of the {rows}.",
            )
        asked = _list([self._measure(measure, request) for measure in request.measures])
        are = "are" if others else "is"
        return self._pick(
            f"what {are} {asked} of the {rows}?" if first.place else f"of the {rows}, what are {asked}?",
            f"for all {rows}, give {asked}.",
        )

    def _groups(self, request: Request) -> str:
        groups = _list([place_noun(place) for place in request.groups])
        rows, order = self.rows(request), request.order
        kept = f" {self._having(request.having, request)}" if request.having else ""
        if order and request.limit and not request.measures:
            several = plural(groups) if request.limit > 1 else groups
            number = f"{_number(request.limit)} " if request.limit > 1 else ""
            have = "have" if request.limit > 1 else "has"
            among = f" among {rows}" if request.conditions else ""
            if isinstance(order.by, Measure) and order.by.place is None:
                most = "most" if order.direction == "desc" else "fewest"
                return f"which {number}{several} {have} the {most} {rows}?{kept}"
            return f"which {number}{several} {have} the {self._extreme(order, request)}{among}?{kept}"
        sorting = f" {self._pick('Sort', 'Order')} them by {self._ordered_by(order, request)}." if order else ""
        if order and request.limit:
            sorting = f"{sorting[:-1]}, and give the first {_number(request.limit)} only."
        if not request.measures:
            verb = self._pick("list", "give", "show")
            return f"{verb} each {groups} of the {rows}.{kept}{sorting}"
        measures = _list([self._measure(measure, request) for measure in request.measures])
        if len(request.measures) == 1 and request.measures[0].place is None:
            asked = self._pick(f"how many {rows} are there?", f"give the number of {rows}.")
            return f"for each {groups}, {asked}{kept}{sorting}"
        return f"for each {groups} of the {rows}, {self._pick('give', 'find')} {measures}.{kept}{sorting}"

    def _top(self, request: Request) -> str:
        names = _list([column_list(place, request.base, plural_form=request.limit > 1) for place in request.columns])
        noun = table_noun(request.base)
        conditions, order = self._conditions(request), self._extreme(request.order, request)
        if request.limit == 1:
            among = f" among those{conditions}" if conditions else ""
            return self._pick(
                f"what is the {names} of the {noun} with the {order}{among}?",
                f"give the {names} of the {noun} that has the {order}{among}.",
            )
        number, among = _number(request.limit), f" among those{conditions}" if conditions else ""
        return self._pick(
            f"list the {names} of the {number} {plural(noun)} with the {order}{among}, in that order.",
            f"which are the {number} {plural(noun)} with the {order}{among}? Give their {names}, in that order.",
        )

    def _best_of_each(self, request: Request) -> str:
        names = _list([column_list(place, request.base, plural_form=False) for place in request.columns])
        noun, group = table_noun(request.base), place_noun(request.best.within)
        order = self._extreme(request.best.order, request)
        among = f", among those{conditions}" if (conditions := self._conditions(request)) else ""
        return self._pick(
            f"for each {group}, give the {names} of the {noun} with the {order}{among}. Where several tie, give all.",
            f"among the {plural(noun)} with the same {group}, which has the {order}{among}? "
            f"Give the {names} for every {group}, ties too.",
        )

    def _measure(self, measure: Measure, request: Request) -> str:
        if measure.place is None:
            return f"the number of {plural(table_noun(request.base))}"
        noun = place_noun(measure.place)
        if measure.function == "count":
            return f"the number of different {plural(noun)}"
        if measure.place.column.kind in TEMPORAL:
            return f"the {'earliest' if measure.function == 'min' else 'latest'} {noun}"
        return f"the {self._random.choice(FUNCTIONS[measure.function])} {noun}"

    def _having(self, having: Having, request: Request) -> str:
        value = _value(having.value)
        if having.measure.place is None:
            noun = table_noun(request.base) if having.value == 1 else plural(table_noun(request.base))
            return f"Consider only those with {COUNTED[having.operator].format(value)} {noun}."
        compared = self._random.choice(COMPARED[having.operator])
        return f"Consider only those where {self._measure(having.measure, request)} {compared} {value}."

    def _extreme(self, order: Order, request: Request) -> str:
        if isinstance(order.by, Measure):
            if order.by.place is None:
                return f"{self._random.choice(EXTREMES[order.direction])} number of {plural(table_noun(request.base))}"
            return f"{self._random.choice(EXTREMES[order.direction])} {self._measure(order.by, request)[4:]}"
        if order.by.column.kind in TEMPORAL:
            return f"{EXTREME_DATES[order.direction]} {place_noun(order.by)}"
        return f"{self._random.choice(EXTREMES[order.direction])} {place_noun(order.by)}"

    def _sorted(self, order: Order) -> str:
        return f"{self._pick('sorted', 'ordered')} by {self._ordered_by(order, None)}"

    def _ordered_by(self, order: Order, request: Request | None) -> str:
        if isinstance(order.by, Measure):
            noun, kind = self._measure(order.by, request)[4:], "number"
        else:
            noun, kind = place_noun(order.by), order.by.column.kind
        if kind == "text":
            return f"{noun} {'alphabetically' if order.direction == 'asc' else 'in reverse alphabetical order'}"
        if kind in TEMPORAL:
            return f"{noun}, {'earliest' if order.direction == 'asc' else 'latest'} first"
        return f"{noun}, {'lowest' if order.direction == 'asc' else 'highest'} first"

    def _conditions(self, request: Request) -> str:
        told = [self._condition(condition, request.base) for condition in request.conditions]
        return f" {f' {request.connective} '.join(told)}" if told else ""

    def _condition(self, condition: Condition, base: Table) -> str:
        if isinstance(condition, HasChildren):
            return self._has_children(condition)
        if isinstance(condition, Compare) and condition.operator in ("=", "!=") and is_mark(condition.place.column):
            return _truth(condition)
        said = self._said_of(condition)
        if is_plural(column_noun(condition.place.column, condition.place.table)):  # "days are", "points exceed"
            verb, _, rest = said.partition(" ")
            said = f"{PLURAL_VERBS.get(verb, verb)} {rest}"
        return f"whose {possessive(condition.place)} {said}"

    def _said_of(self, condition: Condition) -> str:
        """What is said of the column, from the verb on."""
        if isinstance(condition, Compare):
            if condition.place.column.kind in TEMPORAL:
                return f"{DATED[condition.operator]} {condition.value}"
            return f"{self._random.choice(COMPARED[condition.operator])} {_value(condition.value)}"
        if isinstance(condition, Between):
            return f"is between {_value(condition.low)} and {_value(condition.high)}"
        if isinstance(condition, Contains):
            return f"{WHERE[condition.where]} {_value(condition.text)}"
        if isinstance(condition, InYear):
            return f"{self._pick('is in', 'falls in')} {condition.year}"
        if isinstance(condition, IsMissing):
            return f"is {'known' if condition.negated else 'missing'}"
        return self._compared_with_mean(condition)

    def _compared_with_mean(self, condition: ComparedWithMean) -> str:
        side = "above" if condition.operator == ">" else "below"
        rows = plural(table_noun(condition.place.table))
        if condition.within is None:
            return f"is {side} the average of all {rows}"
        same = column_noun(condition.within.column, condition.within.table)
        return f"is {side} the average of all {rows} with the same {same}"

    def _has_children(self, condition: HasChildren) -> str:
        some = "no" if condition.negated else "at least one"
        own = self._conditions(Request(condition.child, conditions=condition.conditions))
        noun, as_what = table_noun(condition.child), role(condition.key)
        of_key = "" if as_what == above_noun(condition.key) else f" as the {as_what}"
        return f"that {some} {noun}{own} {self._pick('refers to', 'belongs to')}{of_key}"

    def _pick(self, *choices: str) -> str:
        return self._random.choice(choices)


def column_list(place: Place, base: Table, *, plural_form: bool = True) -> str:
    """A column of many rows: plural where the noun comes first."""
    noun = place_noun(place)
    if not plural_form:
        return noun
    head, of, rest = noun.partition(" of the ")
    return f"{plural(head)}{of}{rest}"


def _truth(condition: Compare) -> str:
    """`marked as restricted`, `with a projector`, `whose patient is marked as insured`; of one row or several alike."""
    said = mark(condition.place.column, holds=condition.value == (condition.operator == "="))
    if condition.place.path.keys:
        above = "'s ".join(role(key) for key in condition.place.path.keys)
        return f"whose {above} {said}"
    verb, _, rest = said.partition(" ")
    return rest if verb == "is" else f"with {rest}"


def _list(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _number(number: int) -> str:
    return NUMBERS.get(number, str(number))


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    short = f"{value:g}"  # 12.0 as 12; a number that is no longer the same stays as it is
    return short if abs(value) < 1e6 and float(short) == value else str(value)
