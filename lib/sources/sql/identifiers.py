"""Names of tables and columns as SQL writes them; every query of the project quotes them here.

DuckDB and SQLite agree on the standard's double quotes. A name is always quoted: SQLite has more than a hundred
keywords and DuckDB others, and which of them must be quoted changes with the version.
"""

from __future__ import annotations

import re


def quote_name(name: str) -> str:
    """The name in double quotes, those inside it doubled.

    Raises ValueError for a zero byte, which ends a query.
    """
    if "\0" in name:
        raise ValueError(f"The name {name!r} has a zero byte, which SQL cannot write.")
    return '"' + name.replace('"', '""') + '"'


def quote_names(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(quote_name(name) for name in names)


def quote_column(table: str, column: str) -> str:
    """The column with its table: SQLite takes a quoted name that is no column for a text, but not after a table."""
    return f"{quote_name(table)}.{quote_name(column)}"


def quote_text(text: str) -> str:
    """A text as a literal."""
    if "\0" in text:
        raise ValueError(f"The text {text!r} has a zero byte, which SQL cannot write.")
    return "'" + text.replace("'", "''") + "'"


def plain_words(name: str) -> str:
    """``StuID`` -> ``stu id``, ``born_state`` -> ``born state``: a name as words, for a label that nobody wrote."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return " ".join(re.split(r"[\s_.\-]+", spaced.strip(" _.-"))).lower()
