"""Difficulty by the attempts of a judge: what is kept, what is counted, what is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lib.chat_endpoint import Usage
from lib.errors import SettingsError, SynthesisError
from lib.settings.load import load_settings
from lib.synthesis.judge import Exercise


class ScriptedJudge:
    """Counts as it is told; remembers what it was asked."""

    def __init__(self, count: Callable[[Exercise], int | None]):
        self._count = count
        self.usage = Usage()
        self.batches: list[list[Exercise]] = []

    def count_successes(self, exercises: list[Exercise]) -> list[int | None]:
        self.batches.append(exercises)
        return [self._count(exercise) for exercise in exercises]

    @property
    def asked(self) -> list[Exercise]:
        return [exercise for batch in self.batches for exercise in batch]


def by_length(exercise: Exercise) -> int:
    return len(exercise.prompt) % 4


def counts(funnel: list[dict], filter_: str) -> dict[str, int]:
    return {row["reason"]: row["count"] for row in funnel if row["filter"] == filter_}


def test_questions_are_kept_by_their_number_of_successes(towns: Path, make_questions: Callable) -> None:
    judge = ScriptedJudge(by_length)
    rows, funnel = make_questions(
        towns, num_questions=40, difficulty_min_successes=1, difficulty_max_successes=2, judge=judge
    )
    difficulties = {exercise.id: 1 - by_length(exercise) / 4 for exercise in judge.asked}
    assert {row["difficulty"] for row in rows} <= {0.75, 0.5}
    assert all(row["difficulty"] == difficulties[row["id"]] for row in rows)
    numbers = [by_length(exercise) for exercise in judge.asked]
    assert counts(funnel, "difficulty") == {
        "": len(rows),
        "too few attempts succeed": numbers.count(0),
        "too many attempts succeed": numbers.count(3),
    }
    assert funnel[0]["count"] == len(rows) + sum(row["count"] for row in funnel if row["reason"])
    went_on = [row["count"] for row in funnel if not row["reason"]]
    assert went_on == sorted(went_on, reverse=True)
    assert rows[0]["filters_passed"][-1] == "difficulty"


def test_a_judge_gets_whole_batches_with_answers_and_each_question_once(towns: Path, make_questions: Callable) -> None:
    judge = ScriptedJudge(lambda exercise: 0)
    rows, _ = make_questions(towns, num_questions=40, judge=judge)
    assert len(judge.batches) < 10
    asked = {exercise.id: exercise for exercise in judge.asked}
    assert len(asked) == len(judge.asked)
    for row in rows:
        exercise = asked[row["id"]]
        assert (exercise.prompt, exercise.answer) == (row["prompt"], row["answer"])
        assert list(exercise.aliases) == row["aliases"]


def test_a_broken_attempt_is_no_failure_of_the_judge(towns: Path, make_questions: Callable) -> None:
    judge = ScriptedJudge(lambda exercise: None if by_length(exercise) == 0 else 0)
    rows, funnel = make_questions(towns, num_questions=40, judge=judge)
    assert counts(funnel, "difficulty")["an attempt broke"] > 0
    assert not any(len(row["prompt"]) % 4 == 0 for row in rows)


def test_a_judge_takes_the_place_of_the_graph_measure(towns: Path, make_questions: Callable) -> None:
    rows, _ = make_questions(towns, num_questions=20, min_difficulty=0.99, judge=ScriptedJudge(lambda exercise: 0))
    assert {row["difficulty"] for row in rows} == {1.0}


def test_where_the_judge_answers_everything_the_error_says_so(towns: Path, make_questions: Callable) -> None:
    with pytest.raises(SynthesisError, match="too many attempts succeed") as raised:
        make_questions(towns, num_questions=10, judge=ScriptedJudge(lambda exercise: 4))
    assert "range of successes" in str(raised.value)


@pytest.mark.parametrize("overrides", [["min_successes=1"], ["min_successes=5", "max_successes=6"]])
def test_a_range_of_successes_that_holds_nothing_is_refused(overrides: list[str]) -> None:
    with pytest.raises(SettingsError, match="difficulty_min_successes must exceed neither"):
        load_settings("laptop", [f"synthesis.difficulty_{override}" for override in overrides])
