"""What a reinforcement step measures: over action tokens while training, over episodes afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from lib.learning.policy_loss import PolicyLoss
from lib.learning.rollout_batch import REASONS, RolloutBatch
from lib.learning.token_batch import MicroBatch
from lib.rollout.episode import Episode


@dataclass
class TokenMeasures:
    """Sums over one rank's action tokens of one step."""

    tokens: float = 0.0
    compared: float = 0.0  # tokens of the first mini-batch: later ones meet weights that the sampler did not have
    negative_logprob: float = 0.0
    mismatch: float = 0.0
    mismatch_max: float = 0.0
    clipped: float = 0.0
    kl: float = 0.0

    def add(self, logprobs: torch.Tensor, batch: MicroBatch, loss: PolicyLoss, *, same_weights: bool) -> None:
        """``same_weights``: whether the trainer still has those that the episodes were sampled with."""
        if len(logprobs) == 0:
            return
        self.tokens += len(logprobs)
        self.negative_logprob -= logprobs.sum().item()
        self.clipped += loss.clipped.item()
        self.kl += loss.kl.item()
        if same_weights:
            gap = (logprobs - batch.behaviour_logprobs).abs()
            self.compared += len(logprobs)
            self.mismatch += gap.sum().item()
            self.mismatch_max = max(self.mismatch_max, gap.max().item())


def step_row(
    episodes: Sequence[Episode],
    batch: RolloutBatch,
    measures: TokenMeasures,
    *,
    total: Callable[[float], float],
    maximum: Callable[[float], float],
) -> dict[str, object]:
    """Columns of data_contracts.training.STEPS over all ranks; ``total`` and ``maximum`` reduce over them."""
    count = total(len(episodes))
    tokens = max(1.0, total(measures.tokens))
    dropped = Counter(batch.dropped)
    return {
        "num_episodes": int(total(len(batch.samples))),
        "num_tokens": int(total(sum(len(sample.tokens) for sample in batch.samples))),
        "num_action_tokens": int(total(sum(sum(sample.trained) for sample in batch.samples))),
        "reward_mean": total(sum(e.reward.value for e in episodes)) / count,
        "accuracy": total(sum(e.correct for e in episodes)) / count,
        "entropy": total(measures.negative_logprob) / tokens,
        "mismatch_mean": total(measures.mismatch) / max(1.0, total(measures.compared)),
        "mismatch_max": maximum(measures.mismatch_max),
        "clipped_share": total(measures.clipped) / tokens,
        "kl": total(measures.kl) / tokens,
        "groups_kept": int(total(batch.groups_kept)),
        "dropped": [{"reason": reason, "count": int(total(dropped[reason]))} for reason in REASONS],
        "tool_calls_mean": total(sum(len(e.calls) for e in episodes)) / count,
        "turns_mean": total(sum(e.num_policy_turns for e in episodes)) / count,
        "well_formed_share": total(sum(e.well_formed for e in episodes)) / count,
    }
