"""Ranks get equal work, whole samples, and neighbours that begin alike."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from lib.learning.balance import share_out
from lib.learning.token_batch import Sample


def sample(tokens):
    return Sample(tokens, [False] + [True] * (len(tokens) - 1), [0.0] * len(tokens))


def cost(samples):
    """Distinct prefixes."""
    return len({tuple(one.tokens[:end]) for one in samples for end in range(1, len(one.tokens) + 1)})


@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=30), min_size=1, max_size=40),
    st.integers(1, 5),
)
def test_every_sample_has_one_rank_and_no_rank_much_more_than_its_share(rows, ranks):
    samples = [sample(tokens) for tokens in rows]
    parts = share_out(samples, ranks)
    assert len(parts) == ranks
    assert sorted(one.tokens for part in parts for one in part) == sorted(rows)
    longest = max(map(len, rows))
    # Beside its share a part computes what its first sample has in common with the part before.
    assert max(map(cost, parts)) <= cost(samples) / ranks + 2 * longest


def test_the_parts_do_not_depend_on_who_sampled_what():
    samples = [sample([number % 3, *range(number)]) for number in range(1, 20)]
    shuffled = random.Random(0).sample(samples, len(samples))
    assert [[s.tokens for s in part] for part in share_out(samples, 3)] == [
        [s.tokens for s in part] for part in share_out(shuffled, 3)
    ]


def test_without_samples_every_rank_has_none():
    assert share_out([], 3) == [[], [], []]
