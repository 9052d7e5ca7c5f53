"""Parts take every row that has work and little else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.policy.row_parts import SHARE, WORTH, split_rows, work_of

MOST_PADDING = SHARE * (1 + np.log(1 / SHARE))
rows = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4000)), min_size=1, max_size=120)


def as_arrays(pairs):
    widths = np.array([width for width, _ in pairs], dtype=np.int64)
    return widths, np.array([length if width else 0 for width, length in pairs], dtype=np.int64)


@given(rows)
def test_every_row_with_work_is_in_one_part_that_has_room_for_it(pairs):
    widths, lengths = as_arrays(pairs)
    parts = list(split_rows(widths, lengths))
    covered = [row for part in parts for row in range(part.start, part.stop)]
    assert covered == sorted(set(covered)) and set(np.flatnonzero(widths)) <= set(covered)
    for part in parts:
        assert widths[part.start] and widths[part.stop - 1], "rows at the ends of a part take part"
        assert part.width == widths[part.start : part.stop].max()
        assert part.length == lengths[part.start : part.stop].max()


@given(rows)
def test_rows_in_the_order_of_their_length_have_a_bounded_share_of_padding(pairs):
    lengths = np.sort(np.array([length for _, length in pairs], dtype=np.int64))[::-1]
    widths = np.ones_like(lengths)
    for part in split_rows(widths, lengths):
        padding = part.work - work_of(1, lengths[part.start : part.stop]).sum()
        # Less than it is worth splitting for, at each of the places where a split could be.
        most = max(MOST_PADDING * part.work, WORTH * (1 + np.log(max(1.0, part.work / WORTH))))
        assert padding <= most + work_of(1, part.length)  # a split stands between rows


def test_one_long_row_among_many_short_ones_attends_by_itself():
    lengths = np.full(64, 256)
    lengths[0] = 8192
    parts = list(split_rows(np.ones_like(lengths), lengths))
    assert [(part.start, part.stop, part.length) for part in parts] == [(0, 1, 8192), (1, 64, 256)]


def test_rows_without_work_before_between_and_after_others_cost_nothing():
    widths = np.zeros(300, dtype=np.int64)
    widths[40:60] = widths[200:220] = 1
    assert [(part.start, part.stop) for part in split_rows(widths, widths * 1024)] == [(40, 60), (200, 220)]
    assert not list(split_rows(widths * 0, widths * 0))


@pytest.mark.parametrize("rest", [1, 2, 64])
def test_where_little_is_to_be_spared_nothing_is_split(rest):
    lengths = np.array([512] * rest + [384] * rest)
    assert len(list(split_rows(np.ones_like(lengths), lengths))) == (2 if rest == 64 else 1)
