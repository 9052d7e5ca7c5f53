"""Foreign keys as they are written -> those that fit the tables, in the tables' spelling."""

from __future__ import annotations

from dataclasses import replace

from lib.sources.sql.schema import ForeignKey, Table


def check_foreign_keys(keys: list[ForeignKey], tables: list[Table]) -> tuple[list[ForeignKey], list[str]]:
    """The keys in the spelling of the tables, and remarks on those that refer to what is missing."""
    by_name = {table.name.casefold(): table for table in tables}
    kept: dict[ForeignKey, None] = {}
    remarks = []
    for key in keys:
        try:
            kept[_spell(key, by_name)] = None
        except KeyError as error:
            told = f"{key.table} ({', '.join(key.columns)}) -> {key.referred_table}"
            remarks.append(f"foreign key {told} is left out: {error.args[0]}")
    return list(kept), remarks


def _spell(key: ForeignKey, tables: dict[str, Table]) -> ForeignKey:
    for name in (key.table, key.referred_table):
        if name.casefold() not in tables:
            raise KeyError(f"there is no table {name!r}")
    own, referred = tables[key.table.casefold()], tables[key.referred_table.casefold()]
    referred_columns = key.referred_columns or referred.primary_key
    if len(referred_columns) != len(key.columns):
        raise KeyError(f"{len(key.columns)} columns refer to {len(referred_columns)}")
    return replace(
        key,
        table=own.name,
        columns=tuple(own.column(name).name for name in key.columns),
        referred_table=referred.name,
        referred_columns=tuple(referred.column(name).name for name in referred_columns),
    )
