"""Files that are damaged, locked, empty or strange."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import duckdb
import pytest

from lib.errors import SourceError
from lib.sources.sql.read import read_database

HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_a_column_whose_name_is_no_utf8_leaves_its_table_without_statistics(make_sqlite):
    path = make_sqlite("CREATE TABLE t (i INTEGER); CREATE TABLE u (naive INTEGER); INSERT INTO u VALUES (1)")
    content = path.read_bytes()
    assert content.count(b"naive") == 1
    path.write_bytes(content.replace(b"naive", b"na\xefve"))
    database = read_database(path)
    assert [table.columns[0].distinct for table in database.tables] == [0, None]
    assert "table 'u' is not looked into" in database.remarks[0]


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        read_database(tmp_path / "none.sqlite")


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "The file is empty"), (b"%PDF-1.7 " * 99, "neither a SQLite nor a DuckDB database")],
)
def test_a_file_that_is_no_database_is_told(tmp_path, content, told):
    path = tmp_path / "x.sqlite"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=told):
        read_database(path)


def test_a_sqlite_file_with_damage_behind_its_head_is_told(make_sqlite):
    path = make_sqlite("CREATE TABLE t (c TEXT); INSERT INTO t VALUES ('x')")
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    with pytest.raises(SourceError, match="damaged") as caught:
        read_database(path)
    assert caught.value.where == str(path) and caught.value.next_step


def test_a_sqlite_file_with_a_damaged_table_is_told(make_sqlite):
    rows = ", ".join(f"('{'x' * 300}{number}')" for number in range(100))
    path = make_sqlite(f"CREATE TABLE t (c TEXT); INSERT INTO t VALUES {rows}")
    content = bytearray(path.read_bytes())
    content[4096 : 2 * 4096] = b"\xee" * 4096
    path.write_bytes(content)
    with pytest.raises(SourceError, match="damaged"):
        read_database(path)


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_duckdb_file_that_is_cut_or_damaged_is_told(make_duckdb, keep):
    path = make_duckdb("CREATE TABLE t AS SELECT range AS i, range || 'x' AS s FROM range(100000)")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(SourceError, match="damaged"):
        read_database(path)


def test_a_duckdb_file_with_bytes_changed_is_told(make_duckdb):
    path = make_duckdb("CREATE TABLE t AS SELECT range AS i, range || 'x' AS s FROM range(1000)")
    content = bytearray(path.read_bytes())
    content[4096:16384] = b"\xee" * 12288
    path.write_bytes(content)
    with pytest.raises(SourceError, match="damaged"):
        read_database(path)


def test_a_duckdb_file_that_another_process_writes_is_told(make_duckdb):
    path = make_duckdb("CREATE TABLE t (i INTEGER)")
    holder = subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(SourceError, match="open for writing in another program"):
            read_database(path)
    finally:
        holder.communicate(b"")
    assert read_database(path).tables


def test_a_duckdb_file_that_is_open_in_this_process_is_told(make_duckdb):
    path = make_duckdb("CREATE TABLE t (i INTEGER)")
    with duckdb.connect(str(path)):
        with pytest.raises(SourceError, match="open in this program already"):
            read_database(path)
    assert read_database(path).tables


def test_a_sqlite_file_with_a_log_beside_it_is_told(make_sqlite):
    path = make_sqlite("CREATE TABLE t (i INTEGER)")
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("INSERT INTO t VALUES (1)")
    writer.commit()
    with pytest.raises(SourceError, match="being written"):
        read_database(path)
    writer.close()
    assert read_database(path).table("t").rows == 1


def test_a_sqlite_file_that_another_connection_locks_is_read(make_sqlite):
    path = make_sqlite("CREATE TABLE t (i INTEGER)")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    assert read_database(path).tables
    writer.close()


def test_reading_writes_nothing(make):
    path = make("CREATE TABLE t (i INTEGER)")
    before = (path.read_bytes(), sorted(path.parent.iterdir()))
    read_database(path)
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == before


def test_a_database_without_tables_is_told(make):
    path = make("CREATE TABLE t (i INTEGER); DROP TABLE t")
    with pytest.raises(SourceError, match="no tables"):
        read_database(path)


def test_a_table_without_rows_or_keys_is_read(make):
    table = read_database(make("CREATE TABLE t (i INTEGER, s VARCHAR)")).table("t")
    assert (table.rows, table.primary_key, table.columns[0].distinct) == (0, (), 0)


def test_views_are_read_and_broken_ones_remarked_on(make):
    path = make(
        "CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (4); CREATE TABLE u (i INTEGER);"
        "CREATE VIEW v AS SELECT i * 2 AS double_i FROM t; CREATE VIEW broken AS SELECT i FROM u; DROP TABLE u"
    )
    database = read_database(path)
    view = database.table("v")
    assert (view.is_view, view.rows, view.columns[0].samples) == (True, 1, (8,))
    assert any("view 'broken'" in remark for remark in database.remarks)


def test_a_view_over_files_does_not_open_them(make_duckdb, tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    path = make_duckdb(
        f"CREATE TABLE t (i INTEGER); CREATE VIEW v AS SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')"
    )
    database = read_database(path)
    assert database.find("v") is None or database.table("v").rows is None
    assert any("view 'v'" in remark for remark in database.remarks)


def test_generated_columns_are_marked(make):
    kind = "VIRTUAL" if "duckdb" in str(make) else "STORED"
    path = make(
        f"CREATE TABLE t (i INTEGER, twice INTEGER GENERATED ALWAYS AS (i * 2) {kind}); INSERT INTO t (i) VALUES (4)"
    )
    table = read_database(path).table("t")
    assert [column.generated for column in table.columns] == [False, True]
    assert table.column("twice").samples == (8,)


def test_cyclic_foreign_keys_are_read(make_sqlite):
    path = make_sqlite(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER REFERENCES b (id));"
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a, own INTEGER REFERENCES b (id))"
    )
    database = read_database(path)
    assert [(key.table, key.columns, key.referred_table, key.referred_columns) for key in database.foreign_keys] == [
        ("a", ("b",), "b", ("id",)),
        ("b", ("a",), "a", ("id",)),
        ("b", ("own",), "b", ("id",)),
    ]


def test_foreign_keys_to_what_is_missing_are_remarked_on(make_sqlite):
    path = make_sqlite(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, x INTEGER REFERENCES gone (id), y INTEGER REFERENCES a (z))"
    )
    database = read_database(path)
    assert database.foreign_keys == ()
    assert database.remarks == (
        "foreign key a (x) -> gone is left out: there is no table 'gone'",
        "foreign key a (y) -> a is left out: The table 'a' has no column 'z'.",
    )


def test_virtual_tables_are_read_without_those_that_serve_them(make_sqlite):
    database = read_database(make_sqlite("CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('hello')"))
    assert [table.name for table in database.tables] == ["f"]
    assert database.column("f", "body").samples == ("hello",)


def test_other_schemata_of_duckdb_are_remarked_on(make_duckdb):
    database = read_database(make_duckdb("CREATE TABLE t (i INTEGER); CREATE SCHEMA s; CREATE TABLE s.u (i INTEGER)"))
    assert [table.name for table in database.tables] == ["t"]
    assert database.remarks == ("schema 's' is left out with its 1 tables: only main is read",)
