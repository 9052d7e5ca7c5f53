"""How difficult an SQL question is says a policy behind an endpoint that looks at the real database."""

from __future__ import annotations

import pytest

from lib.errors import JobError
from lib.policy.tool_calls import render_tool_call
from lib.rollout.judge import PolicyJudge, make_judge
from lib.rollout.worlds import Sources
from lib.settings.settings import Settings
from lib.synthesis.judge import Exercise
from tests.chat_server import completion, serve
from tests.small_databases import MUSIC, collect, write_sqlite

ATTEMPTS = 3
GOLD = "SELECT name FROM singer WHERE age > 28"
ASKED = {"easy": "Who is older than 28?", "hard": "Who has not been born lately?", "lost": "Who sings best?"}


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("databases")
    music = write_sqlite(folder / "music.sqlite", MUSIC)
    return collect(folder / "out", source={"type": "files", "paths": [str(music)]})


def exercises(*names, gold=GOLD, database="music"):
    return [Exercise(name, ASKED[name], gold, (), "sql", database) for name in names]


def count(databases, reply, asked):
    with serve(reply) as server:
        judge = {"type": "openai", "base_url": server.url, "model": "m", "concurrency": 2}
        settings = {"synthesis": {"judge": judge, "difficulty_attempts": ATTEMPTS}}
        made = make_judge(Settings.model_validate(settings), sources=Sources(databases=databases), seed=0)
        return made.count_successes(asked), server.requests


def looking(number, body):
    """Looks at the table first; finds the easy question's answer and no other."""
    said = [message["content"] for message in body["messages"]]
    if len(said) == 2:
        assert "Tables: singer, song" in said[1]
        return 200, completion(render_tool_call("describe", {"table": "singer"}))
    assert "singer(id, name: 'Ann', age: 30)" in said[3]
    right = ASKED["easy"] in said[1]
    return 200, completion(f"<answer>SELECT name FROM singer WHERE age > {29 if right else 40}</answer>")


def test_attempts_are_right_by_the_result_of_their_query(databases):
    counts, requests = count(databases, looking, exercises("easy", "hard"))
    assert counts == [ATTEMPTS, 0]
    assert len(requests) == 2 * 2 * ATTEMPTS


def test_a_question_whose_gold_query_fails_is_not_judged(databases):
    asked = exercises("easy") + exercises("lost", gold="SELECT shoe FROM singer")
    assert count(databases, looking, asked)[0] == [ATTEMPTS, None]


def test_a_policy_of_random_weights_tries_the_questions_on_the_real_database(databases, world_policy, tmp_path):
    judge = {"type": "policy", "checkpoint": world_policy / "checkpoint"}
    engine = {
        "type": "transformers",
        "max_tokens": 300,
        "max_new_tokens": 8,
        "max_concurrent": 4,
        "precision": "float32",
    }
    settings = {"synthesis": {"judge": judge, "difficulty_attempts": ATTEMPTS}, "engine": engine}
    made = make_judge(Settings.model_validate(settings), sources=Sources(databases=databases), seed=0, scratch=tmp_path)
    assert isinstance(made, PolicyJudge)
    assert made.count_successes(exercises("easy", "hard")) == [0, 0]
    assert (tmp_path / "judge.jsonl").read_text().count("\n") == 2


def test_a_question_about_a_database_that_the_run_lacks_ends_the_judging_with_what_to_do(databases):
    with pytest.raises(JobError, match="which the run lacks"):
        count(databases, looking, exercises("lost", database="opera"))
