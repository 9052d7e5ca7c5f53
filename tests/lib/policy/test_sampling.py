"""Sampling follows the distribution that its log-probabilities state."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lib.policy.sampling import sample_tokens

LOGITS = torch.log(torch.tensor([0.5, 0.25, 0.15, 0.1]))


def draw(count, *, temperature=1.0, top_p=1.0):
    numbers = np.random.default_rng(0).random(count).tolist()
    return sample_tokens(
        LOGITS.repeat(count, 1), temperature=[temperature] * count, top_p=[top_p] * count, uniform=numbers
    )


def test_frequencies_match_the_probabilities():
    tokens, _ = draw(20_000)
    shares = np.bincount(tokens, minlength=4) / 20_000
    assert shares == pytest.approx([0.5, 0.25, 0.15, 0.1], abs=0.015)


def test_logprobs_are_those_of_the_heated_distribution():
    tokens, logprobs = draw(50, temperature=2.0)
    heated = torch.log_softmax(LOGITS / 2, dim=-1)
    assert logprobs == pytest.approx([heated[token].item() for token in tokens])


def test_the_nucleus_leaves_out_the_tail_and_is_renormalised():
    tokens, logprobs = draw(2_000, top_p=0.7)
    assert set(tokens) == {0, 1}
    assert {round(math.exp(value), 4) for value in logprobs} == {round(2 / 3, 4), round(1 / 3, 4)}


def test_temperature_zero_takes_the_most_probable_token():
    tokens, logprobs = draw(5, temperature=0.0)
    assert tokens == [0] * 5
    assert logprobs == pytest.approx([math.log(0.5)] * 5)


def test_the_largest_number_below_one_still_gives_a_possible_token():
    logits = torch.tensor([[0.0, 0.0, float("-inf")]])
    tokens, _ = sample_tokens(logits, temperature=[1.0], top_p=[1.0], uniform=[np.nextafter(1.0, 0.0)])
    assert tokens[0] in (0, 1)


@pytest.mark.parametrize("vocabulary", [1_000, 1_024], ids=["a last block that is not full", "full blocks"])
def test_over_many_tokens_the_drawn_one_is_where_the_running_sum_passes_the_number(vocabulary):
    numbers = np.random.default_rng(1).random(500)
    logits = torch.randn(500, vocabulary, generator=torch.Generator().manual_seed(0))
    logits[:, ::3] = float("-inf")
    tokens, logprobs = sample_tokens(logits, temperature=[1.0] * 500, top_p=[1.0] * 500, uniform=numbers.tolist())
    mass = logits.double().softmax(-1).cumsum(-1).numpy()
    rows = np.arange(500)
    assert (mass[rows, tokens] >= numbers - 1e-5).all()
    before = np.where(np.asarray(tokens) > 0, mass[rows, np.asarray(tokens) - 1], 0.0)
    assert (before <= numbers + 1e-5).all()
    assert logprobs == pytest.approx(logits.log_softmax(-1)[rows, tokens].tolist(), abs=1e-5)


def test_greedy_and_sampling_rows_stand_in_one_batch():
    tokens, logprobs = sample_tokens(
        LOGITS.repeat(3, 1), temperature=[0.0, 1.0, 0.5], top_p=[1.0] * 3, uniform=[0.99, 0.99, 0.0]
    )
    assert tokens == [0, 3, 0]
    heated = torch.log_softmax(LOGITS / 0.5, dim=-1)
    assert logprobs == pytest.approx([math.log(0.5), math.log(0.1), heated[0].item()], abs=1e-5)
