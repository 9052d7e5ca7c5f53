"""From logits to one token a row, with a random number that belongs to the row alone."""

from __future__ import annotations

import torch


def sample_tokens(
    logits: torch.Tensor,  # [rows, vocabulary]
    *,
    temperature: list[float],
    top_p: list[float],
    uniform: list[float],  # one number in [0, 1) a row
) -> tuple[list[int], list[float]]:
    """Invert each row's cumulative distribution at its number; temperature 0 takes the maximum.

    Returns the tokens and their log-probabilities under the sampling distribution (of a greedy
    choice, under the distribution at temperature 1).
    """
    heat = torch.tensor([t if t > 0 else 1.0 for t in temperature], device=logits.device)
    logprobs = torch.log_softmax(logits / heat[:, None], dim=-1)
    for row, limit in enumerate(top_p):
        if limit < 1.0 and temperature[row] > 0:
            logprobs[row] = _keep_nucleus(logprobs[row], limit)
    tokens = logprobs.argmax(dim=-1)
    drawn = torch.tensor([t > 0 for t in temperature], device=logits.device)
    if bool(drawn.any()):
        mass = logprobs.exp().cumsum(dim=-1)
        # The last sum stands for 1, whatever rounding made of it.
        point = torch.tensor(uniform, device=logits.device)[:, None] * mass[:, -1:]
        sampled = torch.searchsorted(mass, point, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
        tokens = torch.where(drawn, sampled, tokens)
    chosen = logprobs.gather(1, tokens[:, None])[:, 0]
    return tokens.tolist(), chosen.clamp(max=0.0).tolist()


def _keep_nucleus(logprobs: torch.Tensor, limit: float) -> torch.Tensor:
    """The smallest set of most probable tokens whose mass reaches the limit, renormalised."""
    ordered, order = logprobs.sort(descending=True)
    before = ordered.exp().cumsum(0) - ordered.exp()
    cut = torch.full_like(logprobs, float("-inf"))
    keep = order[before < limit]
    cut[keep] = logprobs[keep]
    return cut - cut.logsumexp(0)
