"""Which columns a question can be about: what people call rows by, compare, measure and group by.

In: what is known of tables and columns. Out: yes or no, and places. Nothing is drawn here.
"""

from __future__ import annotations

from lib.sources.sql.identifiers import plain_words
from lib.sources.sql.schema import Column, Database, ForeignKey, Kind, Table
from lib.synthesis.sql.request import Function, Path, Place

MAX_TEXT = 60  # longer values are no names, and make no condition that somebody would write
GROUPS = range(2, 400)  # distinct values of a column that is grouped by
FEW_NUMBERS = 30  # distinct numbers that are still kinds of things
REPEATING = 0.6  # distinct values a row, at most, of a column whose values are kinds of things
NO_AMOUNTS = frozenset(
    "age altitude average avg code density degree depth elevation floor grade height hour index latitude level lat long"
    " lng longitude mark mean minute month number offset percent percentage place point position radius rank ranking"
    " rate rating ratio season semester share speed stars temperature version width year".split()
)
NAMES = ("name", "title", "label", "nickname", "surname")


def is_told(table: Table, database: Database) -> bool:
    return any(places_of(table, Path(), database)) or bool(database.keys_from(table.name))


def places_of(table: Table, path: Path, database: Database) -> list[Place]:
    keys = {name.casefold() for key in database.keys_from(table.name) for name in key.columns}
    keys |= {name.casefold() for name in table.primary_key}
    return [
        Place(path, table, column)
        for column in table.columns
        if column.kind not in (Kind.BLOB, Kind.OTHER)
        and not column.distractor
        and (is_name(column) or column.name.casefold() not in keys)
    ]


def is_name(column: Column) -> bool:
    """What people call a row by, even where every row has another: a country's name."""
    words = plain_words(column.name).split()
    return column.kind == Kind.TEXT and any(word in NAMES for word in words) and is_short(column)


def is_short(column: Column) -> bool:
    return all(len(str(value)) <= MAX_TEXT and is_sayable(str(value)) for value in column.samples[:5])


def repeats(column: Column, table: Table) -> bool:
    """Whether its values are kinds of things and not marks of single rows, as phone numbers are."""
    return (column.distinct or 0) <= REPEATING * ((table.rows or 0) - column.nulls)


def is_asked(column: Column) -> bool:
    return column.kind != Kind.BOOLEAN and (column.distinct or 0) > 1 and is_short(column)


def is_compared(place: Place) -> bool:
    """Numbers and dates have an order; a text is a name, or one of a few."""
    column = place.column
    if column.kind != Kind.TEXT:
        return bool(column.samples)
    return is_short(column) and (is_name(column) or repeats(column, place.table))


def is_number(column: Column) -> bool:
    return column.kind.is_numeric and (column.distinct or 0) > 2


def is_measure(column: Column) -> bool:
    return is_number(column) or (column.kind.is_temporal and (column.distinct or 0) > 2)


def functions_of(column: Column) -> tuple[Function, ...]:
    """The measures that mean something: amounts add up, and years, grades, coordinates or shares do not."""
    if column.kind.is_temporal:
        return ("min", "max")
    words = plain_words(f"{column.name} {column.label}").split()
    if any(word in NO_AMOUNTS or word.removesuffix("s") in NO_AMOUNTS for word in words):
        return ("avg", "min", "max")
    return ("sum", "avg", "min", "max")


def is_group(place: Place, base: Table) -> bool:
    column, several = place.column, (place.column.distinct or 0) <= REPEATING * (base.rows or 0)
    if column.nulls or not several or (column.distinct or 0) not in GROUPS:
        return False
    if column.kind == Kind.INTEGER:
        return (column.distinct or 0) <= FEW_NUMBERS
    is_kind = column.kind == Kind.BOOLEAN or repeats(column, place.table) or (place.path.keys and is_name(column))
    return column.kind in (Kind.TEXT, Kind.BOOLEAN) and is_short(column) and bool(is_kind)


def is_sayable(value: str) -> bool:
    return 0 < len(value.strip()) <= MAX_TEXT and value.isprintable() and value == value.strip() and '"' not in value


def turns_back(path: Path, key: ForeignKey, base: Table) -> bool:
    """A way that comes to a table where it has been reads like a riddle."""
    been = {base.name.casefold(), *(step.referred_table.casefold() for step in path.keys)}
    return key.referred_table.casefold() in been
