"""The databases that ship with the project."""

from __future__ import annotations

import sqlite3

import duckdb
import pytest

from lib.errors import SourceError
from lib.sources.sql.embedded.build import PLANS, build_embedded, plan_embedded
from lib.sources.sql.embedded.write import write_database
from lib.sources.sql.read import read_database
from lib.sources.sql.schema import Dialect, Origin


@pytest.fixture(params=PLANS)
def plan(request, plans):
    return plans[request.param]


def test_every_database_has_related_tables_with_keys_labels_and_descriptions(plan, tmp_path):
    database = read_database(write_database(plan, tmp_path, Dialect.SQLITE))
    assert not database.remarks
    assert len(database.tables) >= 10
    assert len(database.foreign_keys) >= 10
    assert {key.origin for key in database.foreign_keys} == {Origin.DECLARED}
    for table in database.tables:
        assert table.rows and table.primary_key and table.label and table.description, table.name
        assert database.keys_from(table.name) or database.keys_to(table.name), table.name
        assert all(column.label and column.description for column in table.columns), table.name
        assert all(column.distinct for column in table.columns), table.name


def test_both_dialects_hold_the_same(plan, tmp_path):
    sqlite = read_database(write_database(plan, tmp_path, Dialect.SQLITE))
    duck = read_database(write_database(plan, tmp_path, Dialect.DUCKDB))
    assert duck.dialect is Dialect.DUCKDB
    assert set(duck.foreign_keys) == set(sqlite.foreign_keys)
    for table in sqlite.tables:
        other = duck.table(table.name)
        assert (other.rows, other.primary_key, other.unique) == (table.rows, table.primary_key, table.unique)
        for one, two in zip(table.columns, other.columns, strict=True):
            assert (one.kind, one.distinct, one.nulls, one.min, one.max, one.nullable) == (
                (two.kind, two.distinct, two.nulls, two.min, two.max, two.nullable)
            ), f"{table.name}.{one.name}"


def test_two_builds_are_equal_byte_for_byte(plans, tmp_path):
    again = dict(zip(PLANS, plan_embedded(), strict=True))
    for id, plan in plans.items():
        first = write_database(plan, tmp_path / "first", Dialect.SQLITE)
        second = write_database(again[id], tmp_path / "second", Dialect.SQLITE)
        assert first.read_bytes() == second.read_bytes(), id


def test_two_builds_for_duckdb_hold_the_same_rows_in_the_same_order(plans, tmp_path):
    plan = plans["world_geography"]
    paths = [write_database(plan, tmp_path / name, Dialect.DUCKDB) for name in ("first", "second")]
    for table in plan.tables:
        rows = []
        for path in paths:
            with duckdb.connect(str(path), read_only=True) as connection:
                rows.append(connection.execute(f"SELECT * FROM {table.name}").fetchall())
        assert rows[0] == rows[1] and len(rows[0]) == len(table.rows)


def test_no_two_databases_share_a_schema(plans):
    """A few tables such as countries stand in several; most belong to one database only."""
    names = {id: {table.name for table in plan.tables} for id, plan in plans.items()}
    for one in names:
        for other in names:
            assert one == other or len(names[one] & names[other]) <= 3, (one, other)


def test_the_databases_know_what_everybody_knows(plans, tmp_path):
    path = write_database(plans["world_geography"], tmp_path, Dialect.SQLITE)
    with sqlite3.connect(path) as connection:
        query = "SELECT city.name FROM capitals JOIN cities city ON city.id = city_id WHERE capitals.country_code = ?"
        assert connection.execute(query, ("IS",)).fetchall() == [("Reykjavík",)]
    path = write_database(plans["chemical_elements"], tmp_path, Dialect.SQLITE)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM elements WHERE atomic_number = 79").fetchall() == [("Gold",)]
        query = "SELECT half_life_seconds / 86400 / 365.2422 FROM isotopes WHERE atomic_number = 6 AND mass_number = 14"
        assert connection.execute(query).fetchone()[0] == pytest.approx(5700, rel=0.01)


def test_matches_and_standings_of_the_league_agree(plans, tmp_path):
    path = write_database(plans["football_league"], tmp_path, Dialect.SQLITE)
    with sqlite3.connect(path) as connection:
        scored = connection.execute("SELECT sum(home_goals + away_goals) FROM matches").fetchone()
        assert connection.execute("SELECT count(*) FROM goals").fetchone() == scored
        assert connection.execute("SELECT sum(goals_for) FROM standings").fetchone() == scored


def test_some_can_be_built_and_an_unknown_one_is_told(tmp_path):
    paths = build_embedded(tmp_path, dialect=Dialect.DUCKDB, ids=("online_shop",))
    assert paths == {"online_shop": tmp_path / "online_shop" / "online_shop.duckdb"}
    with pytest.raises(SourceError, match="no embedded database 'moon'"):
        build_embedded(tmp_path, ids=("moon",))
