"""Steps go through the whole set before any item comes again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lib.learning.item_order import items_of_step


@given(st.integers(1, 30), st.integers(1, 10), st.integers(0, 5))
def test_every_pass_takes_every_item_once(num_items, per_step, seed):
    steps = -(-2 * num_items // per_step)
    drawn = [i for step in range(steps) for i in items_of_step(num_items, step=step, per_step=per_step, seed=seed)]
    assert sorted(drawn[:num_items]) == sorted(drawn[num_items : 2 * num_items]) == list(range(num_items))


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 5))
def test_a_step_takes_no_item_twice_even_where_it_spans_two_passes(num_items, per_step, seed):
    for step in range(3 * num_items // per_step + 2):
        drawn = items_of_step(num_items, step=step, per_step=per_step, seed=seed)
        assert len(drawn) == per_step
        assert len(set(drawn)) == min(per_step, num_items)


def test_passes_and_seeds_differ_in_their_order():
    first, second = (items_of_step(50, step=step, per_step=50, seed=1) for step in (0, 1))
    assert first != second
    assert first != items_of_step(50, step=0, per_step=50, seed=2)
