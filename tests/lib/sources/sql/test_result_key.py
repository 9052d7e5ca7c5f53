"""Results that are the same have one key, and others have another."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.sources.sql.executor.result import ErrorKind, Result, failed
from lib.sources.sql.results.compare import same_result
from lib.sources.sql.results.key import result_key

CELLS = st.sampled_from([None, 1, 2, 3, "1", "x", 0.5, b"x"])


@st.composite
def tables(draw):
    width = draw(st.integers(1, 4))
    return draw(st.lists(st.tuples(*[CELLS] * width), max_size=6))


def result(rows, columns=None):
    columns = columns or tuple(f"c{place}" for place in range(len(rows[0]) if rows else 1))
    return Result(columns=columns, rows=tuple(map(tuple, rows)), num_rows=len(rows))


@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_changes_nothing(rows, random):
    width = len(rows[0]) if rows else 1
    order = random.sample(range(width), width)
    turned = [tuple(row[place] for place in order) for row in random.sample(rows, len(rows))]
    assert result_key(result(turned)) == result_key(result(rows))


@given(tables(), tables())
def test_tables_have_one_key_exactly_where_they_are_the_same(first, second):
    one, other = result(first), result(second)
    if len(one.columns) == len(other.columns):
        assert (result_key(one) == result_key(other)) == same_result(one, other)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([(1, 2), (3, 4)], [(1, 2), (4, 3)]),
        ([(1, 2), (3, 4)], [(1, 4), (3, 2)]),
        ([(1,)], [("1",)]),
        ([(1,)], [(1,), (1,)]),
        ([(None,)], [("None",)]),
        ([("x",)], [(b"x",)]),
        ([(1, 1)], [(1,)]),
    ],
)
def test_other_results_have_another_key(first, second):
    assert result_key(result(first)) != result_key(result(second))


def test_a_schedule_of_matches_has_one_key_from_whichever_match_it_begins():
    matches = [("A", "B"), ("B", "C"), ("C", "A")]
    keys = {result_key(result(matches[place:] + matches[:place])) for place in range(3)}
    assert len(keys) == 1


def test_equal_numbers_count_as_one_whatever_their_type():
    assert len({result_key(result([(number,)])) for number in (3, 3.0, Decimal("3.00"), True + 2)}) == 1
    assert result_key(result([(0.1 + 0.2,)])) == result_key(result([(0.3,)]))


def test_empty_results_differ_by_their_number_of_columns():
    assert result_key(result([], ("a",))) == result_key(result([], ("b",))) != result_key(result([], ("a", "b")))


def test_a_failure_and_a_result_that_is_cut_off_have_no_key():
    assert result_key(failed(ErrorKind.SYNTAX, "no SQL")) is None
    assert result_key(Result(columns=("a",), rows=((1,),), num_rows=9, truncated=True)) is None


def test_cells_of_every_type_have_a_place_in_the_key():
    rows = [(None, b"\x00", [1, {"a": 2}], float("nan")), (float("inf"), "", "x", True)]
    assert result_key(result(rows)) == result_key(result(rows[::-1]))
