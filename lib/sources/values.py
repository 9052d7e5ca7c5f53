"""Values of attributes as files give them -> typed values with a unit.

Numbers that measure something get a unit from the attribute's name (``area_km2``, ``population``), so
that nobody is asked for them exactly.
"""

from __future__ import annotations

import math
import re

from lib.sources.raw_graph import RawGraph

# Word of a name -> unit.
UNITS = {
    "population": "people", "latitude": "degrees", "longitude": "degrees", "lat": "degrees", "lon": "degrees",
    "km2": "km²", "km": "km", "m": "m", "ft": "feet", "kg": "kg", "usd": "US dollars", "percent": "%",
    "area": "units of area", "elevation": "units of height", "height": "units of height", "density": "units of density",
}  # fmt: skip
YEAR_WORDS = frozenset({"year", "founded", "born", "died", "inception"})
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")


def looks_numeric(text: str) -> bool:
    """Whether a text is a number; one with leading zeros is an identifier."""
    return bool(NUMBER.fullmatch(text.strip()))


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer above 1.8e308
        return False


def add_value(graph: RawGraph, entity: str, name: str, value: object) -> None:
    """Note an attribute, its kind found from the value and its name; nested values become text."""
    if value is None or value == "" or value == []:
        return
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    if isinstance(value, bool):
        graph.add_attribute(entity, name, value, kind="boolean")
    elif isinstance(value, (int, float)):
        if not _is_finite(value):
            return
        is_year = bool(YEAR_WORDS & set(words)) and float(value).is_integer()
        unit = None if is_year else next((UNITS[word] for word in reversed(words) if word in UNITS), None)
        graph.add_attribute(entity, name, value, kind="year" if is_year else "number", unit=unit)
    elif isinstance(value, (list, tuple)):
        graph.add_attribute(entity, name, ", ".join(map(str, value)), kind="text")
    else:
        graph.add_attribute(entity, name, str(value).strip(), kind="text")
