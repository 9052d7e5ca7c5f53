"""What columns hold: kinds, counts, ends and samples, of small tables and of large ones."""

from __future__ import annotations

import math
import sqlite3
import time

import pytest

from lib.sources.sql import statistics
from lib.sources.sql.read import read_database
from lib.sources.sql.schema import Kind


def test_counts_ends_and_the_most_frequent_values_first(make):
    database = read_database(
        make(
            "CREATE TABLE t (name VARCHAR, size INTEGER, share DOUBLE, born DATE, seen TIMESTAMP, ok BOOLEAN);"
            "INSERT INTO t VALUES ('b', 3, 0.5, '2020-01-02', '2020-01-02 03:04:05', true),"
            " ('b', 3, 1.5, '1999-12-31', NULL, false), ('a', NULL, 2.5, '2020-01-02', '2021-01-01 00:00:00', true)"
        )
    )
    name, size, share, born, seen, ok = database.table("t").columns
    assert [c.kind for c in (name, size, share, born, seen, ok)] == [
        Kind.TEXT, Kind.INTEGER, Kind.REAL, Kind.DATE, Kind.TIMESTAMP, Kind.BOOLEAN,
    ]  # fmt: skip
    assert (name.samples, name.distinct, name.min, name.max) == (("b", "a"), 2, "a", "b")
    assert (size.nulls, size.distinct, size.exact) == (1, 1, True)
    assert (share.min, share.max) == (0.5, 2.5)
    assert (born.samples, born.min) == (("2020-01-02", "1999-12-31"), "1999-12-31")
    assert seen.max == "2021-01-01 00:00:00"
    assert ok.samples == (True, False)
    assert database.table("t").rows == 3


@pytest.mark.parametrize(
    ("declared", "values", "kind"),
    [
        ("TEXT", "('2020-01-02'), ('1999-12-31')", Kind.DATE),
        ("TEXT", "('2020-01-02'), ('soon')", Kind.TEXT),
        ("DATE", "('1/2/2010'), ('3/4/2011')", Kind.TEXT),
        ("DATETIME", "('2020-01-02 10:00'), ('2020-01-02')", Kind.TIMESTAMP),
        ("INTEGER", "('many'), (3)", Kind.TEXT),
        ("", "(1), (2)", Kind.INTEGER),
        ("BLOB", "('text')", Kind.TEXT),
        ("TEXT", "(x'00ff')", Kind.BLOB),
        ("TEXT", "(x'00ff'), ('text')", Kind.OTHER),
        ("NUMERIC", "(1), (2.5)", Kind.REAL),
        ("VARCHAR(9)", "(NULL)", Kind.TEXT),
    ],
)
def test_a_sqlite_column_is_of_the_kind_of_its_values(make_sqlite, declared, values, kind):
    database = read_database(make_sqlite(f"CREATE TABLE t (c {declared}); INSERT INTO t VALUES {values}"))
    assert database.column("t", "c").kind is kind


def test_blobs_are_counted_and_never_shown(make):
    literal = "'\\x00\\xFF'::BLOB" if "duckdb" in str(make) else "x'00ff'"
    database = read_database(make(f"CREATE TABLE t (b BLOB); INSERT INTO t VALUES ({literal}), ({literal}), (NULL)"))
    column = database.column("t", "b")
    assert (column.distinct, column.nulls, column.samples, column.min) == (1, 1, (), None)


def test_nan_and_infinities_are_counted_and_are_no_samples(make_duckdb):
    values = "('nan'::DOUBLE), ('nan'), ('inf'), ('-inf'), (1.5)"
    column = read_database(make_duckdb(f"CREATE TABLE t (x DOUBLE); INSERT INTO t VALUES {values}")).column("t", "x")
    assert (column.distinct, column.samples) == (4, (1.5,))
    assert (column.min, column.max) == (-math.inf, math.inf)


def test_infinities_in_sqlite_are_no_samples(make_sqlite):
    column = read_database(make_sqlite("CREATE TABLE t (x REAL); INSERT INTO t VALUES (9e999), (2.0)")).column("t", "x")
    assert (column.max, column.samples) == (math.inf, (2.0,))


def test_dates_beyond_those_of_python_and_nested_values_are_read(make_duckdb):
    database = read_database(
        make_duckdb(
            "CREATE TABLE t (d DATE, l INTEGER[], s STRUCT(a INTEGER), h HUGEINT, e DECIMAL(9, 2), i INTERVAL, u UUID);"
            "INSERT INTO t VALUES ('infinity', [1, 2], {'a': 1}, 170141183460469231731687303715884105727, 1.25,"
            " INTERVAL 1 DAY, '00000000-0000-0000-0000-000000000001'), ('290000-01-01', NULL, NULL, 1, 2, NULL, NULL)"
        )
    )
    table = database.table("t")
    assert table.column("d").samples == ("infinity", "290000-01-01")
    assert table.column("h").max == 170141183460469231731687303715884105727
    assert table.column("e").samples == (1.25, 2.0)
    assert [table.column(name).kind for name in "lsi"] == [Kind.OTHER] * 3
    assert (table.column("l").distinct, table.column("l").nulls, table.column("l").samples) == (1, 1, ())
    assert not database.remarks


def test_texts_that_are_too_long_are_counted_and_not_shown(make):
    long = "x" * 5000
    column = read_database(
        make(f"CREATE TABLE t (c VARCHAR); INSERT INTO t VALUES ('{long}'), ('{long}'), ('short')")
    ).column("t", "c")
    assert (column.distinct, column.samples, column.max) == (2, ("short",), "short")


def test_of_a_large_table_rows_from_all_over_are_looked_at(make, monkeypatch):
    monkeypatch.setattr(statistics, "CELLS", 2000)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, i % 7 FROM n"
    path = make(f"CREATE TABLE t (i INTEGER, r INTEGER); INSERT INTO t {numbers}")
    database = read_database(path)
    column = database.column("t", "i")
    assert (database.table("t").rows, column.exact) == (20000, False)
    assert 900 <= column.distinct <= 1100
    assert column.min < 1000 and column.max > 19000
    assert sorted(database.column("t", "r").samples) == list(range(7))
    assert read_database(path) == database


def test_a_view_without_end_is_left_after_its_time(make_sqlite):
    path = make_sqlite(
        "CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (1);"
        "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    )
    start = time.monotonic()
    database = read_database(path, seconds=0.5)
    assert time.monotonic() - start < 20
    assert database.table("endless").rows is None
    assert database.remarks == ("view 'endless' is not looked into: it takes too long",)
    assert database.column("t", "i").samples == (1,)


def test_a_heavy_view_of_duckdb_is_left_after_its_time(make_duckdb):
    path = make_duckdb(
        "CREATE TABLE t AS SELECT range AS i FROM range(100000);"
        "CREATE VIEW heavy AS SELECT a.i * b.i % 7 AS r FROM t a, t b WHERE (a.i * b.i) % 1000003 = hash(b.i) % 1000003"
    )
    start = time.monotonic()
    database = read_database(path, seconds=0.5)
    assert time.monotonic() - start < 20
    assert "view 'heavy' is not looked into: it takes too long" in database.remarks


def test_text_that_is_no_utf8_is_read_with_a_mark_in_its_place(make_sqlite):
    path = make_sqlite("CREATE TABLE t (c TEXT); INSERT INTO t VALUES (CAST(x'4dfc' AS TEXT))")
    assert read_database(path).column("t", "c").samples == ("M\ufffd",)


def test_ten_thousand_columns_are_read_in_seconds(tmp_path, make_duckdb):
    columns = ", ".join(f'"column {number}" INTEGER' for number in range(10_000))
    path = make_duckdb(f"CREATE TABLE wide ({columns})")
    start = time.process_time()
    database = read_database(path)
    assert time.process_time() - start < 10
    assert len(database.table("wide").columns) == 10_000
    assert database.column("WIDE", "Column 9999").kind is Kind.INTEGER


def test_ten_thousand_columns_of_ten_sqlite_tables_are_read_in_seconds(tmp_path):
    path = tmp_path / "wide.sqlite"
    connection = sqlite3.connect(path)
    for table in range(10):
        columns = ", ".join(f'"column {table} {number}" INTEGER' for number in range(1000))
        connection.execute(f"CREATE TABLE wide{table} ({columns})")
        connection.executemany(f"INSERT INTO wide{table} VALUES ({','.join('?' * 1000)})", [list(range(1000))] * 20)
    connection.commit()
    connection.close()
    start = time.process_time()
    database = read_database(path)
    assert time.process_time() - start < 10
    assert database.column("wide9", "column 9 999").samples == (999,)
