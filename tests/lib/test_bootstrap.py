"""Intervals over questions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.bootstrap import bootstrap_difference, bootstrap_mean


def test_a_nominal_95_percent_interval_covers_the_truth_about_as_often():
    generator = np.random.default_rng(0)
    draws = generator.random((300, 120)) < 0.4
    intervals = [bootstrap_mean(draw, resamples=400, seed=i) for i, draw in enumerate(draws)]
    covered = np.mean([interval.low <= 0.4 <= interval.high for interval in intervals])
    assert 0.90 <= covered <= 0.985


def test_equal_seeds_give_equal_intervals_and_other_seeds_do_not():
    values = np.random.default_rng(1).random(50)
    first = bootstrap_mean(values, resamples=500, seed=3)
    assert first == bootstrap_mean(values, resamples=500, seed=3)
    assert first != bootstrap_mean(values, resamples=500, seed=4)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 100))
def test_the_interval_holds_the_value(values, seed):
    interval = bootstrap_mean(np.array(values), resamples=100, seed=seed)
    assert interval.low <= interval.value <= interval.high
    assert interval.n == len(values)


def test_the_width_shrinks_with_the_root_of_the_questions():
    generator = np.random.default_rng(2)
    widths = []
    for n in (100, 400):
        interval = bootstrap_mean(generator.random(n) < 0.5, resamples=2000, seed=0)
        widths.append(interval.high - interval.low)
    assert widths[0] / widths[1] == pytest.approx(2.0, rel=0.2)


def test_pairing_narrows_the_interval_of_a_difference():
    generator = np.random.default_rng(5)
    hard = generator.random(200)
    early, late = hard < 0.5, hard < 0.55
    paired = bootstrap_difference(late, early, resamples=1000, seed=0)
    shuffled = bootstrap_difference(generator.permutation(late), early, resamples=1000, seed=0)
    assert paired.value == pytest.approx(late.mean() - early.mean())
    assert paired.high - paired.low < 0.7 * (shuffled.high - shuffled.low)


@pytest.mark.parametrize(("n", "most"), [(1, 0.975), (20, 0.1684), (200, 0.0183)])
def test_where_all_questions_come_out_the_same_the_exact_interval_stands(n, most):
    wrong = bootstrap_mean(np.zeros(n), resamples=100, seed=0, is_share=True)
    right = bootstrap_mean(np.ones(n), resamples=100, seed=0, is_share=True)
    assert (wrong.value, wrong.low, wrong.high) == (0.0, 0.0, pytest.approx(most, abs=1e-4))
    assert (right.value, right.low, right.high) == (1.0, pytest.approx(1 - most, abs=1e-4), 1.0)


def test_counts_and_differences_that_agree_keep_the_bootstrap():
    assert bootstrap_mean(np.ones(9), resamples=100, seed=0).low == 1.0
    assert bootstrap_mean(np.full(9, 0.5), resamples=100, seed=0, is_share=True).low == 0.5
    gain = bootstrap_difference(np.zeros(9), np.zeros(9), resamples=100, seed=0)
    assert (gain.low, gain.high) == (0.0, 0.0)


def test_blocks_of_draws_do_not_change_the_result(monkeypatch):
    values = np.random.default_rng(0).random(64)
    whole = bootstrap_mean(values, resamples=300, seed=9)
    monkeypatch.setattr("lib.bootstrap.BLOCK", 640)
    assert bootstrap_mean(values, resamples=300, seed=9) == whole


def test_no_questions_and_unequal_questions_are_refused():
    with pytest.raises(ValueError, match="at least one question"):
        bootstrap_mean(np.array([]), resamples=100, seed=0)
    with pytest.raises(ValueError, match="same questions"):
        bootstrap_difference(np.ones(3), np.ones(2), resamples=100, seed=0)
