"""An episode ends in one of its statuses, keeps its tokens exact, and never touches another."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import torch

from data_contracts.episodes import EPISODES
from lib.environments.page_index import PageIndex
from lib.environments.search import SearchEnvironment
from lib.errors import EngineError
from lib.policy.load import load_model
from lib.policy.tool_calls import render_tool_call
from lib.policy.transformers_engine import TransformersEngine
from lib.rollout.collect import collect_episodes
from lib.rollout.episode import EpisodeStatus, episode_table
from lib.rollout.run_episode import EpisodeLimits, run_episode
from lib.rollout.worlds import SearchWorld, Worlds
from lib.settings.environment import EnvironmentSettings
from tests.small_world import ScriptedEngine, question, region

LIMITS = EpisodeLimits(
    max_tokens=2000,
    max_new_tokens=200,
    max_turns=4,
    max_tool_calls=3,
    max_malformed=1,
    seconds=60,
    temperature=1.0,
    top_p=1.0,
)
SEARCH = render_tool_call("search", {"query": "Town 0 region"})
RIGHT = f"<answer>{region(0)}</answer>"


@pytest.fixture(scope="module")
def world(world_graph):
    return SearchWorld(PageIndex.load(world_graph), EnvironmentSettings(), redundancy_weight=0.1)


def play(script, chat, world, **limits):
    engine = ScriptedEngine(chat, script)
    episode = asyncio.run(
        run_episode(
            question(),
            sample=0,
            seed=5,
            engine=engine,
            chat=chat,
            world=world,
            limits=replace(LIMITS, **limits),
        )
    )
    return episode, engine


@pytest.mark.parametrize(
    ("script", "limits", "status", "correct", "well_formed"),
    [
        ([SEARCH, RIGHT], {}, EpisodeStatus.ANSWERED, True, True),
        ([SEARCH, "<answer>nowhere</answer>"], {}, EpisodeStatus.ANSWERED, False, True),
        (["I do not know."], {}, EpisodeStatus.MALFORMED, False, False),
        (["<tool_call>{</tool_call>"], {}, EpisodeStatus.MALFORMED, False, False),
        ([SEARCH + RIGHT], {}, EpisodeStatus.MALFORMED, False, False),
        ([render_tool_call("fly", {})], {}, EpisodeStatus.MALFORMED, False, False),
        (["hm", SEARCH, RIGHT], {"max_malformed": 2}, EpisodeStatus.ANSWERED, True, False),
        (["hm", "hm"], {"max_malformed": 2}, EpisodeStatus.MALFORMED, False, False),
        ([SEARCH] * 4, {}, EpisodeStatus.OUT_OF_CALLS, False, False),
        ([SEARCH, RIGHT], {"max_tool_calls": 0}, EpisodeStatus.OUT_OF_CALLS, False, False),
        ([SEARCH] * 3, {"max_turns": 2}, EpisodeStatus.OUT_OF_TURNS, False, False),
        ([SEARCH], {"max_new_tokens": 3}, EpisodeStatus.TOO_LONG, False, False),
        ([SEARCH], {"max_tokens": 10}, EpisodeStatus.TOO_LONG, False, False),
        ([RuntimeError("engine gone")], {}, EpisodeStatus.FAILED, False, False),
    ],
)
def test_every_way_to_end_has_its_status(chat, world, script, limits, status, correct, well_formed):
    episode, engine = play(script, chat, world, **limits)
    assert (episode.status, episode.correct) == (status, correct)
    assert episode.well_formed is well_formed
    assert engine.released == [episode.id]
    EPISODES.check(episode_table([episode], policy="p", benchmark="b"))


def test_a_repaired_call_does_not_count_as_well_formed_at_every_turn(chat, world):
    episode, _ = play(["hm", SEARCH, RIGHT], chat, world, max_malformed=2)
    assert episode.correct and not episode.well_formed and episode.reward.parts["success"] == 0


def test_a_malformed_call_is_told_what_was_wrong(chat, world):
    episode, _ = play(["<tool_call>{</tool_call>", RIGHT], chat, world, max_malformed=2)
    told = episode.conversation.turns[2]
    assert told.role == "tool" and "not JSON" in told.text


def test_each_turn_is_prompted_with_exactly_the_tokens_so_far(chat, world):
    episode, engine = play([SEARCH, SEARCH, RIGHT], chat, world)
    tokens = episode.conversation.tokens
    assert all(tokens[: len(prompt)] == prompt for prompt in engine.prompts)
    assert [len(p) for p in engine.prompts] == sorted(len(p) for p in engine.prompts)


def test_only_sampled_tokens_are_actions(chat, world):
    episode, _ = play([SEARCH, RIGHT], chat, world)
    conversation = episode.conversation
    for turn in conversation.turns:
        mask = conversation.action_mask[turn.start : turn.end]
        assert all(value == (turn.role == "assistant") for value in mask)
        assert turn.policy_version == (7 if turn.role == "assistant" else -1)


def test_a_failing_episode_leaves_its_siblings_alone(chat, world_graph, world_policy):
    index = PageIndex.load(world_graph)

    class Fragile(SearchEnvironment):
        async def start(self, asked, seed):
            if asked.id == "question-1":
                raise OSError("broken world")
            return await super().start(asked, seed)

    class FragileWorld(SearchWorld):
        def make_environment(self, question):
            return Fragile(index, EnvironmentSettings())

    model = load_model(world_policy / "checkpoint")
    engine = TransformersEngine(model, max_concurrent=4, max_tokens=512, dtype=torch.float32)
    episodes = collect_episodes(
        [question(0), question(1), question(2)],
        samples=2,
        seed=1,
        engine=engine,
        chat=chat,
        worlds=Worlds({"knowledge": FragileWorld(index, EnvironmentSettings())}),
        limits=replace(LIMITS, max_tokens=400, max_new_tokens=8),
    )
    failed = [episode.question_id for episode in episodes if episode.status is EpisodeStatus.FAILED]
    assert failed == ["question-1"] * 2
    assert all(episode.conversation.tokens for episode in episodes if episode.question_id != "question-1")
    assert "broken world" in episodes[2].error


def test_equal_seeds_give_equal_episodes(chat, world, world_policy):
    def collect():
        model = load_model(world_policy / "checkpoint")
        engine = TransformersEngine(model, max_concurrent=4, max_tokens=512, dtype=torch.float32)
        episodes = collect_episodes(
            [question(n) for n in range(3)],
            samples=2,
            seed=1,
            engine=engine,
            chat=chat,
            worlds=Worlds({"knowledge": world}),
            limits=replace(LIMITS, max_tokens=400, max_new_tokens=12),
        )
        return [(e.id, e.conversation.tokens, e.conversation.logprobs) for e in episodes]

    assert collect() == collect()


class HungEngine(ScriptedEngine):
    """Never answers from its second turn on."""

    async def sample(self, request):
        if self.prompts:
            await asyncio.sleep(3600)
        return await super().sample(request)


def test_an_episode_that_never_ends_becomes_a_row_at_its_deadline(chat, world):
    engine = HungEngine(chat, [SEARCH])
    limits = replace(LIMITS, seconds=0.3)
    episode = asyncio.run(
        run_episode(question(), sample=0, seed=5, engine=engine, chat=chat, world=world, limits=limits)
    )
    assert episode.status is EpisodeStatus.FAILED
    assert episode.error == "TimeoutError: no end within 0.3 s"
    assert len(episode.calls) == 1
    assert engine.released == [episode.id]


def test_a_judge_that_never_ends_makes_a_row_too(chat, world_graph):
    class HungWorld(SearchWorld):
        async def judge(self, question, outcome):
            await asyncio.sleep(3600)

    hung = HungWorld(PageIndex.load(world_graph), EnvironmentSettings())
    episode, _ = play([RIGHT], chat, hung, seconds=0.3)
    assert episode.status is EpisodeStatus.FAILED
    assert episode.error == "TimeoutError: no verdict within 0.3 s"


def test_an_engine_that_cannot_sample_at_all_ends_the_collection(chat, world):
    engine = ScriptedEngine(chat, [EngineError("no server samples any more")])
    with pytest.raises(EngineError):
        asyncio.run(run_episode(question(), sample=0, seed=5, engine=engine, chat=chat, world=world, limits=LIMITS))
