"""Lookups in a database's description, and its way through JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from lib.sources.sql.schema import Column, Database, Dialect, ForeignKey, Kind, Origin, Table
from lib.sources.sql.schema_json import database_from_json, database_to_json

CITY = Table("City", (Column("Id", "INTEGER", Kind.INTEGER), Column("Ruler", "INTEGER", Kind.INTEGER)), rows=2)
RULER = Table("ruler", (Column("id", "INTEGER", Kind.INTEGER, samples=(1, "x", 2.5, math.inf), max=-math.inf),))
KEY = ForeignKey("City", ("Ruler",), "ruler", ("id",), Origin.INFERRED)
DATABASE = Database("towns", Dialect.SQLITE, Path("towns.sqlite"), (CITY, RULER), (KEY,), ("a remark",))


def test_names_are_found_without_regard_to_case():
    assert DATABASE.table("cITY") is CITY
    assert DATABASE.column("CITY", "id") is CITY.columns[0]
    assert DATABASE.keys_from("city") == (KEY,)
    assert DATABASE.keys_to("RULER") == (KEY,)
    assert DATABASE.keys_to("city") == ()


def test_an_exact_spelling_wins_over_a_folded_one():
    table = Table("t", (Column("É"), Column("é")))
    assert [table.column(name).name for name in ("É", "é")] == ["É", "é"]


def test_a_name_that_is_not_there_is_told():
    with pytest.raises(KeyError, match="no table 'village'"):
        DATABASE.table("village")
    with pytest.raises(KeyError, match="'City' has no column 'name'"):
        DATABASE.column("city", "name")


def test_json_gives_back_an_equal_database_with_infinities():
    text = json.dumps(database_to_json(DATABASE), allow_nan=False)
    assert database_from_json(json.loads(text)) == DATABASE
