"""Demonstrations follow the evidence with real calls, and their masks pass the audit."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.episodes import EPISODES
from lib.errors import GateError
from lib.learning.demonstrate import demonstrate
from lib.learning.mask_audit import audit_masks
from lib.progress import Silent
from lib.rollout.worlds import Sources
from lib.settings.demonstrate import DemonstrateSettings
from lib.settings.settings import Settings


def settings(**section):
    return Settings.model_validate(
        {"policy": {"type": "nano"}, "demonstrate": section, "engine": {"type": "transformers", "max_tokens": 2000}}
    )


def make(out, world_graph, world_questions, world_policy, *, seed=0, **section):
    out.mkdir(exist_ok=True)
    demonstrate(
        settings(**section),
        sources=Sources(graph=world_graph),
        questions=world_questions,
        base=world_policy,
        out=out,
        seed=seed,
        progress=Silent(),
    )
    return pq.read_table(out / "episodes.parquet")


@pytest.fixture
def world(world_graph, world_questions, world_policy):
    return world_graph, world_questions, world_policy


def test_demonstrations_answer_right_and_fit_the_contract(tmp_path, world):
    table, _ = EPISODES.check(make(tmp_path, *world, num_episodes=10))
    assert table.num_rows == 10
    assert set(table["correct"].to_pylist()) == {True}
    assert set(table["status"].to_pylist()) == {"answered"}


def test_only_training_questions_are_demonstrated(tmp_path, world):
    table = make(tmp_path, *world, num_episodes=1000)
    numbers = {int(name.split("-")[1]) for name in table["question_id"].to_pylist()}
    assert numbers == set(range(30))


def test_detours_search_vaguely_first_and_still_arrive(tmp_path, world):
    plain = make(tmp_path / "plain", *world, detour_share=0.0)
    winding = make(tmp_path / "winding", *world, detour_share=1.0)
    calls = [[json.loads(c["arguments"]) for c in row] for row in winding["tool_calls"].to_pylist()]
    assert all(len(row) == 1 for row in plain["tool_calls"].to_pylist())
    assert all(len(row) >= 2 for row in calls)
    assert set(winding["correct"].to_pylist()) == {True}


def test_the_same_seed_gives_the_same_demonstrations(tmp_path, world):
    first, second = (make(tmp_path / name, *world, seed=4)["tokens"].to_pylist() for name in "ab")
    other = make(tmp_path / "c", *world, seed=5)["tokens"].to_pylist()
    assert first == second != other


def test_questions_whose_pages_do_not_state_the_facts_are_an_error(tmp_path, world):
    graph, questions, policy = world
    table = pq.read_table(questions / "questions.parquet").to_pylist()
    for row in table:
        row["evidence"][0]["fact"] = "A sentence that stands nowhere."
    changed = tmp_path / "questions"
    changed.mkdir()
    pq.write_table(pa.Table.from_pylist(table), changed / "questions.parquet")
    with pytest.raises(GateError, match="none of 30 training questions could be demonstrated"):
        make(tmp_path / "out", graph, changed, policy)


def test_questions_without_evidence_are_passed_over(tmp_path, world):
    graph, questions, policy = world
    table = pq.read_table(questions / "questions.parquet")
    rows = table.to_pylist()
    for row in rows[1:]:
        row["evidence"] = []
    changed = tmp_path / "questions"
    changed.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), changed / "questions.parquet")
    shown = make(tmp_path / "out", graph, changed, policy, num_episodes=3)
    assert shown["question_id"].to_pylist() == ["question-0"]


def tampered(table, change):
    rows = table.to_pylist()
    change(rows[0])
    return pa.Table.from_pylist(rows, schema=EPISODES.schema)


def train_an_observation(row):
    row["action_mask"][0] = True


def lose_a_stop_token(row):
    turn = next(turn for turn in row["turns"] if turn["role"] == "assistant")
    row["tokens"][turn["end"] - 1] = 70


@pytest.mark.parametrize(("change", "words"), [(train_an_observation, "token 0"), (lose_a_stop_token, "stop token")])
def test_the_audit_names_the_episode_and_place(tmp_path, world, chat, change, words):
    table = tampered(make(tmp_path, *world), change)
    with pytest.raises(GateError, match=words):
        audit_masks(table, stop_tokens=chat.stop_tokens, limits=DemonstrateSettings())


def test_the_audit_bounds_the_trained_share(tmp_path, world, chat):
    table = make(tmp_path, *world)
    with pytest.raises(GateError, match="of the tokens are trained"):
        audit_masks(table, stop_tokens=chat.stop_tokens, limits=DemonstrateSettings(max_trained_share=0.05))
