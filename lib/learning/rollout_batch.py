"""Episodes of one step -> what is trained on, and why the rest is left out.

Filters return (keep, reason). A group is kept or dropped whole; within a kept group only episodes
whose failure is not the policy's doing are left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lib.learning.group_advantage import group_advantages, has_signal
from lib.learning.token_batch import Sample
from lib.rollout.episode import Episode


@dataclass(frozen=True)
class RolloutBatch:
    """What one step learns from."""

    samples: list[Sample]
    groups_kept: int
    dropped: dict[str, int]  # episodes left out, by reason
    num_action_tokens: int  # of all episodes that count, those of dropped groups too


def select_samples(episodes: Sequence[Episode], *, divide_by_std: bool) -> RolloutBatch:
    """Advantages within each question's group, over the episodes that say something about the policy."""
    groups: dict[str, list[Episode]] = defaultdict(list)
    dropped: Counter[str] = Counter()
    for episode in episodes:
        if episode.status.counts_for_learning:
            groups[episode.question_id].append(episode)
        else:
            dropped[f"episode {episode.status}"] += 1
    samples: list[Sample] = []
    groups_kept = 0
    for group in groups.values():
        keep, reason = has_signal([episode.reward.parts["success"] for episode in group])
        if not keep:
            dropped[f"group {reason}"] += len(group)
            continue
        groups_kept += 1
        rewards = [episode.reward.value for episode in group]
        for episode, advantage in zip(group, group_advantages(rewards, divide_by_std=divide_by_std), strict=True):
            samples.append(_sample(episode, float(advantage)))
    tokens = sum(sum(episode.conversation.action_mask) for group in groups.values() for episode in group)
    return RolloutBatch(samples, groups_kept, dict(dropped), tokens)


def _sample(episode: Episode, advantage: float) -> Sample:
    conversation = episode.conversation
    return Sample(conversation.tokens, conversation.action_mask, conversation.logprobs, advantage)
