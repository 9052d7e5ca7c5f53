"""Other names of values: those that the database describes, and those of countries, currencies and languages.

BIRD describes values as `F: female` or `0 = no`; names of the world come from pycountry.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pycountry

from lib.sources.sql.schema import Database

_DESCRIBED = re.compile(r"""(?:^|[\n;,])\s*['"]?([^\s'":=;,][^'":=;,\n]*?)['"]?\s*(?::|=|\s-\s)\s*['"]?([^'";,\n]+)""")
_MOST_WORDS = 4  # of a meaning that can stand in for a value; longer ones explain it


def synonyms_of(database: Database) -> Mapping[str, tuple[str, ...]]:
    """By text value; values without another name are not in it."""
    found = {value: set(names) for value, names in names_of_the_world().items()}
    for table in database.tables:
        for column in table.columns:
            for value, meaning in _DESCRIBED.findall(column.value_description):
                if len(meaning.split()) <= _MOST_WORDS:
                    found.setdefault(value.strip(), set()).add(meaning.strip().rstrip("."))
    return {value: tuple(sorted(names - {value})) for value, names in found.items() if names - {value}}


@functools.cache
def names_of_the_world() -> Mapping[str, frozenset[str]]:
    """A name that several things share stands for none of them."""
    things: list[set[str]] = []
    for country in pycountry.countries:
        names = (getattr(country, key, None) for key in ("name", "common_name", "official_name", "alpha_3"))
        things.append(_named(names))
    for currency in pycountry.currencies:
        things.append(_named((currency.name, currency.alpha_3)))
    for language in pycountry.languages:
        if hasattr(language, "alpha_2"):
            things.append(_named((language.name, language.alpha_3)))
    bearers: dict[str, list[set[str]]] = defaultdict(list)
    for names in things:
        for name in names:
            bearers[name].append(names)
    unclear = {name for name, named in bearers.items() if len(named) > 1}
    return {name: frozenset(named[0] - unclear) for name, named in bearers.items() if name not in unclear}


def _named(names: Iterable[str | None]) -> set[str]:
    return {name for name in names if name}
