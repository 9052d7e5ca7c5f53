"""The unbiased estimator."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.evaluation.pass_at_k import list_ks, pass_at_k


def test_five_samples_two_right_two_drawn_give_seven_tenths():
    assert pass_at_k(np.array([5]), np.array([2]), 2).tolist() == pytest.approx([0.7])


@given(st.integers(1, 40), st.data())
def test_it_equals_one_minus_the_share_of_draws_without_a_right_sample(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    assert pass_at_k(np.array([n]), np.array([c]), k)[0] == pytest.approx(1 - comb(n - c, k) / comb(n, k))


def test_it_equals_counting_all_draws():
    right = [True, False, False, True, False, False]
    draws = list(combinations(right, 3))
    assert pass_at_k(np.array([6]), np.array([2]), 3)[0] == pytest.approx(sum(map(any, draws)) / len(draws))


def test_questions_may_have_different_numbers_of_samples():
    assert pass_at_k(np.array([5, 2, 4]), np.array([2, 1, 0]), 2).tolist() == pytest.approx([0.7, 1.0, 0.0])


def test_many_samples_do_not_overflow():
    assert pass_at_k(np.array([5000]), np.array([1]), 2500)[0] == pytest.approx(0.5)


@pytest.mark.parametrize(("n", "c", "k"), [(3, 1, 4), (3, 1, 0), (3, 4, 1), (3, -1, 1)])
def test_impossible_counts_are_refused(n, c, k):
    with pytest.raises(ValueError):
        pass_at_k(np.array([n]), np.array([c]), k)


def test_the_curve_doubles_up_to_the_samples():
    assert [list_ks(n) for n in (1, 4, 6)] == [[1], [1, 2, 4], [1, 2, 4, 6]]
