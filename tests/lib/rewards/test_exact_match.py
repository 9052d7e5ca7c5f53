"""Answers compare as open question answering compares them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.rewards.exact_match import is_correct, normalize_answer, token_f1


@pytest.mark.parametrize(
    ("given_answer", "gold"),
    [
        ("The  North.", "north"),
        ("1,234,567", "1234567"),
        ("1\u202f234", "1234"),
        ("ＮＯＲＴＨ", "north"),
        ("Asia/Tokyo", "asia tokyo"),
        ("São Tomé", "São Tomé"),
        ("STRASSE", "straße"),
    ],
)
def test_forms_of_one_answer_are_equal(given_answer, gold):
    assert is_correct(given_answer, gold)


@pytest.mark.parametrize(
    ("given_answer", "gold"), [("North East", "North"), ("", "North"), (None, "North"), ("3", "4")]
)
def test_other_answers_are_wrong(given_answer, gold):
    assert not is_correct(given_answer, gold)


def test_an_alias_is_as_good_as_the_answer():
    assert is_correct("Reino de España", "Spain", ["Reino de España"])


def test_an_answer_made_of_an_article_is_not_erased():
    assert is_correct("A", "a") and not is_correct("the", "a")


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalize_answer(normalize_answer(text)) == normalize_answer(text)


def test_f1_counts_shared_words():
    assert token_f1("the north sea", ["north"]) == pytest.approx(2 / 3)
    assert token_f1("north", ["south", "north"]) == 1.0
    assert token_f1(None, ["north"]) == 0.0


def test_a_number_keeps_its_sign():
    assert not is_correct("5", "-5")
    assert is_correct("\N{MINUS SIGN}5.0 degrees", "-5.0 degrees")
    assert is_correct("1990-1995", "1990 1995")
