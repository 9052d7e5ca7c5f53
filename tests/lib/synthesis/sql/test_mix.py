"""A set of questions keeps to its mix, as a whole and in its parts."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.settings.sql_synthesis import Shape, SqlSynthesisSettings
from lib.sources.sql.hardness import LEVELS
from lib.synthesis.sql.draw import SHAPES
from lib.synthesis.sql.mix import Mix

SHARES = {"easy": 0.25, "medium": 0.4, "hard": 0.2, "extra": 0.15}
SHAPE = next(iter(SHAPES))


def room(mix, level):
    """How many more it takes of a level; it is full of it after that."""
    taken = 0
    while mix.has_room(level):
        mix.take(SHAPE, level)
        taken += 1
    return taken


def test_each_level_has_room_for_its_share():
    mix = Mix(60, SHARES, {})
    assert {level: room(mix, level) for level in LEVELS} == {"easy": 15, "medium": 24, "hard": 12, "extra": 9}


def test_shares_need_not_add_up_to_one():
    mix = Mix(10, {"easy": 3, "hard": 1}, {})
    assert {level: room(mix, level) for level in LEVELS} == {"easy": 8, "medium": 0, "hard": 3, "extra": 0}


@given(st.integers(1, 400), st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda shares: sum(shares) > 0.01))
def test_the_levels_have_room_for_all_that_is_wanted_and_hardly_more(wanted, shares):
    mix = Mix(wanted, dict(zip(LEVELS, shares, strict=True)), {})
    assert wanted <= sum(room(mix, level) for level in LEVELS) <= wanted + 2 * len(LEVELS)


def test_what_is_given_back_can_be_taken_again():
    mix = Mix(4, {"easy": 1}, {})
    assert room(mix, "easy") == 4
    mix.give_back(SHAPE, "easy")
    assert room(mix, "easy") == 1


def test_what_the_whole_has_no_room_for_has_none_in_a_part():
    whole = Mix(10, {"easy": 1}, {})
    first, second = (Mix(8, {"easy": 1}, {}, whole=whole) for _ in range(2))
    assert (room(first, "easy"), room(second, "easy")) == (8, 2)
    first.give_back(SHAPE, "easy")
    assert whole.has_room("easy") and second.has_room("easy")
    assert room(second, "easy") == 1 and not first.has_room("easy")


def test_a_part_is_full_while_the_whole_is_not():
    whole = Mix(10, {"easy": 1}, {})
    part = Mix(3, {"easy": 1}, {}, whole=whole)
    assert room(part, "easy") == 3
    assert whole.has_room("easy") and room(whole, "easy") == 7


def draws(mix, number=4000):
    random = Random(0)
    return Counter(mix.draw_shape(random) for _ in range(number))


def test_shapes_that_are_taken_as_they_are_drawn_end_up_with_their_weights():
    weights = SqlSynthesisSettings().shapes
    mix, random, taken = Mix(2000, SHARES, weights), Random(0), Counter()
    for _ in range(2000):
        shape = mix.draw_shape(random)
        mix.take(shape, "easy")
        taken[shape] += 1
    total = sum(weights.get(shape, 1.0) for shape in SHAPES)
    for shape in SHAPES:
        assert taken[shape] == pytest.approx(2000 * weights.get(shape, 1.0) / total, rel=0.25), shape


def test_the_settings_know_the_shapes_and_one_without_weight_is_never_drawn():
    assert get_args(Shape) == tuple(SHAPES)
    assert set(draws(Mix(100, SHARES, {SHAPE: 0}))) == set(SHAPES) - {SHAPE}
    with pytest.raises(ValueError, match="leave at least one shape"):
        SqlSynthesisSettings(shapes=dict.fromkeys(SHAPES, 0))


def test_a_shape_that_has_its_share_is_drawn_seldom_and_not_never():
    mix = Mix(100, SHARES, {})
    before = draws(mix)[SHAPE]
    for _ in range(100):
        mix.take(SHAPE, "easy")
    assert 0 < draws(mix)[SHAPE] < before / 4


def test_a_shape_that_gave_only_levels_without_room_is_drawn_seldom_and_not_never():
    mix = Mix(100, {"easy": 1}, {})
    before = draws(mix)[SHAPE]
    for _ in range(30):
        mix.saw(SHAPE, "hard")
    assert 0 < draws(mix)[SHAPE] < before / 4
    for _ in range(300):
        mix.saw(SHAPE, "easy")
    assert draws(mix)[SHAPE] > before / 2


def test_a_part_counts_for_the_shapes_of_the_whole():
    whole = Mix(100, SHARES, {})
    part = Mix(100, SHARES, {}, whole=whole)
    before = draws(whole)[SHAPE]
    for _ in range(100):
        part.take(SHAPE, "easy")
    assert draws(whole)[SHAPE] < before / 4
