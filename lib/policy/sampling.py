"""From logits to one token a row, with a random number that belongs to the row alone."""

from __future__ import annotations

import torch

# Tokens whose probabilities are summed before a number is sought among them.
BLOCK = 256


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
    if any(t not in (0.0, 1.0) for t in temperature):
        heat = torch.tensor([t if t > 0 else 1.0 for t in temperature], device=logits.device)
        logits = logits.float() / heat[:, None]
    probabilities = torch.softmax(logits, dim=-1, dtype=torch.float32)
    greedy = [row for row, t in enumerate(temperature) if t <= 0]
    for row, limit in enumerate(top_p):
        if limit < 1.0 and temperature[row] > 0:
            probabilities[row] = _keep_nucleus(probabilities[row], limit)
    tokens = torch.empty(len(logits), dtype=torch.long, device=logits.device)
    if len(greedy) < len(temperature):
        tokens = _invert(probabilities, torch.tensor(uniform, device=logits.device))
    if greedy:
        tokens[greedy] = probabilities[greedy].argmax(dim=-1)
    chosen = probabilities.gather(1, tokens[:, None])[:, 0].log()
    return tokens.tolist(), chosen.clamp(max=0.0).tolist()


def _invert(probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The token ``[rows]`` in which each row's number falls: first its block, then its place there.

    The sum over all tokens before each one, which a plain search would need, takes as long as a layer of the model.
    """
    rows, vocabulary = probabilities.shape
    if vocabulary % BLOCK:
        probabilities = torch.nn.functional.pad(probabilities, (0, -vocabulary % BLOCK))
    blocks = probabilities.view(rows, -1, BLOCK)
    mass = blocks.sum(dim=-1).cumsum(dim=-1)
    # The last sum stands for 1, whatever rounding made of it, and the point lies below it.
    point = torch.minimum(uniform[:, None] * mass[:, -1:], mass[:, -1:].nextafter(torch.zeros_like(mass[:, -1:])))
    block = torch.searchsorted(mass, point, right=True)
    within = blocks.gather(1, block[:, :, None].expand(-1, -1, BLOCK))[:, 0].cumsum(dim=-1)
    before = torch.where(block > 0, mass.gather(1, (block - 1).clamp(min=0)), 0.0)
    place = torch.searchsorted(within, point - before, right=True)
    # Rounding may set the point behind the block's last token with a mass; it is meant then.
    last = (within < within[:, -1:]).sum(dim=-1, keepdim=True)
    return (block * BLOCK + torch.minimum(place, last))[:, 0]


def _keep_nucleus(probabilities: torch.Tensor, limit: float) -> torch.Tensor:
    """The smallest set of most probable tokens whose mass reaches the limit, renormalised."""
    ordered, order = probabilities.sort(descending=True)
    before = ordered.cumsum(0) - ordered
    kept = torch.zeros_like(probabilities)
    keep = order[before < limit]
    kept[keep] = probabilities[keep]
    return kept / kept.sum()
