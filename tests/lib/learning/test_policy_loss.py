"""The clipped loss on hand-computed tokens, and the advantages that weigh it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.learning.group_advantage import group_advantages, has_signal
from lib.learning.policy_loss import policy_loss


def loss_of(ratio, advantage, *, importance=1.0, importance_cap=2.0, **settings):
    logprobs = torch.tensor([math.log(ratio) - 1.0], requires_grad=True)
    value = policy_loss(
        logprobs,
        behaviour_logprobs=torch.tensor([-1.0 - math.log(importance)]),
        proximal_logprobs=torch.tensor([-1.0]),
        advantages=torch.tensor([advantage]),
        clip_low=0.2,
        clip_high=0.28,
        importance_cap=importance_cap,
        **settings,
    )
    value.loss.backward()
    return value.loss.item(), logprobs.grad.item(), value.clipped.item()


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "clipped"),
    [
        (1.0, 2.0, -2.0, 0),
        (1.2, 1.0, -1.2, 0),
        (1.5, 1.0, -1.28, 1),
        (0.5, 1.0, -0.5, 0),
        (0.9, -1.0, 0.9, 0),
        (0.5, -1.0, 0.8, 1),
        (1.5, -1.0, 1.5, 0),
    ],
)
def test_a_ratio_is_clipped_only_where_it_would_go_further(ratio, advantage, loss, clipped):
    value, gradient, count = loss_of(ratio, advantage)
    assert value == pytest.approx(loss, rel=1e-5)
    assert count == clipped
    assert (gradient == 0) is bool(clipped)


@pytest.mark.parametrize(("importance", "weight"), [(0.25, 0.25), (1.5, 1.5), (8.0, 2.0)])
def test_a_token_weighs_by_its_importance_up_to_the_cap(importance, weight):
    value, gradient, _ = loss_of(1.0, 3.0, importance=importance)
    assert value == pytest.approx(-3.0 * weight, rel=1e-5)
    assert gradient == pytest.approx(-3.0 * weight, rel=1e-5)


def test_importance_leaves_the_clip_where_it_is():
    for importance in (0.5, 1.9):
        assert loss_of(1.5, 1.0, importance=importance)[1:] == (0.0, 1)
        assert loss_of(1.2, 1.0, importance=importance)[2] == 0


def test_tokens_of_an_older_policy_give_the_gradient_of_the_own_one():
    """Over all actions, weighed by how often the older policy takes them, without truncation."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(5, generator=generator, requires_grad=True)
    older, rewards = torch.randn(5, generator=generator).log_softmax(0), torch.randn(5, generator=generator)
    own = scores.log_softmax(0)
    (expected,) = torch.autograd.grad(-(own.exp() * rewards).sum(), scores, retain_graph=True)
    total = torch.zeros(())
    for action in range(5):
        one = slice(action, action + 1)
        value = policy_loss(
            own[one],
            behaviour_logprobs=older[one],
            proximal_logprobs=own[one].detach(),
            advantages=rewards[one],
            clip_low=0.2,
            clip_high=0.28,
            importance_cap=1e9,
        )
        total = total + older[action].exp() * value.loss
    (gradient,) = torch.autograd.grad(total, scores)
    torch.testing.assert_close(gradient, expected)


def test_the_kl_term_is_zero_at_the_reference_and_positive_elsewhere():
    same, _, _ = loss_of(1.0, 0.0, kl_weight=0.5, reference_logprobs=torch.tensor([-1.0]))
    away, _, _ = loss_of(1.0, 0.0, kl_weight=0.5, reference_logprobs=torch.tensor([-2.0]))
    assert same == pytest.approx(0.0)
    assert away == pytest.approx(0.5 * (math.exp(-1) + 1 - 1))


def test_advantages_of_one_success_in_four():
    assert group_advantages([1, 0, 0, 0], divide_by_std=False).tolist() == [0.75, -0.25, -0.25, -0.25]
    assert group_advantages([1, 0, 0, 0], divide_by_std=True) == pytest.approx(
        np.array([0.75, -0.25, -0.25, -0.25]) / np.sqrt(3 / 16), rel=1e-4
    )


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=16))
def test_advantages_of_a_group_sum_to_zero(rewards):
    for divide in (True, False):
        assert group_advantages(rewards, divide_by_std=divide).sum() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("successes", "expected"),
    [([1, 0], (True, "")), ([1, 1], (False, "all right")), ([0, 0, 0], (False, "all wrong"))],
)
def test_a_group_that_agrees_carries_no_signal(successes, expected):
    assert has_signal(successes) == expected
