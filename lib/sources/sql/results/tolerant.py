"""Our own rule: the same bag of rows, in order where it is asked for, under some order of the columns.

Numbers are the same when they differ by no more than a millionth of their size; whole numbers only when they are
equal. NULL is NULL and NaN is NaN; text is compared sign by sign, dates and times by value.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from lib.sources.sql.results.columns import same_under_some_order

# Sums of the same numbers in another order differ by 1e-12 of their size, single precision by 1e-7.
RELATIVE = 1e-6
# Below this, a difference of large numbers is nothing but rounding.
ABSOLUTE = 1e-9
# Numbers that follow each other so closely that a chain of them is longer than this many tolerances are not rounding
# of one number; they are told apart to twelve digits.
LONGEST_CHAIN = 4
DIGITS = 12


def same_result(gold: Sequence[Sequence[Any]], predicted: Sequence[Sequence[Any]], *, ordered: bool) -> bool:
    if len(gold) != len(predicted):
        return False
    names = _names_of_numbers(value for rows in (gold, predicted) for row in rows for value in row)
    first, second = ([tuple(_exact(value, names) for value in row) for row in rows] for rows in (gold, predicted))
    return same_under_some_order(first, second, ordered=ordered)


def _exact(value: Any, names: dict[float, Hashable]) -> Hashable:
    """A stand-in that is equal for values that count as the same, and for no others."""
    if value is None or isinstance(value, (str, bytes)):
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, (float, Decimal)):
        return _name(float(value), names)
    if isinstance(value, (list, tuple)):
        return ("list", *(_exact(item, names) for item in value))
    if isinstance(value, dict):
        return ("struct", *((key, _exact(item, names)) for key, item in value.items()))
    return value


def _name(number: float, names: dict[float, Hashable]) -> Hashable:
    if math.isnan(number):
        return ("number", "nan")
    return names.get(number, number)


def _names_of_numbers(values: Iterable[Any]) -> dict[float, Hashable]:
    """Each fractional number -> what stands for it and all that count as the same.

    Numbers are chained in the order of their size; a whole number in a chain gives it its name, so that 3 and
    3.0000000001 are the same while 1000000 and 1000001 are not.
    """
    numbers = sorted(set(_finite_numbers(values)))
    names: dict[float, Hashable] = {}
    chain: list[float] = []
    for number in [*numbers, math.inf]:
        if chain and not _close(chain[-1], number):
            names |= _names_of_chain(chain)
            chain = []
        chain.append(number)
    return names


def _names_of_chain(chain: list[float]) -> dict[float, Hashable]:
    if len(chain) == 1:
        return {}
    whole = [number for number in chain if number == int(number)]
    tolerance = max(ABSOLUTE, RELATIVE * max(abs(chain[0]), abs(chain[-1])))
    if len(whole) > 1 or chain[-1] - chain[0] > LONGEST_CHAIN * tolerance:
        return {number: float(f"{number:.{DIGITS}g}") for number in chain if number != int(number)}
    name = whole[0] if whole else chain[0]
    return dict.fromkeys(chain, name)


def _close(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _finite_numbers(values: Iterable[Any]) -> Iterable[float]:
    for value in values:
        if isinstance(value, (float, Decimal)) and math.isfinite(value):
            yield float(value)
        elif isinstance(value, int) and abs(value) < 2**53:
            yield float(value)
        elif isinstance(value, (list, tuple)):
            yield from _finite_numbers(value)
        elif isinstance(value, dict):
            yield from _finite_numbers(value.values())
