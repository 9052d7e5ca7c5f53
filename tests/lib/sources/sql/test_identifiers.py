"""Names that need quotes, in both dialects."""

from __future__ import annotations

import pytest

from lib.sources.sql.identifiers import plain_words, quote_name
from lib.sources.sql.read import read_database

NAMES = [
    "Order Details", 'a "quoted" name', "it's", "select", "from", "Größe", "таблица", "表", "a;b", "x--y", "a.b",
    "100%", "[brackets]", "`ticks`", "new\nline", " padded ", "emoji 🎈", "naïve\\path", "?",
]  # fmt: skip


def test_any_name_of_tables_and_columns_is_read_with_its_values(make):
    script = ";".join(
        f"CREATE TABLE {quote_name(name)} ({quote_name(name)} INTEGER, {quote_name(name + ' id')} TEXT);"
        f"INSERT INTO {quote_name(name)} VALUES (7, 'seven')"
        for name in NAMES
    )
    database = read_database(make(script))
    assert sorted(table.name for table in database.tables) == sorted(NAMES)
    for name in NAMES:
        assert database.column(name, name).samples == (7,)
        assert database.column(name, name + " id").samples == ("seven",)
    assert not database.remarks


def test_a_zero_byte_is_refused():
    with pytest.raises(ValueError, match="zero byte"):
        quote_name("a\0b")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("StuID", "stu id"),
        ("born_state", "born state"),
        ("HTTPServer", "http server"),
        ("Order Details", "order details"),
        ("_x_", "x"),
        ("空港", "空港"),
    ],
)
def test_names_are_told_in_words(name, words):
    assert plain_words(name) == words
