"""Log-probabilities of targets and their gradient are those of a plain log-softmax."""

from __future__ import annotations

import pytest
import torch

from lib.learning.action_logprobs import CACHED_ROWS, _TargetLogProbs


@pytest.mark.parametrize("temperature", [1.0, 0.6])
@pytest.mark.parametrize("rows", [1, 2 * CACHED_ROWS + 3])
def test_values_and_gradients_equal_those_of_log_softmax(rows, temperature):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(rows, 500, generator=generator)
    target = torch.randint(500, (rows,), generator=generator)
    weights = torch.randn(rows, generator=generator)
    plain, ours = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    expected = torch.log_softmax(plain / temperature, dim=-1).gather(1, target[:, None])[:, 0]
    got = _TargetLogProbs.apply(ours, target, temperature)
    torch.testing.assert_close(got, expected)
    (expected * weights).sum().backward()
    (got * weights).sum().backward()
    torch.testing.assert_close(ours.grad, plain.grad)
