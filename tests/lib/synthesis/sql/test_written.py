"""Questions that people wrote, as questions of a run and as benchmarks."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.questions import QUESTIONS
from lib.errors import SynthesisError
from lib.progress import Silent
from lib.settings.synthesis import SynthesisSettings
from lib.sources.sql.database_set import load_databases
from lib.synthesis.sql.synthesize import synthesize
from lib.synthesis.sql.written import read_benchmarks, read_positions, take_written
from tests.small_databases import MUSIC, asked, collect, write_benchmark

IDS = tuple(f"d{place}" for place in range(6))
EACH = 8
RIGHT = ["SELECT name FROM singer WHERE age > 28", "SELECT name FROM singer WHERE age >= 29"]


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """Six databases of one content with eight questions each, and a benchmark in whose file one question is bad."""
    folder = tmp_path_factory.mktemp("databases")
    questions = [
        asked(f"{id}-{n}", RIGHT, database=id, evidence="old is above 28" if n else "")
        for n in range(EACH)
        for id in IDS
    ]
    own = write_benchmark(folder / "own", dict.fromkeys(IDS, MUSIC), questions)
    lines = [asked("z", "SELECT 1"), asked("y", "SELECT shoe FROM singer"), asked("a", RIGHT, evidence="a hint")]
    benchmark = write_benchmark(folder / "bench", {"music": MUSIC}, lines)
    source = {"type": "benchmark", "folder": str(own)}
    return collect(folder / "out", source=source, benchmarks=[{"folder": str(benchmark)}])


def settings(number=1000, split_by="database", **more):
    sql = {"questions": "written", "split_by": split_by}
    return SynthesisSettings.model_validate({"num_questions": number, "sql": sql, **more})


def take(databases, tmp_path, *, seed=0, **more):
    made = synthesize(settings(**more), databases=databases, seed=seed, progress=Silent(), scratch=tmp_path)
    QUESTIONS.check(pa.Table.from_pylist(made.rows, schema=QUESTIONS.schema))
    return made


def by_split(rows, key):
    return {split: {row[key] for row in rows if row["split"] == split} for split in ("train", "validation", "test")}


def test_all_questions_of_the_source_are_taken_and_none_of_a_benchmark(databases, tmp_path):
    rows = take(databases, tmp_path).rows
    assert {row["id"] for row in rows} == {f"written-{id}-{n}" for id in IDS for n in range(EACH)}
    assert {row["domain"] for row in rows} == {"sql"}


def test_a_question_has_its_hint_behind_it_and_every_gold_query(databases, tmp_path):
    rows = {row["id"]: row for row in take(databases, tmp_path).rows}
    plain, hinted = rows["written-d0-0"], rows["written-d0-1"]
    assert (plain["prompt"], hinted["prompt"]) == ("What of d0-0?", "What of d0-1?\nHint: old is above 28")
    assert (plain["answer"], plain["gold_sql"], plain["aliases"]) == (RIGHT[0], RIGHT[0], RIGHT[1:])
    assert (plain["database_id"], plain["source_ids"], plain["level"]) == ("d0", ["d0"], "easy")


def test_no_database_is_in_two_splits(databases, tmp_path):
    found = by_split(take(databases, tmp_path).rows, "database_id")
    assert all(found.values())
    assert sum(len(ids) for ids in found.values()) == len(set.union(*found.values())) == len(IDS)


def test_where_questions_are_split_each_split_asks_about_many_databases(databases, tmp_path):
    found = take(databases, tmp_path, split_by="question").rows
    assert {split: len(ids) >= 3 for split, ids in by_split(found, "database_id").items()} == {
        "train": True,
        "validation": True,
        "test": True,
    }
    ids = by_split(found, "id")
    assert sum(len(part) for part in ids.values()) == len(set.union(*ids.values())) == len(IDS) * EACH
    assert len(ids["train"]) > len(ids["test"])


def test_no_more_are_taken_than_wanted_and_the_rest_is_counted(databases, tmp_path):
    made = take(databases, tmp_path, number=10)
    counts = {split: len(ids) for split, ids in by_split(made.rows, "id").items()}
    assert counts == {"train": 6, "validation": 2, "test": 2}
    counted = {row["reason"]: row["count"] for row in made.funnel.rows() if row["filter"] == "written"}
    assert counted == {"": 10, "beyond num_questions": len(IDS) * EACH - 10}


def test_the_seed_alone_decides(databases, tmp_path):
    first, again, other = (take(databases, tmp_path, number=10, seed=seed).rows for seed in (1, 1, 2))
    assert first == again
    assert {row["id"] for row in first} != {row["id"] for row in other}


def test_the_split_of_a_question_does_not_hang_on_how_many_are_wanted(databases, tmp_path):
    few, all_ = (
        {row["id"]: row["split"] for row in take(databases, tmp_path, **more, split_by="question").rows}
        for more in ({"number": 9}, {})
    )
    assert few.items() < all_.items()


def test_a_split_without_a_written_question_is_told(databases):
    known = load_databases(databases)
    with pytest.raises(SynthesisError, match="No question for the split 'validation'") as raised:
        take_written(databases, {"test": known[:3], "validation": [], "train": known[3:]}, settings(), seed=0)
    assert "synthesis.sql.questions=synthesized" in raised.value.next_step


def test_a_benchmark_keeps_the_order_and_the_places_of_its_file(databases):
    ((name, rows),) = read_benchmarks(databases).items()
    assert name == "bench"
    assert [row["id"] for row in rows] == ["bench-z", "bench-a"]
    assert {row["split"] for row in rows} == {"test"} and {row["database_id"] for row in rows} == {"bench/music"}
    assert rows[1]["prompt"] == "What of a?\nHint: a hint"
    QUESTIONS.check(pa.Table.from_pylist(rows, schema=QUESTIONS.schema))
    assert read_positions(databases, "bench") == {"bench-z": 0, "bench-a": 2}
    assert read_positions(databases, "other") == {}


def test_the_order_of_a_benchmark_is_that_of_its_file_and_not_of_the_table(databases, tmp_path):
    table = pq.read_table(databases / "written_questions.parquet")
    pq.write_table(table.take(list(range(table.num_rows))[::-1]), tmp_path / "written_questions.parquet")
    assert read_benchmarks(tmp_path) == read_benchmarks(databases)


def test_positions_of_the_source_are_known_by_the_ids_of_its_questions(databases, tmp_path):
    taken = {row["id"] for row in take(databases, tmp_path).rows}
    assert set(read_positions(databases, "")) == taken
    assert pq.read_table(databases / "written_questions.parquet").num_rows == len(taken) + 2
