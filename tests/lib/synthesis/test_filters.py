"""Filters that any domain shares."""

from __future__ import annotations

import pytest

from lib.synthesis.filters.balance import BalanceFilter
from lib.synthesis.filters.contamination import ContaminationFilter
from lib.synthesis.filters.difficulty import within_difficulty, within_successes
from lib.synthesis.filters.duplicates import DuplicateFilter
from lib.synthesis.filters.leak import leaks_answer, names_hidden


@pytest.mark.parametrize(
    ("prompt", "answer", "aliases", "kept"),
    [
        ("What is the capital of Iceland?", "Reykjavík", [], True),
        ("Which city does Reykjavik Airport serve?", "Reykjavík", [], False),
        ("What is the currency of Iceland?", "Iceland Krona", [], False),
        ("Which country is also called Éire?", "Ireland", ["Eire"], False),
        ("Which top level domain is used in Iceland?", ".is", ["is"], False),
        ("Which symbol does Iron have?", "Fe", [], True),
        ("In which country does Tirana lie?", "Iran", [], False),
        ("What is the capital of Japan?", "東京", [], True),
        ("東京 lies where?", "東京", [], False),
    ],
)
def test_a_prompt_must_not_give_the_answer_away(prompt: str, answer: str, aliases: list[str], kept: bool) -> None:
    keep, reason = leaks_answer(prompt, answer, aliases)
    assert keep is kept
    assert bool(reason) is not kept


def test_hidden_names_count_as_whole_words() -> None:
    assert names_hidden("Where does Chadwick Airport lie?", ["Chad"]) == (True, "")
    assert not names_hidden("What is the capital of the country Chad?", ["Chad"])[0]


def test_near_duplicates_are_dropped_and_others_kept() -> None:
    filter_ = DuplicateFilter(0.7)
    words = "What is the currency of the country in which the small town of Dorf near the long river lies today"
    assert filter_.check(words)[0]
    assert not filter_.check(words)[0]
    assert not filter_.check(words + " indeed")[0]
    assert filter_.check("Which element did Henri Moissan discover?")[0]


@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.9, 0.95, 1.0])
def test_every_threshold_that_the_settings_allow_finds_equal_texts(threshold: float) -> None:
    filter_ = DuplicateFilter(threshold)
    assert [filter_.check(text)[0] for text in ("Where is Bern today?", "Where is Bern today?")] == [True, False]


def test_contamination_means_an_equal_path_or_an_equal_pair() -> None:
    filter_ = ContaminationFilter()
    filter_.hold_out(("a", "b", "c"), ("Iceland", "Krona"))
    assert not filter_.check(("a", "b", "c"), ("Iceland", "x"))[0]
    assert not filter_.check(("a", "z"), ("iceland", "KRONA"))[0]
    assert filter_.check(("a", "b"), ("Iceland", "x")) == (True, "")


def test_a_held_out_question_can_be_taken_back() -> None:
    filter_ = ContaminationFilter()
    filter_.hold_out(("a", "b", "c"), ("Iceland", "Krona"))
    filter_.hold_out(("d", "e"), ("Norway", "Krone"))
    filter_.release(("a", "b", "c"), ("ICELAND", "krona"))
    assert filter_.check(("a", "b", "c"), ("Iceland", "Krona")) == (True, "")
    assert not filter_.check(("d", "e"), ("x", "y"))[0]


def test_balance_caps_answers_and_patterns_and_gives_room_back() -> None:
    filter_ = BalanceFilter(wanted=100, answer_share=0.04, pattern_share=0.5)
    assert [filter_.check("euro", i)[0] for i in range(6)] == [True] * 4 + [False] * 2
    filter_.release("euro", 0)
    assert filter_.check("euro", 9)[0]
    assert [filter_.check(i, "same")[0] for i in range(60)].count(True) == 50


def test_difficulty_is_a_range_of_a_measure_or_of_successes() -> None:
    assert within_difficulty(0.5, low=0.4, high=0.6) == (True, "")
    assert within_difficulty(0.3, low=0.4, high=0.6) == (False, "easier than min_difficulty")
    assert within_difficulty(0.7, low=0.4, high=0.6) == (False, "harder than max_difficulty")
    assert within_successes(0, low=0, high=0) == (True, "")
    assert within_successes(2, low=0, high=0) == (False, "too many attempts succeed")
    assert within_successes(0, low=1, high=3) == (False, "too few attempts succeed")
    assert within_successes(None, low=0, high=4) == (False, "an attempt broke")
