"""What a reinforcement step measures: over action tokens while training, over episodes afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from lib.learning.policy_loss import PolicyLoss
from lib.learning.rollout_batch import REASONS, RolloutBatch
from lib.learning.token_batch import MicroBatch
from lib.rollout.episode import Episode

QUANTILES = {"importance_p01": 0.01, "importance_p50": 0.5, "importance_p99": 0.99}


@dataclass
class TokenMeasures:
    """Sums over one rank's action tokens of one step."""

    negative_logprob: float = 0.0
    clipped: float = 0.0
    truncated: float = 0.0
    kl: float = 0.0
    # Of each token: its id, and its log-probability by the sampler and by the trainer at the beginning of the step.
    tokens: list[int] = field(default_factory=list)
    sampler: list[float] = field(default_factory=list)
    trainer: list[float] = field(default_factory=list)

    @property
    def gaps(self) -> list[float]:
        """log p trainer - log p sampler."""
        return [ours - theirs for ours, theirs in zip(self.trainer, self.sampler, strict=True)]

    def add(self, logprobs: torch.Tensor, proximal: torch.Tensor, batch: MicroBatch, loss: PolicyLoss) -> None:
        """Of one micro-batch: under the weights of now, and under those that the step began with."""
        if len(logprobs) == 0:
            return
        self.negative_logprob -= logprobs.sum().item()
        self.clipped += loss.clipped.item()
        self.truncated += loss.truncated.item()
        self.kl += loss.kl.item()
        self.tokens += batch.target[batch.place].tolist()
        self.sampler += batch.behaviour_logprobs.tolist()
        self.trainer += proximal.tolist()


def step_row(
    episodes: Sequence[Episode],
    batch: RolloutBatch,
    measures: TokenMeasures,
    *,
    step: int,
    total: Callable[[float], float],
    gather: Callable[[Sequence[float]], Sequence[float]],
) -> dict[str, object]:
    """Columns of data_contracts.training.STEPS over all ranks; ``total`` reduces over them, ``gather`` joins theirs.

    ``step`` counts from 0: it is the version of the weights that the step began with.
    """
    count = total(len(episodes))
    gaps = np.asarray(gather(measures.gaps), dtype=np.float64)
    if not len(gaps):
        gaps = np.zeros(1)  # nothing was trained on
    tokens = len(gaps)
    staleness = np.asarray(gather([step - version for version in batch.versions]) or [0])
    dropped = Counter(batch.dropped)
    return {
        "num_episodes": int(total(len(batch.samples))),
        "num_tokens": int(total(sum(len(sample.tokens) for sample in batch.samples))),
        "num_action_tokens": int(total(sum(sum(sample.trained) for sample in batch.samples))),
        "reward_mean": total(sum(e.reward.value for e in episodes)) / count,
        "accuracy": total(sum(e.correct for e in episodes)) / count,
        "entropy": total(measures.negative_logprob) / tokens,
        "mismatch_mean": float(np.abs(gaps).mean()),
        "mismatch_max": float(np.abs(gaps).max()),
        "clipped_share": total(measures.clipped) / tokens,
        "truncated_share": total(measures.truncated) / tokens,
        **{name: float(np.exp(np.quantile(gaps, share))) for name, share in QUANTILES.items()},
        "staleness_mean": float(staleness.mean()),
        "staleness_max": int(staleness.max()),
        "kl": total(measures.kl) / tokens,
        "groups_kept": int(total(batch.groups_kept)),
        "dropped": [{"reason": reason, "count": int(total(dropped[reason]))} for reason in REASONS],
        "tool_calls_mean": total(sum(len(e.calls) for e in episodes)) / count,
        "turns_mean": total(sum(e.num_policy_turns for e in episodes)) / count,
        "well_formed_share": total(sum(e.well_formed for e in episodes)) / count,
    }
