"""Episodes of one step -> what is trained on, and why the rest is left out.

Filters return (keep, reason). A group is kept or dropped whole; within a kept group those episodes are left out
whose failure is not the policy's doing, and those that a filter of the settings names.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lib.learning.episode_filters import EPISODE_FILTERS, find_filter
from lib.learning.group_advantage import group_advantages, has_signal
from lib.learning.token_batch import Sample
from lib.learning.two_level_mask import action_mask, carries_loss
from lib.rollout.episode import Episode

MASKED = "mask trajectory"
TOO_OLD = "policy too old"
UNKNOWN_POLICY = "policy unknown"
# Why an episode may not be trained on, in one order on all ranks.
REASONS = (
    "episode failed",
    TOO_OLD,
    UNKNOWN_POLICY,
    "group all right",
    "group all wrong",
    *(f"filter {name}" for name in EPISODE_FILTERS),
    MASKED,
)


@dataclass(frozen=True)
class RolloutBatch:
    """What one step learns from."""

    samples: list[Sample]
    domains: list[str]  # of each sample
    groups_kept: int
    dropped: dict[str, int]  # episodes left out, by one of REASONS
    num_action_tokens: int  # of all episodes that count, those of dropped groups too
    versions: list[int]  # of each sample with turns, the oldest that sampled one of them


def select_samples(
    episodes: Sequence[Episode],
    *,
    divide_by_std: bool,
    filters: Sequence[str] = (),
    filtered_count: bool = True,
    vision_masks: Sequence[str] = (),
    versions: range | None = None,
) -> RolloutBatch:
    """Advantages within each question's group, over the episodes that say something about the policy.

    Args:
        filters: names of lib.learning.episode_filters; what they find is not trained on.
        filtered_count: whether it still counts in the mean and deviation of its group.
        vision_masks: levels of lib.learning.two_level_mask at which episodes on images are masked.
        versions: of the policy that may have sampled a turn; None takes all.
    """
    groups: dict[str, list[Episode]] = defaultdict(list)
    dropped: Counter[str] = Counter()
    found = {episode.id: find_filter(episode, filters) for episode in episodes if episode.status.counts_for_learning}
    for episode in episodes:
        if not episode.status.counts_for_learning:
            dropped[f"episode {episode.status}"] += 1
        elif fault := _fault_of_versions(episode, versions):
            dropped[fault] += 1
        elif found[episode.id] and not filtered_count:
            dropped[f"filter {found[episode.id]}"] += 1
        else:
            groups[episode.group_id].append(episode)
    samples: list[Sample] = []
    domains: list[str] = []
    oldest: list[int] = []
    groups_kept = 0
    for group in groups.values():
        keep, reason = has_signal([episode.reward.signal for episode in group])
        if not keep:
            dropped[f"group {reason}"] += len(group)
            continue
        groups_kept += 1
        rewards = [episode.reward.value for episode in group]
        for episode, advantage in zip(group, group_advantages(rewards, divide_by_std=divide_by_std), strict=True):
            if name := found[episode.id]:
                dropped[f"filter {name}"] += 1
            elif episode.domain == "vision" and "trajectory" in vision_masks and not carries_loss(episode):
                dropped[MASKED] += 1
            else:
                masked = episode.domain == "vision" and "action" in vision_masks
                samples.append(_sample(episode, float(advantage), masked=masked))
                domains.append(episode.domain)
                oldest += sorted(episode.policy_versions)[:1]  # none where the question left no room for a turn
    tokens = sum(sum(episode.conversation.action_mask) for episode in episodes if episode.status.counts_for_learning)
    return RolloutBatch(samples, domains, groups_kept, dict(dropped), tokens, oldest)


def _fault_of_versions(episode: Episode, versions: range | None) -> str:
    """Why episodes of its policy are not trained on; empty where they are."""
    own = episode.policy_versions
    if versions is None or not own:
        return ""
    if max(own) >= versions.stop or min(own) < 0:
        return UNKNOWN_POLICY
    return TOO_OLD if min(own) < versions.start else ""


def _sample(episode: Episode, advantage: float, *, masked: bool) -> Sample:
    conversation = episode.conversation
    trained = action_mask(episode) if masked else conversation.action_mask
    return Sample(conversation.tokens, trained, conversation.logprobs, advantage, tuple(conversation.images))
