"""The parts of an SQL episode's reward, by hand."""

from __future__ import annotations

from itertools import product

import pytest

from lib.rewards.sql_parts import sql_reward

NAMES = ("correct", "well_formed", "executable")
CASES = tuple(product([True, False], repeat=3))


@pytest.mark.parametrize(
    ("well_formed", "executable", "correct", "value"),
    [
        (True, True, True, 1.2),
        (False, True, True, 1.0),
        (True, True, False, -0.8),
        (True, False, False, -1.0),
        (False, True, False, -1.0),
        (False, False, False, -1.2),
    ],
)
def test_the_reward_is_the_sum_of_its_parts(well_formed, executable, correct, value):
    reward = sql_reward(well_formed=well_formed, executable=executable, correct=correct)
    assert reward.parts == {
        "format": 0.1 if well_formed else -0.1,
        "executable": 0.1 if executable else -0.1,
        "result": 1.0 if correct else -1.0,
    }
    assert reward.value == pytest.approx(value) == pytest.approx(sum(reward.parts.values()))


def test_a_group_teaches_where_results_differ_and_not_where_only_forms_do():
    signals = {case: sql_reward(**dict(zip(NAMES, case, strict=True))).signal for case in CASES}
    assert {signal for case, signal in signals.items() if case[0]} == {1.0}
    assert {signal for case, signal in signals.items() if not case[0]} == {0.0}


def test_a_right_result_outweighs_every_form():
    values = {case: sql_reward(**dict(zip(NAMES, case, strict=True))).value for case in CASES}
    assert min(values[case] for case in CASES if case[0]) > max(values[case] for case in CASES if not case[0])
