"""Values of attributes as files give them -> typed values with a unit.

Numbers that measure something get a unit from the attribute's name (``area_km2``, ``population``), so
that nobody is asked for them exactly.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from lib.sources.raw_graph import RawGraph

# Word of a name -> unit.
UNITS = {
    "population": "people", "latitude": "degrees", "longitude": "degrees", "lat": "degrees", "lon": "degrees",
    "km2": "km²", "km": "km", "m": "m", "ft": "feet", "kg": "kg", "usd": "US dollars", "percent": "%",
    "area": "units of area", "elevation": "units of height", "height": "units of height", "density": "units of density",
}  # fmt: skip
YEAR_WORDS = frozenset({"year", "founded", "born", "died", "inception"})
# How tables write that there is no value; an ISO code "NA" is one only among numbers.
NULL_WORDS = frozenset("n/a na n.a. #n/a nan null none nil unknown missing - -- ? \\n".split())
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")


def looks_numeric(text: str) -> bool:
    """Whether a text is a number; one with leading zeros is an identifier."""
    return bool(NUMBER.fullmatch(text.strip()))


def is_missing(value: object) -> bool:
    """None, not-a-number and blank texts."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def is_null_word(text: str) -> bool:
    """Whether a text says that there is no value."""
    return text.strip().casefold() in NULL_WORDS


def find_numeric(cells: Iterable[tuple[str, object]]) -> set[str]:
    """Names of attributes whose texts are all numbers, but for words that say that there is none."""
    with_numbers: set[str] = set()
    with_words: set[str] = set()
    for name, value in cells:
        if isinstance(value, str) and not looks_numeric(value):
            if value.strip() and not is_null_word(value):
                with_words.add(name)
        elif isinstance(value, (str, int, float, Decimal)) and not isinstance(value, bool):
            with_numbers.add(name)
    return with_numbers - with_words


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer above 1.8e308
        return False


def add_value(graph: RawGraph, entity: str, name: str, value: object) -> None:
    """Note an attribute, its kind found from the value and its name.

    Dates count as their year; nested values become text.
    """
    if value is None or value == "" or value == []:
        return
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, bool):
        graph.add_attribute(entity, name, value, kind="boolean")
    elif isinstance(value, (int, float)):
        if not _is_finite(value):
            return
        is_year = bool(YEAR_WORDS & set(words)) and float(value).is_integer()
        unit = None if is_year else next((UNITS[word] for word in reversed(words) if word in UNITS), None)
        graph.add_attribute(entity, name, value, kind="year" if is_year else "number", unit=unit)
    elif isinstance(value, date):
        graph.add_attribute(entity, name, value.year, kind="year")
    elif isinstance(value, (list, tuple)):
        graph.add_attribute(entity, name, ", ".join(map(str, value)), kind="text")
    else:
        graph.add_attribute(entity, name, str(value).strip(), kind="text")
