"""Benchmarks in the layouts of Spider and BIRD and in the plain one."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from lib.errors import SourceError
from lib.sources.sql.benchmarks.read import read_benchmark
from lib.sources.sql.schema import Origin

DATA = Path(__file__).parents[5] / "shared" / "data"
SCRIPT = (
    "CREATE TABLE singer (Singer_ID INTEGER, Name TEXT); INSERT INTO singer VALUES (1, 'Ann');"
    "CREATE TABLE song (title TEXT, by INTEGER); INSERT INTO song VALUES ('La', 1)"
)
TABLES = [
    {
        "db_id": "music",
        "table_names_original": ["singer", "song"],
        "table_names": ["singer", "song"],
        "column_names_original": [[-1, "*"], [0, "Singer_ID"], [0, "Name"], [1, "title"], [1, "by"]],
        "column_names": [[-1, "*"], [0, "singer id"], [0, "name"], [1, "title"], [1, "performer"]],
        "column_types": ["text", "number", "text", "text", "number"],
        "primary_keys": [1],
        "foreign_keys": [[4, 1]],
    }
]


def make_database(path: Path) -> None:
    path.parent.mkdir(parents=True)
    connection = sqlite3.connect(path)
    connection.executescript(SCRIPT)
    connection.close()


def test_spider_is_read_with_its_labels_and_keys(tmp_path):
    make_database(tmp_path / "database" / "music" / "music.sqlite")
    (tmp_path / "tables.json").write_text(json.dumps(TABLES))
    question = {
        "db_id": "music",
        "question": "How many singers?",
        "query": "SELECT count(*) FROM singer",
        "sql": {"a": 1},
    }
    (tmp_path / "dev.json").write_text(json.dumps([question]))
    (tmp_path / "train_spider.json").write_text(json.dumps([question, question]))
    benchmark = read_benchmark(tmp_path, name="spider")
    (row,) = benchmark.rows
    assert (row.id, row.database_id, row.question) == ("spider-0", "music", "How many singers?")
    assert row.gold_sql == ("SELECT count(*) FROM singer",)
    database = benchmark.read_database("music")
    assert database.column("song", "by").label == "performer"
    assert database.table("singer").primary_key == ("Singer_ID",)
    (key,) = database.foreign_keys
    assert (key.table, key.columns, key.referred_columns) == ("song", ("by",), ("Singer_ID",))
    assert key.origin is Origin.DECLARED
    assert len(read_benchmark(tmp_path, questions="train_spider.json").rows) == 2


def test_bird_is_read_with_evidence_difficulty_and_descriptions(tmp_path):
    make_database(tmp_path / "dev_databases" / "music" / "music.sqlite")
    folder = tmp_path / "dev_databases" / "music" / "database_description"
    folder.mkdir()
    (folder / "song.csv").write_text("original_column_name,column_name,column_description\nby,performer,who sings\n")
    (tmp_path / "dev_tables.json").write_text(json.dumps(TABLES))
    question = {"question_id": 7, "db_id": "music", "question": "Who?", "evidence": "by = singer", "SQL": "SELECT 1"}
    (tmp_path / "dev.json").write_text(json.dumps([question | {"difficulty": "moderate"}]))
    benchmark = read_benchmark(tmp_path)
    (row,) = benchmark.rows
    assert (row.id, row.evidence, row.hardness, row.position) == ("7", "by = singer", "moderate", 0)
    database = benchmark.read_database("music")
    assert database.column("song", "by").description == "who sings"
    assert database.column("singer", "name").label == "name"
    assert database.foreign_keys[0].referred_table == "singer"


def test_rows_that_cannot_be_used_are_listed_with_their_reason_and_place(tmp_path):
    make_database(tmp_path / "databases" / "music.sqlite")
    good = {"id": "q", "db_id": "music", "question": "How many?", "gold_sql": ["SELECT 1", "SELECT 2"]}
    lines = [
        json.dumps(good),
        "{not json",
        "[1]",
        json.dumps(good | {"id": "r", "db_id": "gone"}),
        json.dumps(good | {"id": "s", "question": " "}),
        json.dumps(good | {"id": "t", "gold_sql": []}),
        json.dumps(good),
        json.dumps(good | {"id": "u", "reference_now": "2026-01-01 00:00:00"}),
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    benchmark = read_benchmark(tmp_path)
    assert [(row.id, row.position) for row in benchmark.rows] == [("q", 0), ("u", 7)]
    assert benchmark.rows[0].gold_sql == ("SELECT 1", "SELECT 2")
    assert benchmark.rows[1].external_knowledge == "The current time is 2026-01-01 00:00:00."
    assert [(row.position, row.reason.split(":")[0]) for row in benchmark.rejected] == [
        (1, "not JSON"),
        (2, "no JSON object"),
        (3, "there is no database 'gone'"),
        (4, "there is no question"),
        (5, "there is no gold SQL"),
        (6, "the id 'q' stands at 0 already"),
    ]


def test_a_schema_that_does_not_fit_is_a_remark(tmp_path):
    make_database(tmp_path / "database" / "music" / "music.sqlite")
    (tmp_path / "tables.json").write_text(json.dumps([TABLES[0] | {"foreign_keys": [[4, 99]]}]))
    (tmp_path / "dev.json").write_text("[]")
    database = read_benchmark(tmp_path).read_database("music")
    assert database.column("song", "by").label == "performer"
    assert "the schema is not read to its end" in database.remarks[0]


@pytest.mark.parametrize(
    ("files", "told"),
    [({}, "no databases"), ({"dev.json": "{}"}, "holds no list"), ({"dev.json": "[1,"}, "cannot be read")],
)
def test_a_folder_that_is_no_benchmark_is_told(tmp_path, files, told):
    if files:
        make_database(tmp_path / "database" / "music" / "music.sqlite")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=told):
        read_benchmark(tmp_path)


def test_two_files_of_one_database_are_told(tmp_path):
    make_database(tmp_path / "databases" / "music.sqlite")
    (tmp_path / "databases" / "music.db").write_bytes(b"another")
    with pytest.raises(SourceError, match="Two files would be the database 'music': music.db and music.sqlite"):
        read_benchmark(tmp_path)


def test_a_file_of_questions_that_is_asked_for_must_be_there(tmp_path):
    make_database(tmp_path / "databases" / "music.sqlite")
    assert read_benchmark(tmp_path).rows == ()
    with pytest.raises(SourceError, match="cannot be read"):
        read_benchmark(tmp_path, questions="train.json")


@pytest.mark.parametrize(
    ("name", "questions", "databases", "tables"),
    [
        ("sql_spider_dev", 549, 12, 41),
        ("sql_spider_train", 6391, 132, 630),
        ("sql_defog", 190, 7, 82),
        ("sql_chinook", 0, 1, 11),
        ("sql_northwind", 0, 1, 13),
        ("sql_elements", 0, 1, 13),
    ],
)
def test_shared_databases_are_read_whole(name, questions, databases, tables):
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    benchmark = read_benchmark(folder)
    assert (len(benchmark.rows), len(benchmark.rejected)) == (questions, 0)
    read = [benchmark.read_database(id) for id in benchmark.databases]
    assert (len(read), sum(not table.is_view for d in read for table in d.tables)) == (databases, tables)
    assert not any(database.remarks for database in read)
    for row in benchmark.rows:
        assert row.database_id in benchmark.databases
