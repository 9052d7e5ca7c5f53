"""A database in few words, for whoever writes queries: short, since a small model pays for each of its tokens.

airports(id, name: 'Heathrow', city_id -> cities.id, elevation: 83)
"""

from __future__ import annotations

from lib.sources.sql.schema import Column, Database, Table

LONGEST_SAMPLE = 24  # characters
MOST_COLUMNS = 60  # of a table that is told whole
MOST_TABLES = 60


def tell_tables(database: Database) -> str:
    """The names of all tables; of very many the first."""
    names = [table.name for table in database.tables[:MOST_TABLES]]
    more = len(database.tables) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def tell_table(table: Table, database: Database) -> str:
    """Columns with a value each, and where keys lead."""
    columns = [_tell_column(column, table, database) for column in table.columns[:MOST_COLUMNS]]
    more = len(table.columns) - len(columns)
    return f"{table.name}({', '.join(columns)}{f', and {more} more columns' if more else ''})"


def tell_database(database: Database) -> str:
    """Every table, one a line."""
    lines = [tell_table(table, database) for table in database.tables[:MOST_TABLES]]
    more = len(database.tables) - len(lines)
    return "\n".join([*lines, *([f"and {more} more tables"] if more else [])])


def _tell_column(column: Column, table: Table, database: Database) -> str:
    for key in database.keys_from(table.name):
        if len(key.columns) == 1 and key.columns[0].casefold() == column.name.casefold():
            return f"{column.name} -> {key.referred_table}.{key.referred_columns[0]}"
    if column.primary_key or not column.samples:
        return column.name
    sample = column.samples[0]
    if isinstance(sample, str):
        shown = sample if len(sample) <= LONGEST_SAMPLE else f"{sample[:LONGEST_SAMPLE]}..."
        return f"{column.name}: '{shown}'"
    return f"{column.name}: {sample}"
