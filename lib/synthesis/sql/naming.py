"""Names of tables and columns as words: `CountryLanguage` is a country language, `country_id` leads to a country.

A description in the database comes first where it is a short one.
"""

from __future__ import annotations

import functools
import re

import inflect

from lib.sources.sql.identifiers import plain_words
from lib.sources.sql.schema import Column, ForeignKey, Kind, Table
from lib.synthesis.sql.request import Place

MARKS = ("is ", "has ")
_KEY_WORDS = ("id", "ids", "code", "no", "number", "key", "fk", "uid", "iso")
_KEPT_SHORT = 40  # characters up to which a description is taken for a name
_PREPOSITION = re.compile(r"( (?:of|per|in|with|for|at|from|by|to|on) )")
_engine = inflect.engine()
_engine.defnoun("radius", "radii")


@functools.cache
def singular(words: str) -> str:
    before, noun, after = _head(words)
    found = _engine.singular_noun(noun)
    # It takes any s for a plural: bus, status, series.
    return words if not found or noun.endswith(("ss", "us", "is")) else f"{before}{found}{after}"


@functools.cache
def plural(words: str) -> str:
    before, noun, after = _head(singular(words))
    return f"{before}{_engine.plural_noun(noun) or noun}{after}"


def _head(words: str) -> tuple[str, str, str]:
    """The noun that takes the number, with what stands around it: `unit `, `price`, ` per kilogram of the element`."""
    phrase, preposition, rest = (_PREPOSITION.split(words, maxsplit=1) + ["", ""])[:3]
    before, space, noun = phrase.rpartition(" ")
    return before + space, noun, preposition + rest


@functools.cache
def is_plural(words: str) -> bool:
    """`days`, `goals conceded`: said of one row, and still several."""
    first = words.split(" of ")[0].split()
    return any(singular(word) != word for word in first[-1:]) or (len(first) > 1 and singular(first[0]) != first[0])


def table_noun(table: Table) -> str:
    """One row of the table."""
    return singular(_as_name(table.label) or plain_words(table.name))


def column_noun(column: Column, table: Table) -> str:
    """The column, said of a row of its table: the airport's `airport_name` is its name, `is_open` its open flag."""
    words = _column_words(column)
    if is_mark(column):
        words = words.removeprefix("is ").removeprefix("has ")
        return words if words.endswith("flag") else f"{words} flag"
    own = table_noun(table)
    return words.removeprefix(f"{own} ").removesuffix(f" of the {own}") or words


def is_mark(column: Column) -> bool:
    """True or false of each row; SQLite writes 0 and 1."""
    named_so = plain_words(column.name).startswith(MARKS)
    return column.kind is Kind.BOOLEAN or named_so and all(value in (0, 1) for value in column.samples)


def mark(column: Column, *, holds: bool) -> str:
    """What a mark says of a row above: `is marked as open`, `has no projector`; of others that it holds."""
    words = _column_words(column)
    if words.startswith("is "):
        return f"is {'' if holds else 'not '}marked as {words[3:]}"
    if words.startswith("has "):
        thing = words[4:]
        return f"has {'no ' + thing if not holds else thing if is_plural(thing) else _engine.a(thing)}"
    return f'has the mark "{words}" {"set" if holds else "not set"}'


def above_noun(key: ForeignKey) -> str:
    """One row of the table that is referred to."""
    return singular(plain_words(key.referred_table))


def role(key: ForeignKey) -> str:
    """What the row above is to the row below: `source_airport_id` leads to its source airport.

    A column that is called as the one it refers to says nothing of its own: `atomic_number` leads to an element.
    """
    above = above_noun(key)
    if len(key.columns) > 1 or key.columns[0].casefold() == key.referred_columns[0].casefold():
        return above
    words = plain_words(key.columns[0]).split()
    while len(words) > 1 and words[-1] in _KEY_WORDS:
        words.pop()
    name = " ".join(words)
    if name in _KEY_WORDS or len(name) < 3 or name == above:
        return above
    return name if above.split()[-1] in words or len(words) == 1 and name.isalpha() else f"{name} {above}"


def place_noun(place: Place) -> str:
    """`name of the country of the city`, as said of a row of the base table."""
    steps = [role(key) for key in reversed(place.path.keys)]
    return " of the ".join([column_noun(place.column, place.table), *steps])


def possessive(place: Place) -> str:
    """The same where a relative clause goes on: `city's country's name`."""
    return "'s ".join([*(role(key) for key in place.path.keys), column_noun(place.column, place.table)])


def _column_words(column: Column) -> str:
    """What it is called; of a mark its name says most: `has_projector`, where a label has only the projector."""
    name = plain_words(column.name)
    if is_mark(column) and name.startswith(MARKS):
        return name
    return _as_name(column.label) or _as_name(column.description) or name


def _as_name(description: str) -> str | None:
    """A label or description that reads as a name; whole sentences do not."""
    text = description.strip().rstrip(".")
    if not text or len(text) > _KEPT_SHORT or any(mark in text for mark in ".;:=?!\n("):
        return None
    return text[0].lower() + text[1:] if not text[:2].isupper() else text
