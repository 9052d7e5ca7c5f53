"""Attempts of a real small policy, and of a scripted endpoint, in the real environment."""

from __future__ import annotations

import re

import pytest

from lib.errors import EndpointError, PolicyError
from lib.policy.tool_calls import render_tool_call
from lib.rollout.judge import EndpointJudge, PolicyJudge, make_judge
from lib.rollout.worlds import Sources
from lib.settings.settings import Settings
from lib.synthesis.judge import Exercise
from tests.chat_server import completion, serve
from tests.small_world import question, region

ATTEMPTS = 3


def settings(**judge):
    return Settings.model_validate(
        {
            "synthesis": {"judge": judge, "difficulty_attempts": ATTEMPTS},
            "engine": {
                "type": "transformers",
                "max_tokens": 400,
                "max_new_tokens": 8,
                "max_concurrent": 4,
                "precision": "float32",
            },
        }
    )


def exercises(number):
    asked = [question(n) for n in range(number)]
    return [Exercise(item.id, item.prompt, item.answer, ("the region",)) for item in asked]


def test_without_a_judge_there_is_none(world_graph):
    assert make_judge(settings(type="none"), sources=Sources(graph=world_graph), seed=0) is None


def test_a_policy_of_random_weights_answers_nothing_in_any_batch(world_graph, world_policy):
    judged = settings(type="policy", checkpoint=world_policy / "checkpoint")
    judge = make_judge(judged, sources=Sources(graph=world_graph), seed=0)
    assert isinstance(judge, PolicyJudge)
    assert judge.count_successes(exercises(5)) == [0] * 5
    assert judge.count_successes(exercises(2)) == [0] * 2
    assert judge.usage.note() == ""


def test_a_conversation_that_does_not_fit_the_engine_says_nothing_about_difficulty(world_graph, world_policy):
    judge = make_judge(
        settings(type="policy", checkpoint=world_policy / "checkpoint"), sources=Sources(graph=world_graph), seed=0
    )
    short, _ = exercises(2)
    judge._engine._capacity = 1
    assert judge.count_successes([short]) == [None]


def test_a_checkpoint_that_does_not_load_is_an_error_before_any_question(world_graph, tmp_path):
    with pytest.raises(PolicyError):
        make_judge(settings(type="policy", checkpoint=tmp_path), sources=Sources(graph=world_graph), seed=0)


def searching(number, body):
    """Searches first; answers rightly for odd towns and wrongly for the others."""
    town = int(re.search(r"Town (\d+)", body["messages"][1]["content"])[1])
    if len(body["messages"]) == 2:
        return 200, completion(render_tool_call("search", {"query": f"Town {town} region"}))
    assert region(town) in body["messages"][3]["content"]
    return 200, completion(f"<answer>{region(town) if town % 2 else 'nowhere'}</answer>")


def test_an_endpoint_is_judged_by_its_answers_in_the_real_environment(world_graph):
    with serve(searching) as server:
        judge = make_judge(
            settings(type="openai", base_url=server.url, model="m"), sources=Sources(graph=world_graph), seed=0
        )
        assert isinstance(judge, EndpointJudge)
        assert judge.count_successes(exercises(4)) == [0, ATTEMPTS, 0, ATTEMPTS]
    assert judge.usage.requests == 4 * ATTEMPTS * 2
    assert len({body["seed"] for body in server.requests}) == len(server.requests)


def test_a_refused_attempt_leaves_its_question_unjudged(world_graph):
    with serve(lambda number, body: (400, "rules") if number == 1 else searching(number, body)) as server:
        endpoint = settings(type="openai", base_url=server.url, model="m", concurrency=1)
        judge = make_judge(endpoint, sources=Sources(graph=world_graph), seed=0)
        assert judge.count_successes(exercises(3)) == [None, ATTEMPTS, 0]


def test_an_endpoint_that_is_down_stops_the_judging(world_graph):
    judge = make_judge(
        settings(type="openai", base_url="http://127.0.0.1:9/v1", model="m", max_retries=0),
        sources=Sources(graph=world_graph),
        seed=0,
    )
    with pytest.raises(EndpointError, match="No question can be judged") as raised:
        judge.count_successes(exercises(2))
    assert "synthesis.judge.type=none" in str(raised.value)


def test_attempts_at_an_endpoint_go_on_where_it_died(world_graph, tmp_path):
    def judge(server):
        judged = settings(type="openai", base_url=server.url, model="m", concurrency=2, max_retries=0)
        return make_judge(judged, sources=Sources(graph=world_graph), seed=0, scratch=tmp_path)

    with serve(lambda number, body: searching(number, body) if number <= 13 else (503, "down")) as server:
        with pytest.raises(EndpointError):
            judge(server).count_successes(exercises(4))
    kept = len((tmp_path / "judge.jsonl").read_text().splitlines())
    assert 12 <= kept <= 13
    with serve(searching) as server:
        again = judge(server)
        assert again.count_successes(exercises(4)) == [0, ATTEMPTS, 0, ATTEMPTS]
    assert len({body["seed"] for body in server.requests}) == 4 * ATTEMPTS * 2 - kept
    assert again.usage.tokens == 4 * ATTEMPTS * 2 * 13


def test_counts_of_a_policy_outlive_a_failure(world_graph, world_policy, tmp_path):
    judged = settings(type="policy", checkpoint=world_policy / "checkpoint")
    make_judge(judged, sources=Sources(graph=world_graph), seed=0, scratch=tmp_path).count_successes(exercises(2))
    again = make_judge(judged, sources=Sources(graph=world_graph), seed=0, scratch=tmp_path)
    again._engine._capacity = 1
    assert again.count_successes(exercises(3)) == [0, 0, None]
