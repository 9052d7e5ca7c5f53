"""A query is kept where it says something that hangs on its parts and on the data."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from lib.sources.sql.opening import fetch, open_database
from lib.sources.sql.read import read_database
from lib.synthesis.sql.checks import Checker
from lib.synthesis.sql.copies import make_copies
from lib.synthesis.sql.request import Compare, Having, Measure, Order, Path, Place, Request
from tests.small_databases import write_duckdb

COUNT = Measure("count")
SCRIPT = """
CREATE TABLE towns (id INTEGER PRIMARY KEY, name TEXT, region TEXT, size INTEGER, planet TEXT, mayor TEXT);
"""


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    """40 towns of four regions on one planet; no two sizes are equal but the largest two."""
    path = tmp_path_factory.mktemp("towns") / "towns.sqlite"
    rows = [(n, f"Town {n}", "NESW"[n % 4], min(10 * n, 380), "Earth", None) for n in range(40)]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(SCRIPT)
        connection.executemany("INSERT INTO towns VALUES (?, ?, ?, ?, ?, ?)", rows)
    return read_database(path)


@pytest.fixture(scope="module")
def reason(towns, pool, tmp_path_factory):
    checker = Checker(towns, make_copies(towns, tmp_path_factory.mktemp("copies"), seed=3), pool)
    (table,) = towns.tables

    def check(**request) -> str:
        (checked,) = checker.check([Request(table, **request)])
        assert bool(checked.reason) == bool(checked.stage)
        return checked.reason

    return check


@pytest.fixture(scope="module")
def place(towns):
    (table,) = towns.tables
    return lambda name: Place(Path(), table, table.column(name))


def test_a_single_row_has_no_order(reason, place):
    one, name = Compare(place("size"), "=", 100), (place("name"),)
    assert reason(columns=name, conditions=(one,)) == ""
    assert reason(columns=name, conditions=(one,), order=Order(place("name"), "asc")) == "one row in order"


def test_a_question_that_hangs_on_everything_it_says_is_kept(reason, place):
    north, small = Compare(place("region"), "=", "N"), Compare(place("size"), "<", 200)
    assert reason(columns=(place("name"),), conditions=(north, small)) == ""
    assert reason(measures=(COUNT,), conditions=(north,)) == ""
    assert reason(columns=(place("name"),), order=Order(place("size"), "asc"), limit=3) == ""
    assert reason(groups=(place("region"),), measures=(Measure("avg", place("size")),)) == ""


def test_what_gives_nothing_worth_reading_is_not(reason, place):
    assert reason(columns=(place("name"),), conditions=(Compare(place("size"), ">", 1000),)) == "no rows"
    assert reason(measures=(COUNT,), conditions=(Compare(place("size"), ">", 1000),)) == "counts one or none"
    assert reason(columns=(place("mayor"),), conditions=(Compare(place("size"), "<", 50),)) == "nothing but NULL"
    assert reason(columns=(place("name"),), order=Order(place("name"), "asc")) == "the whole table"


def test_a_part_without_which_the_result_is_the_same_is_idle(reason, place):
    north, earth = Compare(place("region"), "=", "N"), Compare(place("planet"), "=", "Earth")
    assert reason(columns=(place("name"),), conditions=(north, earth)) == "idle condition"
    assert reason(columns=(place("name"),), conditions=(north,), distinct=True) == "idle distinct"
    having = Having(COUNT, ">", 2)
    assert reason(groups=(place("region"),), measures=(COUNT,), having=having) == "idle having"
    assert reason(columns=(place("name"),), conditions=(north,), order=Order(place("size"), "asc"), limit=50) == (
        "idle limit"
    )


def test_ties_at_a_limit_are_left_to_chance(reason, place):
    assert reason(columns=(place("name"),), order=Order(place("size"), "desc"), limit=1) == "left to chance"


def test_a_result_that_any_data_gives_is_no_question(reason, place):
    assert reason(columns=(place("planet"),), distinct=True) == "does not depend on the data"


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
def test_copies_hold_the_same_rows_in_another_order_and_half_of_them_dealt_anew(shops, tmp_path, dialect):
    shop = shops[dialect]
    copies = make_copies(shop, tmp_path, seed=1)

    def rows(path):
        with open_database(path) as connection:
            return fetch(connection, "SELECT id, customer_id, amount FROM orders")

    original, (backwards, shuffled) = rows(shop.path), map(rows, copies.reordered)
    assert backwards == original[::-1] != shuffled != original and sorted(shuffled) == sorted(original)
    for path in copies.perturbed:
        changed = rows(path)
        assert len(changed) == len(original) // 2 and not set(changed) & set(original)
    again = make_copies(shop, tmp_path, seed=1)
    assert rows(again.reordered[1]) == shuffled


def test_a_table_of_very_many_columns_is_copied_with_each_dealt_out_anew(tmp_path):
    columns = ", ".join(f"i + {number} AS c{number}" for number in range(3000))
    path = write_duckdb(tmp_path / "wide.duckdb", f"CREATE TABLE wide AS SELECT {columns} FROM range(12) t(i)")
    copies = make_copies(read_database(path), tmp_path / "copies", seed=1)
    with open_database(copies.perturbed[0]) as opened:
        first, last = zip(*fetch(opened, "SELECT c0, c2999 FROM wide", seconds=10.0), strict=True)
    assert len(first) == len({*first}) == len({*last}) == 6
    assert sorted(value - 2999 for value in last) == sorted(first)
    assert [value - 2999 for value in last] != list(first)
