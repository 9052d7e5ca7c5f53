from hypothesis import given
from hypothesis import strategies as st

from lib.learning.domain_shares import share_groups

NAMES = ["knowledge", "sql", "vision"]


def test_domains_share_alike_where_nothing_is_said():
    assert share_groups(6, NAMES[:2], {}) == {"knowledge": 3, "sql": 3}
    assert share_groups(7, NAMES[:2], {}) == {"knowledge": 4, "sql": 3}


def test_weights_are_relative_and_none_goes_without_while_there_are_enough():
    assert share_groups(8, NAMES[:2], {"sql": 3}) == {"knowledge": 2, "sql": 6}
    assert share_groups(4, NAMES[:2], {"sql": 100}) == {"knowledge": 1, "sql": 3}
    assert share_groups(1, NAMES[:2], {"sql": 100}) == {"knowledge": 0, "sql": 1}


def test_a_weight_of_0_leaves_a_domain_out():
    assert share_groups(4, NAMES[:2], {"knowledge": 0}) == {"sql": 4}


@given(st.integers(1, 50), st.lists(st.floats(0.01, 100), min_size=1, max_size=3))
def test_every_group_belongs_to_one(groups, weights):
    names = NAMES[: len(weights)]
    shares = share_groups(groups, names, dict(zip(names, weights, strict=True)))
    assert sum(shares.values()) == groups
    assert min(shares.values()) >= (groups >= len(names))
