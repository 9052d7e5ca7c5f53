"""Questions that people wrote come into the artifact where their gold SQL runs; the others are set aside."""

from __future__ import annotations

import pytest

from lib.errors import SourceError
from lib.sources.sql.database_set import load_databases, load_rules
from tests.small_databases import ENDLESS, MUSIC, TOWNS, asked, collect, tables_of, write_benchmark

RIGHT = "SELECT name FROM singer WHERE age > 28"
EMBEDDED = {"type": "embedded", "ids": ["chemical_elements"]}


class Listener:
    def __init__(self):
        self.notes = []

    def update(self, done, total, note=""):
        self.notes.append((done, total, note))


def as_source(folder, **more):
    return {"type": "benchmark", "folder": str(folder), **more}


def test_questions_of_the_source_keep_their_place_gold_sql_hint_and_level(tmp_path):
    both = [RIGHT, "SELECT name FROM singer WHERE age >= 29"]
    questions = [asked("a", both, evidence="old is above 28"), asked("b", "SELECT 1", difficulty="moderate")]
    artifact = collect(tmp_path / "out", source=as_source(write_benchmark(tmp_path / "b", {"music": MUSIC}, questions)))
    first, second = tables_of(artifact)["written_questions"].to_pylist()
    assert first == {
        "id": "a",
        "benchmark": "",
        "position": 0,
        "database_id": "music",
        "prompt": "What of a?",
        "gold_sql": both,
        "evidence": "old is above 28",
        "level": "easy",
    }
    assert (second["position"], second["level"]) == (1, "moderate")
    assert load_rules(artifact) == {"music": "spider"}


def test_a_question_whose_gold_sql_gives_no_result_is_set_aside_with_its_reason_and_counted(tmp_path):
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i FROM n"
    golds = {"bad": "SELEC 1", "good": RIGHT, "lost": "SELECT shoe FROM singer", "slow": ENDLESS, "many": many}
    folder = write_benchmark(tmp_path / "b", {"music": MUSIC}, [asked(id, sql) for id, sql in golds.items()])
    listener = Listener()
    artifact = collect(tmp_path / "out", listener, source=as_source(folder), query_seconds=0.5)
    tables = tables_of(artifact)
    assert [(row["id"], row["position"]) for row in tables["written_questions"].to_pylist()] == [("good", 1)]
    rejected = {row["line"]: row for row in tables["rejected_rows"].to_pylist()}
    assert {line: row["reason"].split(":")[1].strip() for line, row in rejected.items()} == {
        1: "syntax",
        3: "unknown name",
        4: "time",
        5: "more than 10,000 rows",
    }
    assert "no such column: shoe" in rejected[3]["reason"]
    assert rejected[3]["content"] == "What of lost? SELECT shoe FROM singer"
    assert rejected[3]["file"] == str(folder)
    assert listener.notes[-1] == (1, 1, "1 databases, 1 written questions, 4 set aside")


def test_of_several_gold_queries_those_that_run_are_kept(tmp_path):
    folder = write_benchmark(tmp_path / "b", {"music": MUSIC}, [asked("a", ["SELECT shoe FROM singer", RIGHT])])
    tables = tables_of(collect(tmp_path / "out", source=as_source(folder)))
    assert tables["written_questions"]["gold_sql"].to_pylist() == [[RIGHT]]
    assert tables["rejected_rows"].num_rows == 0


def test_gold_sql_that_would_write_is_set_aside_and_writes_nothing(tmp_path):
    folder = write_benchmark(tmp_path / "b", {"music": MUSIC}, [asked("a", "DELETE FROM song"), asked("b", RIGHT)])
    artifact = collect(tmp_path / "out", source=as_source(folder))
    tables = tables_of(artifact)
    assert tables["written_questions"]["id"].to_pylist() == ["b"]
    assert "refused" in tables["rejected_rows"]["reason"][0].as_py()
    (database,) = load_databases(artifact)
    assert database.path.read_bytes() == (folder / "databases" / "music.sqlite").read_bytes()


def test_questions_of_a_damaged_database_are_set_aside_and_the_others_kept(tmp_path):
    questions = [asked("a", RIGHT), asked("b", "SELECT 1", database="ruin"), asked("c", "SELECT 1", database="gone")]
    folder = write_benchmark(tmp_path / "b", {"music": MUSIC, "ruin": TOWNS}, questions)
    ruin = folder / "databases" / "ruin.sqlite"
    ruin.write_bytes(ruin.read_bytes()[:100] + b"\xff" * 8000)
    artifact = collect(tmp_path / "out", source=as_source(folder))
    tables = tables_of(artifact)
    assert tables["databases"]["id"].to_pylist() == ["music"]
    assert tables["written_questions"]["id"].to_pylist() == ["a"]
    reasons = {(row["file"], row["line"]): row["reason"] for row in tables["rejected_rows"].to_pylist()}
    assert reasons.pop((str(ruin), 1)).startswith("The database is damaged")
    assert reasons == {
        (str(folder), 2): "its database cannot be read",
        (f"{folder}/questions.jsonl", 3): "there is no database 'gone'",
    }
    assert not (artifact / "files" / "ruin.sqlite").exists()


def test_a_folder_without_a_single_whole_database_is_an_error_with_the_first_reason(tmp_path):
    folder = write_benchmark(tmp_path / "b", {"ruin": TOWNS}, [asked("a", "SELECT 1", database="ruin")])
    (folder / "databases" / "ruin.sqlite").write_bytes(b"no database")
    with pytest.raises(SourceError, match="None of the folder's databases can be read") as raised:
        collect(tmp_path / "out", source=as_source(folder))
    assert "neither a SQLite nor a DuckDB database" in raised.value.kept


def test_benchmarks_stand_beside_the_source_under_their_own_names_and_rules(tmp_path):
    folders = {
        name: write_benchmark(tmp_path / name, {"music": MUSIC}, [asked("a", RIGHT)]) for name in ("first", "second")
    }
    benchmarks = [{"folder": str(folders["first"])}, {"folder": str(folders["second"]), "name": "b2", "rule": "bird"}]
    artifact = collect(tmp_path / "out", source=EMBEDDED, benchmarks=benchmarks)
    rules = {"chemical_elements": "tolerant", "first/music": "spider", "b2/music": "bird"}
    assert load_rules(artifact) == rules
    written = tables_of(artifact)["written_questions"].to_pylist()
    assert {(row["benchmark"], row["id"], row["database_id"]) for row in written} == {
        ("first", "a", "first/music"),
        ("b2", "a", "b2/music"),
    }
    assert [database.id for database in load_databases(artifact)] == ["chemical_elements"]
    assert [database.id for database in load_databases(artifact, benchmark="b2")] == ["b2/music"]
    assert {database.id for database in load_databases(artifact, benchmark=None)} == set(rules)
    assert (artifact / "files" / "b2" / "music.sqlite").is_file()


def test_a_folder_of_databases_alone_gives_databases_without_questions(tmp_path):
    folder = write_benchmark(tmp_path / "b", {"music": MUSIC, "towns": TOWNS})
    tables = tables_of(collect(tmp_path / "out", source=as_source(folder, rule="tolerant")))
    assert tables["databases"]["id"].to_pylist() == ["music", "towns"]
    assert tables["written_questions"].num_rows == tables["rejected_rows"].num_rows == 0


def test_what_spider_removes_before_it_runs_a_query_is_no_fault_of_the_gold_sql(tmp_path):
    folder = write_benchmark(tmp_path / "b", {"music": MUSIC}, [asked("a", "SELECT name FROM singer WHERE age > = 30")])
    by_rule = {}
    for rule in ("spider", "bird"):
        tables = tables_of(collect(tmp_path / rule, source=as_source(folder, rule=rule)))
        by_rule[rule] = tables["written_questions"].num_rows
    assert by_rule == {"spider": 1, "bird": 0}
