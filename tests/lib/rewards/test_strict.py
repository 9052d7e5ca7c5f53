"""The strict reward and its redundancy term, on hand-computed cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.rewards.redundancy import query_redundancy
from lib.rewards.strict import strict_reward


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        ([], 0.0),
        (["one query"], 0.0),
        (["a b", "a b"], 1.0),
        (["a b", "b c"], 1 / 3),
        (["a", "a", "b"], 1 / 3),
        (["a", "", "a"], 1.0),
        (["A b", "b, a!"], 1.0),
    ],
)
def test_redundancy_is_the_mean_pairwise_jaccard(queries, expected):
    assert query_redundancy(queries) == pytest.approx(expected)


@given(st.lists(st.text(max_size=12), max_size=5))
def test_redundancy_is_a_share_whatever_the_order(queries):
    assert 0 <= query_redundancy(queries) <= 1
    assert query_redundancy(queries) == pytest.approx(query_redundancy(queries[::-1]))


@pytest.mark.parametrize(
    ("correct", "well_formed", "success"), [(True, True, 1), (True, False, 0), (False, True, 0), (False, False, 0)]
)
def test_only_a_right_and_well_formed_episode_earns_the_reward(correct, well_formed, success):
    reward = strict_reward(correct=correct, well_formed=well_formed, queries=["a b", "b c"], redundancy_weight=0.1)
    assert reward.parts["success"] == success
    assert reward.value == pytest.approx(success - 0.1 / 3)
    assert reward.value == pytest.approx(sum(reward.parts.values()))
