"""Episodes on pictures: real tokens, rows that keep their images, and tools that pay only for right answers."""

from __future__ import annotations

import asyncio

import pyarrow as pa
import pytest

from data_contracts.contract import ContractError
from data_contracts.episodes import EPISODES
from lib.environments.environment import Question
from lib.errors import JobError
from lib.policy.load import load_chat
from lib.rewards.verdict import Outcome
from lib.rollout.episode import EpisodeStatus, episode_table, read_image
from lib.rollout.run_episode import EpisodeLimits, run_episode
from lib.rollout.vision_world import VisionWorld
from lib.settings.environment import EnvironmentSettings
from tests.small_world import ScriptedEngine

QUESTION = Question(
    id="q",
    domain="vision",
    prompt="Which picture has red in it?",
    answer="2",
    images=["shapes/blue-5-10", "shapes/red-3-0"],
)
LOOK = '<tool_call>{"name": "look_again", "arguments": {"image": 2, "box": [0, 0, 50, 50]}}</tool_call>'
CONFIRM = '<tool_call>{"name": "confirm", "arguments": {"image": 1, "statement": "It is blue."}}</tool_call>'
LIMITS = {
    "max_tokens": 900,
    "max_new_tokens": 200,
    "max_turns": 5,
    "max_tool_calls": 4,
    "max_malformed": 1,
    "seconds": 60,
}


@pytest.fixture(scope="module")
def world(shapes):
    return VisionWorld(shapes, EnvironmentSettings(), tool_gain=0.25)


@pytest.fixture(scope="module")
def seeing(seeing_policy, world):
    return load_chat(seeing_policy / "checkpoint", world.store.open)


def play(seeing, world, *script, **limits):
    chosen = EpisodeLimits(**LIMITS | limits, temperature=1.0, top_p=1.0)
    engine = ScriptedEngine(seeing, list(script))
    return asyncio.run(run_episode(QUESTION, sample=0, seed=1, engine=engine, chat=seeing, world=world, limits=chosen))


def test_an_episode_keeps_its_images_in_the_order_in_which_they_were_shown(seeing, world):
    episode = play(seeing, world, LOOK, CONFIRM, "<answer>2</answer>")
    assert (episode.status, episode.correct, episode.reward.value) == (EpisodeStatus.ANSWERED, True, 1.25)
    table, _ = EPISODES.check(episode_table([episode], policy="p", benchmark="b"))
    (row,) = table.to_pylist()
    assert [(image["image_id"], image["box"]) for image in row["images"]] == [
        ("shapes/blue-5-10", None),
        ("shapes/red-3-0", None),
        ("shapes/red-3-0", [0, 0, 20, 20]),
        ("shapes/blue-5-10", None),
    ]
    assert [read_image(image) for image in row["images"]] == episode.conversation.images
    for image in row["images"]:
        assert not any(row["action_mask"][image["start"] : image["end"]])


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (
            lambda row: row["tokens"].__setitem__(row["images"][0]["start"] + 2, row["images"][0]["patch_token"] - 1),
            "as many placeholders",
        ),
        (lambda row: row["images"].pop(), "as many placeholders"),
        (lambda row: row["images"][1].update(start=row["images"][0]["start"]), "one after the other"),
        (lambda row: row["images"][-1].update(end=len(row["tokens"]) + 1), "lie inside"),
        (lambda row: row["action_mask"].__setitem__(row["images"][0]["start"], True), "no patch is an action"),
    ],
)
def test_the_contract_finds_images_and_placeholders_that_disagree(seeing, world, damage, rule):
    (row,) = episode_table([play(seeing, world, LOOK, "<answer>2</answer>")], policy="p", benchmark="b").to_pylist()
    damage(row)
    with pytest.raises(ContractError, match=rule):
        EPISODES.check(pa.Table.from_pylist([row], schema=EPISODES.schema))


def test_a_placeholder_that_the_policy_wrote_is_a_token_like_any_other(seeing, world):
    (row,) = episode_table([play(seeing, world, LOOK, "<answer>2</answer>")], policy="p", benchmark="b").to_pylist()
    written, given = row["action_mask"].index(True), row["images"][-1]["end"]
    row["tokens"][written] = row["images"][0]["patch_token"]
    EPISODES.check(pa.Table.from_pylist([row], schema=EPISODES.schema))
    assert not row["action_mask"][given]
    row["tokens"][given] = row["images"][0]["patch_token"]
    with pytest.raises(ContractError, match="as many placeholders"):
        EPISODES.check(pa.Table.from_pylist([row], schema=EPISODES.schema))


def test_no_room_ends_an_episode_without_splitting_an_image(seeing, world):
    whole = play(seeing, world, LOOK, "<answer>2</answer>")
    for room in range(len(whole.conversation.images) * 30, len(whole.conversation.tokens), 7):
        episode = play(seeing, world, LOOK, "<answer>2</answer>", max_tokens=room)
        EPISODES.check(episode_table([episode], policy="p", benchmark="b"))
        assert episode.status in (EpisodeStatus.TOO_LONG, EpisodeStatus.ANSWERED)


@pytest.mark.parametrize(
    ("script", "value"),
    [
        (("<answer>2</answer>",), 1.0),
        ((LOOK, "<answer>2</answer>"), 1.25),
        ((LOOK, "<answer>1</answer>"), 0.0),
        (("<answer>1</answer>",), 0.0),
    ],
)
def test_a_tool_pays_only_where_the_answer_is_right(seeing, world, script, value):
    assert play(seeing, world, *script).reward.value == value


def test_a_call_that_is_refused_is_no_use_of_a_tool(world):
    verdict = asyncio.run(world.judge(QUESTION, Outcome("2", True, (), num_calls=0)))
    assert verdict.reward.value == 1.0


def test_an_image_that_the_run_lacks_is_named(world):
    with pytest.raises(JobError, match="shapes/none"):
        world.make_environment(QUESTION.model_copy(update={"images": ["shapes/none", "shapes/red-3-0"]}))
