"""Each level of the mask takes out what it names, on pictures and nowhere else."""

from __future__ import annotations

import pytest

from lib.environments.environment import CallResult, CallStatus, ToolCall
from lib.learning.rollout_batch import MASKED, select_samples
from lib.learning.step_measures import TokenMeasures, step_row
from lib.learning.two_level_mask import action_mask, carries_loss
from lib.policy.conversation import Conversation, Rendered
from lib.policy.engine import Completion, Finish
from lib.rewards.verdict import Reward
from lib.rollout.episode import Episode, EpisodeStatus


def look(image):
    return CallResult(ToolCall("look_again", {"image": image}), CallStatus.OK, "seen", 0.0)


def episode(sample, *, success, domain="vision", status=EpisodeStatus.ANSWERED, malformed=(), calls=()):
    """Prompt, a first turn, a tool's return, a second turn; two tokens each."""
    conversation = Conversation()
    for said in ("prompt", "first", "tool", "second"):
        if said in ("prompt", "tool"):
            conversation.append_given(said, Rendered([1, 2]))
        else:
            conversation.append_sampled(Completion([3, 4], [-0.5, -0.5], Finish.STOP, 0), said)
    return Episode(
        f"q/{sample}",
        "q",
        domain,
        sample,
        0,
        conversation,
        calls=[(0, look(image)) for image in calls],
        status=status,
        malformed_turns=list(malformed),
        reward=Reward(success, {}, success),
    )


def trained(episodes, *masks):
    batch = select_samples(episodes, divide_by_std=False, vision_masks=masks)
    return [sum(sample.trained) for sample in batch.samples], batch.dropped


def test_tool_returns_and_the_turn_of_an_invalid_call_carry_no_loss():
    assert action_mask(episode(0, success=1.0)) == [False, False, True, True, False, False, True, True]
    assert action_mask(episode(0, success=1.0, malformed=[0])) == [False] * 6 + [True, True]


@pytest.mark.parametrize("status", [EpisodeStatus.TOO_LONG, EpisodeStatus.OUT_OF_CALLS, EpisodeStatus.OUT_OF_TURNS])
def test_an_episode_that_was_cut_carries_no_loss(status):
    assert not carries_loss(episode(0, success=0.0, status=status))


def test_an_episode_that_makes_the_same_call_twice_carries_no_loss():
    assert carries_loss(episode(0, success=1.0, calls=(1, 2)))
    assert not carries_loss(episode(0, success=1.0, calls=(1, 2, 1)))


def test_the_level_of_actions_is_a_switch():
    group = [episode(0, success=1.0), episode(1, success=0.0, malformed=[0])]
    assert trained(group) == ([4, 4], {})
    assert trained(group, "action") == ([4, 2], {})


def test_the_level_of_trajectories_is_a_switch():
    group = [episode(0, success=1.0), episode(1, success=0.0, status=EpisodeStatus.OUT_OF_CALLS)]
    assert trained(group) == ([4, 4], {})
    assert trained(group, "trajectory") == ([4], {"mask trajectory": 1})


def test_what_is_masked_counts_in_the_row_of_the_step():
    group = [episode(0, success=1.0), episode(1, success=0.0, status=EpisodeStatus.OUT_OF_CALLS)]
    batch = select_samples(group, divide_by_std=False, vision_masks=("trajectory",))
    row = step_row(group, batch, TokenMeasures(), step=0, total=float, gather=list)
    assert {"reason": MASKED, "count": 1} in row["dropped"]
    assert row["num_episodes"] + sum(reason["count"] for reason in row["dropped"]) == len(group)


def test_episodes_of_other_domains_are_not_masked():
    group = [
        episode(0, success=1.0, domain="sql"),
        episode(1, success=0.0, domain="sql", malformed=[0], status=EpisodeStatus.OUT_OF_CALLS),
    ]
    assert trained(group, "action", "trajectory") == ([4, 4], {})
