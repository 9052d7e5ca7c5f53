"""Pickers that do not know what is right, and the budget curve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.evaluation.test_time import (
    PICKERS,
    Sample,
    correct_within_budget,
    pick_fewest_calls,
    pick_majority,
    picked_correct,
    single_correct,
)

SAMPLES = st.lists(
    st.builds(Sample, st.sampled_from([None, "Oslo", "oslo.", "Bergen"]), st.integers(0, 5), st.booleans()),
    min_size=1,
    max_size=6,
)


def test_picks_computed_by_hand():
    samples = [
        Sample("Bergen", 3, False),
        Sample("Oslo", 4, True),
        Sample("Oslo", 5, True),  # the same answer
        Sample(None, 0, False),  # gave up at once
        Sample("Bodø", 1, False),
    ]
    assert pick_majority(samples).answer_key == "Oslo"
    assert pick_fewest_calls(samples).answer_key == "Bodø"
    assert single_correct(samples) == pytest.approx(0.4)
    assert (picked_correct(samples, "pick_majority"), picked_correct(samples, "pick_fewest_calls")) == (1.0, 0.0)


def test_equals_are_resolved_for_the_first_sample():
    samples = [Sample("a", 2, False), Sample("b", 2, True)]
    assert pick_majority(samples) is samples[0]
    assert pick_fewest_calls(samples) is samples[0]


def test_without_any_answer_nothing_is_picked_and_that_counts_as_wrong():
    samples = [Sample(None, 1, False)] * 3
    assert [picked_correct(samples, picker) for picker in PICKERS] == [0.0, 0.0]


@given(SAMPLES, st.sampled_from(sorted(PICKERS)))
def test_what_is_right_never_changes_the_pick(samples, picker):
    flipped = [Sample(s.answer_key, s.tool_calls, not s.correct) for s in samples]
    picked, other = PICKERS[picker](samples), PICKERS[picker](flipped)
    assert (picked is None) == (other is None)
    if picked is not None:
        assert samples.index(picked) == flipped.index(other)


@given(st.integers(0, 8), st.booleans())
def test_a_larger_budget_never_answers_less(calls, correct):
    curve = [correct_within_budget(Sample("x", calls, correct), budget) for budget in range(10)]
    assert curve == sorted(curve)
    assert curve[-1] == float(correct)
