"""What is measured of SQL answers: levels, queries that run, and majorities by result."""

from __future__ import annotations

import pyarrow as pa
import pytest

from data_contracts.questions import QUESTIONS
from lib.evaluation.metrics import greedy_values, sampled_values, samples_by_question
from lib.evaluation.test_time import Sample, pick_majority
from lib.sources.sql.executor.result import ErrorKind, Result, failed
from lib.sources.sql.results.key import result_key

RIGHT = result_key(Result(columns=("name", "age"), rows=(("Ann", 30), ("Cid", 41)), num_rows=2))
OTHER = result_key(Result(columns=("name",), rows=(("Bob",),), num_rows=1))


def test_samples_vote_by_what_their_queries_give_and_not_by_how_they_are_written():
    turned = result_key(Result(columns=("years", "who"), rows=((41, "Cid"), (30.0, "Ann")), num_rows=2))
    broken = result_key(failed(ErrorKind.SYNTAX, "no SQL"))
    samples = [Sample(OTHER, 1, False), Sample(broken, 0, False), Sample(RIGHT, 3, True), Sample(turned, 2, True)]
    assert pick_majority(samples) is samples[2]


def test_queries_that_do_not_run_have_no_vote_however_many_they_are():
    samples = [Sample(None, 0, False)] * 3 + [Sample(RIGHT, 2, True)]
    assert pick_majority(samples).answer_key == RIGHT
    assert pick_majority(samples[:3]) is None


def test_the_majority_of_episodes_is_found_by_their_keys(episode, episode_table):
    answers = [("SELECT 1", OTHER, False), ("SELECT 2", RIGHT, True), ("SELECT 3", RIGHT, True), ("SELEC", None, False)]
    rows = [
        episode("q", domain="sql", sample=place, answer=answer, answer_key=key, correct=correct)
        for place, (answer, key, correct) in enumerate(answers)
    ]
    values = sampled_values(samples_by_question(episode_table(rows)), 4)
    assert values["pick_majority", 4] == [1.0]
    assert values["pick_single", 1] == [0.5]


def test_greedy_answers_are_measured_by_level_and_by_whether_they_run(question_table, episode, episode_table):
    levels = {"test-0": "easy", "test-1": "extra", "test-2": None, "test-3": "easy"}
    told = [
        row | {"domain": "sql", "database_id": "music", "level": levels[row["id"]]}
        for row in question_table(4).to_pylist()
    ]
    rows = [
        episode("test-0", answer="SELECT 1", answer_key=RIGHT, correct=True),
        episode("test-1", answer="SELECT 1", answer_key=OTHER),
        episode("test-2", answer="SELEC", answer_key=None),
        episode("test-3", calls=2),
    ]
    values = greedy_values(
        episode_table([row | {"domain": "sql"} for row in rows]), pa.Table.from_pylist(told, schema=QUESTIONS.schema)
    )
    assert values["executable_rate"] == {"test-0": 1.0, "test-1": 1.0, "test-2": 0.0, "test-3": 0.0}
    assert values["accuracy_level_easy"] == {"test-0": 1.0, "test-3": 0.0}
    assert values["accuracy_level_extra"] == {"test-1": 0.0}
    assert values["accuracy_level_unknown"] == {"test-2": 0.0}
    assert values["accuracy"] == pytest.approx({"test-0": 1.0, "test-1": 0.0, "test-2": 0.0, "test-3": 0.0})
    assert not any(name in values for name in ("f1", "accuracy_hops_1"))
