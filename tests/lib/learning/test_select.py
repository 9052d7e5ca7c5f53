"""What a step trains on of several domains; only the ranks' sum stands in for a trainer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lib.learning.learner import Learner
from lib.policy.conversation import Conversation, Rendered
from lib.policy.engine import Completion, Finish
from lib.rewards.verdict import Reward
from lib.rollout.episode import Episode, EpisodeStatus
from lib.settings.settings import Settings


def episode(domain, sample, success):
    conversation = Conversation()
    conversation.append_given("prompt", Rendered([1, 2]))
    conversation.append_sampled(Completion([3, 4], [-0.5, -0.5], Finish.STOP, 0), "said")
    reward = Reward(success, {}, success)
    status = EpisodeStatus.ANSWERED
    return Episode(f"{domain}/{sample}", domain, domain, sample, 0, conversation, status=status, reward=reward)


EPISODES = [episode(domain, i, float(i == 0)) for domain in ("sql", "vision") for i in range(4)]


def advantages(domains=("sql", "vision"), **reinforce):
    learner = Learner(
        settings=Settings(reinforce=reinforce),
        seed=0,
        trainer=SimpleNamespace(sum_over_ranks=float),
        engine=None,
        chat=None,
        worlds=None,
        questions=dict.fromkeys(domains, []),
        reference=None,
        probe=None,
    )
    batch = learner.select([item for item in EPISODES if item.domain in domains], step=0)
    return {
        name: [s.advantage for s, d in zip(batch.samples, batch.domains, strict=True) if d == name] for name in domains
    }


@pytest.mark.parametrize("normalized", [True, False])
def test_a_domain_pulls_as_hard_as_the_settings_say(normalized):
    even = advantages(normalize_by_task=normalized)
    weaker = advantages(normalize_by_task=normalized, domain_pulls={"vision": 0.25})
    assert weaker["sql"] == even["sql"]
    assert weaker["vision"] == pytest.approx([0.25 * value for value in even["vision"]])


def test_a_run_of_one_domain_has_nothing_to_balance():
    assert advantages(("vision",), domain_pulls={"vision": 0.25}) == advantages(("vision",))
