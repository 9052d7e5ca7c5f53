"""Keys that are declared, and keys found by names and values."""

from __future__ import annotations

from lib.sources.sql.read import read_database
from lib.sources.sql.schema import Origin


def told(database):
    return {(key.table, key.columns, key.referred_table, key.referred_columns) for key in database.foreign_keys}


def test_keys_of_several_columns_keep_their_order(make):
    database = read_database(
        make(
            "CREATE TABLE section (year INTEGER, course VARCHAR, room INTEGER, PRIMARY KEY (course, year),"
            " UNIQUE (room, year));"
            "CREATE TABLE visit (who INTEGER, y INTEGER, c VARCHAR,"
            " FOREIGN KEY (c, y) REFERENCES section (course, year))"
        )
    )
    section = database.table("section")
    assert section.primary_key == ("course", "year")
    assert section.unique == (("room", "year"),)
    assert [column.primary_key for column in section.columns] == [True, True, False]
    assert told(database) == {("visit", ("c", "y"), "section", ("course", "year"))}
    assert database.foreign_keys[0].origin is Origin.DECLARED


SCHOOL = (
    "CREATE TABLE Student (StuID INTEGER, name VARCHAR, city_code VARCHAR);"
    "INSERT INTO Student VALUES (1, 'Ann', 'NY'), (2, 'Bo', 'LA'), (3, 'Cy', NULL);"
    "CREATE TABLE city (city_code VARCHAR, city_name VARCHAR);"
    "INSERT INTO city VALUES ('NY', 'New York'), ('LA', 'L. A.');"
    "CREATE TABLE pets (id INTEGER, StuID INTEGER, weight DOUBLE); INSERT INTO pets VALUES (1, 1, 2.0), (2, 1, 3.0);"
    "CREATE TABLE walks (pet_id INTEGER, weight DOUBLE); INSERT INTO walks VALUES (1, 2.0), (1, 9.0);"
    "CREATE TABLE lost (pet_id INTEGER); INSERT INTO lost VALUES (1), (99);"
    "CREATE TABLE student_record (StuID INTEGER, mark INTEGER); INSERT INTO student_record VALUES (1, 5), (2, 4)"
)


def test_keys_are_inferred_where_none_is_declared(make):
    database = read_database(make(SCHOOL))
    keys = {table.name: table.primary_key for table in database.tables if table.primary_key}
    assert keys == {"Student": ("StuID",), "city": ("city_code",), "pets": ("id",)}
    assert database.table("pets").primary_key_origin is Origin.INFERRED
    assert database.column("pets", "id").primary_key
    assert told(database) == {
        ("Student", ("city_code",), "city", ("city_code",)),
        ("pets", ("StuID",), "Student", ("StuID",)),
        ("walks", ("pet_id",), "pets", ("id",)),
        ("student_record", ("StuID",), "Student", ("StuID",)),
    }
    assert {key.origin for key in database.foreign_keys} == {Origin.INFERRED}


def test_keys_are_not_inferred_where_that_is_not_wanted(make):
    database = read_database(make(SCHOOL), infer_keys=False)
    assert database.foreign_keys == ()
    assert not any(table.primary_key for table in database.tables)


def test_a_table_that_declares_a_foreign_key_gets_no_others(make):
    database = read_database(
        make(
            "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY);"
            "CREATE TABLE c (a_id INTEGER REFERENCES a (id), b_id INTEGER); INSERT INTO a VALUES (1);"
            "INSERT INTO b VALUES (1); INSERT INTO c VALUES (1, 1)"
        )
    )
    assert told(database) == {("c", ("a_id",), "a", ("id",))}
