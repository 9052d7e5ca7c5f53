"""Folders of Parquet and CSV files as databases."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.errors import SourceError
from lib.sources.sql.read import read_database
from lib.sources.sql.schema import Dialect, Kind


def test_every_file_is_a_table(tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "towns.csv").write_text('id,name,founded\n1,"Aa, upper",1200-01-02\n2,Bb,1300-05-06\n')
    (folder / "rivers & lakes.tsv").write_text("id\tlength\n1\t2.5\n")
    pq.write_table(pa.table({"town_id": [1, 1, 2], "mark": [b"x", None, b"y"]}), folder / "Visits.parquet")
    (folder / "README.md").write_text("no table")
    database = read_database(folder, loaded=tmp_path / "out" / "made.duckdb")
    assert (database.id, database.dialect) == ("tables", Dialect.DUCKDB)
    assert {table.name: table.rows for table in database.tables} == {"towns": 2, "rivers & lakes": 1, "Visits": 3}
    assert database.column("towns", "name").samples == ("Aa, upper", "Bb")
    assert database.column("towns", "founded").kind is Kind.DATE
    assert database.keys_from("visits")[0].referred_table == "towns"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["made.duckdb"]


def test_a_csv_that_is_no_utf8_is_read_and_remarked_on(tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "t.csv").write_bytes("name,n\nMünchen,1\n".encode("latin-1"))
    database = read_database(folder, loaded=tmp_path / "made.duckdb")
    assert database.column("t", "name").samples == ("München",)
    assert database.remarks == ("t.csv is no UTF-8 and was read as Latin-1",)


def test_a_path_with_signs_of_a_pattern_is_taken_as_it_is(tmp_path):
    folder = tmp_path / "a[b]*'c"
    folder.mkdir()
    (folder / "t.csv").write_text("n\n1\n")
    assert read_database(folder, loaded=tmp_path / "made.duckdb").table("t").rows == 1


def test_two_loads_give_equal_databases(tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "t.csv").write_text("n,s\n" + "".join(f"{n},x{n % 9}\n" for n in range(5000)))
    first = read_database(folder, loaded=tmp_path / "made.duckdb")
    assert read_database(folder, loaded=tmp_path / "made.duckdb") == first


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "has no tables"),
        ({"a.csv": b"n\n1\n", "A.tsv": b"n\n1\n"}, "Two files would be the table"),
        ({"a.parquet": b"no parquet"}, "cannot be read"),
    ],
)
def test_a_folder_that_cannot_be_loaded_is_told_and_leaves_nothing(tmp_path, files, told):
    folder = tmp_path / "tables"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with pytest.raises(SourceError, match=told):
        read_database(folder, loaded=tmp_path / "made.duckdb")
    assert [path.name for path in tmp_path.iterdir()] == ["tables"]
