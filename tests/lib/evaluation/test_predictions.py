"""Answers in the formats of the official evaluators: a line a question, in the order of the benchmark's file."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.questions import QUESTIONS
from lib.evaluation.predictions import NO_ANSWER, write_predictions
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.executor.result import DatabaseFile
from lib.synthesis.sql.written import read_benchmarks, read_positions
from tests.small_databases import MUSIC, TOWNS, asked, collect, write_benchmark, write_sqlite

NAMES = "SELECT name\nFROM singer"


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    """A benchmark on two databases whose second question is set aside."""
    folder = tmp_path_factory.mktemp("databases")
    questions = [
        asked("d", NAMES),
        asked("c", "SELECT shoe FROM singer"),
        asked("b", "SELECT count(*) FROM town;", database="towns"),
        asked("a", "SELECT 1"),
    ]
    bench = write_benchmark(folder / "bench", {"music": MUSIC, "towns": TOWNS}, questions)
    source = {"type": "embedded", "ids": ["chemical_elements"]}
    return collect(folder / "out", source=source, benchmarks=[{"folder": str(bench)}])


def export(databases, folder, answers, *, backwards=False):
    """The files for one policy that gives these answers, by the ids of the file."""
    rows = read_benchmarks(databases)["bench"]
    questions = pa.Table.from_pylist(rows[::-1] if backwards else rows, schema=QUESTIONS.schema)
    episodes = pa.table(
        {
            "question_id": pa.array([f"bench-{id}" for id in answers], pa.string()),
            "answer": pa.array(list(answers.values()), pa.string()),
        }
    )
    write_predictions(folder, questions, {"base": episodes}, read_positions(databases, "bench"))
    return {path.name: path.read_text() for path in folder.iterdir()}


ANSWERS = {"a": "SELECT 2", "b": "SELECT 3", "d": "SELECT 4"}


@pytest.mark.parametrize("backwards", [False, True])
def test_lines_stand_in_the_order_of_the_benchmarks_file(databases, tmp_path, backwards):
    files = export(databases, tmp_path / "out", ANSWERS, backwards=backwards)
    assert set(files) == {"gold.sql", "base.sql", "base.json"}
    assert files["gold.sql"] == "SELECT name FROM singer\tmusic\nSELECT count(*) FROM town\ttowns\nSELECT 1\tmusic\n"
    assert files["base.sql"] == "SELECT 4\nSELECT 3\nSELECT 2\n"


def test_bird_gets_numbers_of_its_own_file_and_the_database(databases, tmp_path):
    files = export(databases, tmp_path / "out", ANSWERS)
    told = json.loads(files["base.json"])
    assert list(told) == ["0", "2", "3"]
    assert told["2"].split("\t----- bird -----\t") == ["SELECT 3", "towns"]


@pytest.mark.parametrize("missing", [{"b": None}, {"b": ""}, {"b": " ; "}, {"b": "-- nothing"}, {}])
def test_a_question_without_an_answer_still_has_its_line(databases, tmp_path, missing):
    files = export(databases, tmp_path / "out", {"a": "SELECT 2", "d": "SELECT 4"} | missing)
    assert files["base.sql"].splitlines() == ["SELECT 4", NO_ANSWER, "SELECT 2"]
    assert json.loads(files["base.json"])["2"].startswith(NO_ANSWER)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ("SELECT name\r\n\tFROM singer\n;\n", "SELECT name FROM singer"),
        ("SELECT 1 -- the first\n+ 1", "SELECT 1 + 1"),
        ("SELECT 1 /* one\n two */ + 1", "SELECT 1 + 1"),
        ("SELECT 'a  b -- c', \"d  e\"", "SELECT 'a  b -- c', \"d  e\""),
        ("SELECT 'it''s\ta\nbreak'", "SELECT 'it''s a break'"),
        ("SELECT '東京' ;;", "SELECT '東京'"),
        ("SELECT 'open\nend", "SELECT 'open end"),
    ],
)
def test_an_answer_is_one_line_that_means_the_same(databases, tmp_path, answer, line):
    files = export(databases, tmp_path / "out", ANSWERS | {"b": answer})
    assert files["base.sql"].splitlines()[1] == line


def test_a_line_gives_the_result_of_the_answer(databases, tmp_path):
    answer = "SELECT name -- who\n, age /* how\nold */ FROM singer\nWHERE name <> 'A -- B' AND name <> 'A  /* B'"
    line = export(databases, tmp_path / "out", ANSWERS | {"b": answer})["base.sql"].splitlines()[1]
    file = DatabaseFile("sqlite", str(write_sqlite(tmp_path / "music.sqlite", MUSIC)))
    with Pool(1) as pool:
        first, second = pool.run_many([(file, answer), (file, line)])
    assert first.rows == second.rows and first.num_rows == 3


@given(st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8"))), min_size=3, max_size=3))
def test_whatever_is_answered_every_question_has_one_line_without_a_tab(databases, answers):
    with tempfile.TemporaryDirectory() as folder:
        files = export(databases, Path(folder) / "out", dict(zip("abd", answers, strict=True)))
    for name, columns in (("base.sql", 1), ("gold.sql", 2)):
        lines = files[name].splitlines()
        assert len(lines) == 3 and all(line.strip() and len(line.split("\t")) == columns for line in lines)
    assert len(json.loads(files["base.json"])) == 3
