"""BIRD's descriptions of columns, in the encodings in which they come."""

from __future__ import annotations

import pytest

from lib.sources.sql.read import read_database

HEADER = "original_column_name,column_name,column_description,data_format,value_description\n"


@pytest.fixture
def described(make_sqlite):
    def read(**files: bytes):
        path = make_sqlite("CREATE TABLE Schools (CDSCode TEXT, kind TEXT)")
        folder = path.parent / "database_description"
        folder.mkdir()
        for name, content in files.items():
            (folder / f"{name}.csv").write_bytes(content)
        return read_database(path)

    return read


ROWS = 'cdscode ,CDS Code,"The code\nof a school",text,"• 1: é\n• 2: other"\n,,,,\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_columns_have_their_descriptions_whatever_the_encoding(described, encoding):
    column = described(schools=(HEADER + ROWS).encode(encoding)).column("schools", "CDSCode")
    assert (column.label, column.description) == ("CDS Code", "The code of a school")
    assert column.value_description == "• 1: é • 2: other"


def test_what_cannot_be_used_is_remarked_on_and_the_rest_read(described):
    database = described(schools=(HEADER + ",nameless,,,\nkind,Kind,,,\n").encode(), other=HEADER.encode())
    assert database.column("schools", "kind").label == "Kind"
    assert database.remarks == ("descriptions schools.csv: a row names no column",)


def test_tables_are_described_beside_their_columns(described):
    text = "original_table_name,table_name,table_description\nSchools,schools,Where children learn.\n"
    table = described(_tables=text.encode()).table("Schools")
    assert (table.label, table.description) == ("schools", "Where children learn.")


def test_comments_of_duckdb_are_descriptions(make_duckdb):
    path = make_duckdb(
        "CREATE TABLE t (i INTEGER); COMMENT ON TABLE t IS 'about t'; COMMENT ON COLUMN t.i IS 'about i'"
    )
    table = read_database(path).table("t")
    assert (table.description, table.columns[0].description) == ("about t", "about i")
