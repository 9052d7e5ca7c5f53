"""A group is kept or dropped whole; what is not the policy's doing is left out and counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lib.environments.environment import CallResult, CallStatus, ToolCall
from lib.learning.rollout_batch import select_samples
from lib.policy.conversation import Conversation, Rendered
from lib.policy.engine import Completion, Finish
from lib.rewards.verdict import Reward
from lib.rollout.episode import Episode, EpisodeStatus


def episode(question, sample, success, *, redundancy=0.0, status=EpisodeStatus.ANSWERED):
    conversation = Conversation()
    conversation.append_given("prompt", Rendered([1, 2]))
    conversation.tokens += [3]
    conversation.action_mask += [True]
    conversation.logprobs += [-0.5]
    reward = Reward(success - redundancy, {"success": float(success), "redundancy": -redundancy}, float(success))
    return Episode(f"{question}/{sample}", question, "knowledge", sample, 0, conversation, status=status, reward=reward)


def test_groups_without_a_signal_are_dropped_whole_and_counted():
    episodes = [episode("a", i, 1) for i in range(3)] + [episode("b", i, 0) for i in range(3)]
    batch = select_samples(episodes, divide_by_std=True)
    assert (batch.samples, batch.groups_kept) == ([], 0)
    assert batch.dropped == {"group all right": 3, "group all wrong": 3}


def test_the_redundancy_penalty_alone_is_no_signal():
    episodes = [episode("a", i, 0, redundancy=0.1 * i) for i in range(3)]
    assert select_samples(episodes, divide_by_std=True).dropped == {"group all wrong": 3}


def test_an_episode_that_broke_is_left_out_of_its_group():
    episodes = [episode("a", 0, 1), episode("a", 1, 0), episode("a", 2, 0, status=EpisodeStatus.FAILED)]
    batch = select_samples(episodes, divide_by_std=False)
    assert [sample.advantage for sample in batch.samples] == [0.5, -0.5]
    assert batch.dropped == {"episode failed": 1}


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=40))
def test_every_episode_is_either_trained_on_or_counted_as_dropped(outcomes):
    episodes = [episode(f"q{group}", i, int(right)) for i, (group, right) in enumerate(outcomes)]
    batch = select_samples(episodes, divide_by_std=True)
    assert len(batch.samples) + sum(batch.dropped.values()) == len(episodes)
    mixed = [g for g in {g for g, _ in outcomes} if len({r for h, r in outcomes if h == g}) == 2]
    assert batch.groups_kept == len(mixed)
    assert len(batch.samples) == sum(g in mixed for g, _ in outcomes)


def test_tokens_of_dropped_groups_count_in_the_full_normalizer():
    kept = [episode("a", 0, 1), episode("a", 1, 0)]
    dropped = [episode("b", 0, 0), episode("b", 1, 0)]
    broken = [episode("c", 0, 0, status=EpisodeStatus.FAILED)]
    assert select_samples(kept + dropped + broken, divide_by_std=True).num_action_tokens == 4


def with_status(question, sample, success, status, **values):
    found = episode(question, sample, success, status=status)
    for name, value in values.items():
        setattr(found, name, value)
    return found


def filtered_group():
    call = (0, CallResult(ToolCall("search", {}), CallStatus.OK, "", 0.0))
    return [
        with_status("a", 0, 1, EpisodeStatus.ANSWERED, calls=[call]),
        with_status("a", 1, 0, EpisodeStatus.ANSWERED, calls=[call]),
        with_status("a", 2, 0, EpisodeStatus.ANSWERED),
        with_status("a", 3, 0, EpisodeStatus.OUT_OF_CALLS, calls=[call]),
        with_status("a", 4, 0, EpisodeStatus.MALFORMED, calls=[call], num_empty_turns=1),
    ]


def test_each_filter_leaves_its_episodes_out_by_name():
    for name, reason in (("no_call", 2), ("cut", 3), ("empty_turn", 4)):
        batch = select_samples(filtered_group(), divide_by_std=False, filters=[name])
        assert batch.dropped == {f"filter {name}": 1}, reason
        assert len(batch.samples) == 4


def test_filtered_episodes_count_in_the_statistics_of_their_group_or_do_not():
    names = ["no_call", "empty_turn", "cut"]
    counted = select_samples(filtered_group(), divide_by_std=False, filters=names)
    assert [sample.advantage for sample in counted.samples] == [0.8, -0.2]
    alone = select_samples(filtered_group(), divide_by_std=False, filters=names, filtered_count=False)
    assert [sample.advantage for sample in alone.samples] == [0.5, -0.5]
    assert counted.dropped == alone.dropped == {"filter no_call": 1, "filter cut": 1, "filter empty_turn": 1}
    assert counted.num_action_tokens == alone.num_action_tokens == 5


def sampled_by(versions, sample, success, *, draw=0):
    conversation = Conversation()
    conversation.append_given("prompt", Rendered([1, 2]))
    for version in versions:
        conversation.append_sampled(Completion([3, 4], [-0.5, -0.5], Finish.STOP, version), "said")
    found = episode("a", sample, success)
    found.conversation, found.draw, found.id = conversation, draw, f"a/{draw}/{sample}"
    return found


def test_turns_of_weights_that_are_too_old_or_that_nobody_sent_are_refused_with_a_reason():
    episodes = [
        sampled_by([3, 5], 0, 1),
        sampled_by([4, 5], 1, 0),
        sampled_by([2, 5], 2, 1),  # a turn of it is too old
        sampled_by([5, 6], 3, 0),  # weights of the future
        sampled_by([-1], 4, 0),
    ]
    batch = select_samples(episodes, divide_by_std=False, versions=range(3, 6))
    assert [sample.advantage for sample in batch.samples] == [0.5, -0.5]
    assert batch.dropped == {"policy too old": 1, "policy unknown": 2}


def test_a_question_that_was_drawn_twice_has_two_groups():
    episodes = [
        sampled_by([0], 0, 1),
        sampled_by([0], 1, 1),
        sampled_by([1], 0, 0, draw=1),
        sampled_by([1], 1, 0, draw=1),
    ]
    batch = select_samples(episodes, divide_by_std=True)
    assert batch.dropped == {"group all right": 2, "group all wrong": 2}
    rows = [episode.row(policy="p", benchmark="b", step=1) for episode in episodes]
    assert [row["group_id"] for row in rows] == ["a@0", "a@0", "a@1", "a@1"]
