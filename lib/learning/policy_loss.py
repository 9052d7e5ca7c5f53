"""The clipped token-level policy loss with the behaviour policy and the clip's policy apart (decoupled PPO).

L = -sum_t w_t min(rho_t A_t, clip(rho_t, 1 - low, 1 + high) A_t) / N over the N action tokens of the whole batch, so
that long episodes weigh by their tokens. rho_t = p(t) / p_proximal(t) is how far the step has moved from the policy
that it began with, which is what the clip bounds (PPO's surrogate with separate lower and upper clip, as in DAPO).
w_t = min(p_proximal(t) / p_behaviour(t), cap) corrects for an older policy, or another engine, having sampled the
token (AReaL's decoupled objective, arXiv 2505.24298, with truncated importance weights); nothing flows back through it.
The optional KL term is the low-variance estimator exp(d) - d - 1 with d = log p_reference - log p.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class PolicyLoss:
    """Sums over a micro-batch's action tokens; the caller divides by the whole batch's count."""

    loss: torch.Tensor  # scalar, carries the gradient
    clipped: torch.Tensor  # scalar, number of tokens whose gradient the clip removes
    truncated: torch.Tensor  # scalar, number of tokens whose importance weight the cap lowers
    kl: torch.Tensor  # scalar


def policy_loss(
    logprobs: torch.Tensor,  # [num_trained]
    *,
    behaviour_logprobs: torch.Tensor,  # [num_trained] as the sampler logged them
    proximal_logprobs: torch.Tensor,  # [num_trained] the trainer's at the beginning of the step, without gradient
    advantages: torch.Tensor,  # [num_trained]
    clip_low: float,
    clip_high: float,
    importance_cap: float,
    kl_weight: float = 0.0,
    reference_logprobs: torch.Tensor | None = None,  # [num_trained]
) -> PolicyLoss:
    """Summed loss of a micro-batch."""
    importance = torch.exp(proximal_logprobs - behaviour_logprobs)
    ratio = torch.exp(logprobs - proximal_logprobs)
    plain = ratio * advantages
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high) * advantages
    loss = -(importance.clamp(max=importance_cap) * torch.minimum(plain, clipped)).sum()
    kl = torch.zeros((), device=logprobs.device)
    if kl_weight > 0:
        assert reference_logprobs is not None, "a KL term needs the reference policy's log-probabilities"
        difference = reference_logprobs - logprobs
        kl = (difference.exp() - difference - 1).sum()
        loss = loss + kl_weight * kl
    return PolicyLoss(loss, (clipped < plain).sum().detach(), (importance > importance_cap).sum(), kl.detach())
