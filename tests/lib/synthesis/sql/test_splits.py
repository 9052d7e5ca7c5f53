"""Databases fall into splits: none into two, and no split stays empty."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import SynthesisError
from lib.synthesis.sql.splits import split_databases

SHARES = st.tuples(st.floats(0.01, 0.98), st.floats(0.01, 0.98)).filter(lambda pair: sum(pair) < 1)


def split(number, validation=0.15, test=0.25, seed=0):
    ids = [f"database {place}" for place in range(number)]
    return split_databases(ids, validation_share=validation, test_share=test, seed=seed)


@given(st.integers(3, 300), SHARES, st.integers(0, 2**40))
def test_every_database_has_one_split_and_every_split_a_database(number, shares, seed):
    splits = split(number, *shares, seed=seed)
    assert set(splits) == {f"database {place}" for place in range(number)}
    assert set(splits.values()) == {"train", "validation", "test"}


@given(st.integers(3, 300), SHARES)
def test_no_held_out_split_is_larger_than_its_share_says(number, shares):
    counts = Counter(split(number, *shares).values())
    for name, share in zip(("validation", "test"), shares, strict=True):
        assert counts[name] <= max(1, round(number * share))


@pytest.mark.parametrize(
    ("number", "train", "validation", "test"),
    [(3, 1, 1, 1), (4, 2, 1, 1), (8, 5, 1, 2), (20, 12, 3, 5), (100, 60, 15, 25)],
)
def test_splits_have_their_shares(number, train, validation, test):
    assert Counter(split(number).values()) == {"train": train, "validation": validation, "test": test}


def test_shares_that_leave_nothing_for_training_leave_it_one_database():
    assert Counter(split(5, validation=0.04, test=0.95).values()) == {"train": 1, "validation": 1, "test": 3}
    assert Counter(split(5, validation=0.95, test=0.04).values()) == {"train": 1, "validation": 3, "test": 1}


def test_the_split_hangs_on_the_seed_and_not_on_the_order_of_the_databases():
    ids = [f"database {place}" for place in range(30)]
    shares = {"validation_share": 0.2, "test_share": 0.3}
    first = split_databases(ids, **shares, seed=1)
    assert split_databases(ids[::-1], **shares, seed=1) == first
    assert split_databases(ids, **shares, seed=2) != first


@pytest.mark.parametrize(("number", "words"), [(0, "are 0 databases"), (1, "is 1 database,"), (2, "are 2 databases")])
def test_fewer_databases_than_splits_are_told_with_what_to_do(number, words):
    with pytest.raises(SynthesisError, match=words) as raised:
        split(number)
    assert "synthesis.sql.split_by=question" in raised.value.next_step
