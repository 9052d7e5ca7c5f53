"""Demonstrations on databases end right, take turns with those on pages, and pass the audit of masks."""

from __future__ import annotations

import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.episodes import EPISODES
from data_contracts.questions import QUESTIONS
from lib.errors import GateError
from lib.learning.demonstrate import demonstrate
from lib.progress import Silent
from lib.rollout.worlds import Sources
from lib.settings.settings import Settings
from lib.synthesis.sql.written import question_row
from tests.small_databases import MUSIC, collect, write_sqlite

GOLDS = [f"SELECT name FROM singer WHERE name = 'Ann' AND age > {age}" for age in range(20, 28)]


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("databases")
    music = write_sqlite(folder / "music.sqlite", MUSIC)
    return collect(folder / "out", source={"type": "files", "paths": [str(music)]})


def sql_rows(golds):
    return [
        question_row(
            {
                "benchmark": "",
                "id": str(place),
                "prompt": f"Is Ann older than {20 + place}?",
                "database_id": "music",
                "gold_sql": [gold],
                "evidence": "",
                "level": "easy",
            },
            split="train",
        )
        for place, gold in enumerate(golds)
    ]


@pytest.fixture
def make(tmp_path, databases, world_graph, world_questions, world_policy):
    """Demonstrations of these SQL questions, and of the world's where it is asked for."""

    def made(golds, *, with_pages=False, **section):
        rows = sql_rows(golds) + (
            pq.read_table(world_questions / "questions.parquet").to_pylist() if with_pages else []
        )
        pq.write_table(pa.Table.from_pylist(rows, schema=QUESTIONS.schema), tmp_path / "questions.parquet")
        settings = {
            "policy": {"type": "nano"},
            "demonstrate": section,
            "engine": {"type": "transformers", "max_tokens": 4000},
        }
        demonstrate(
            Settings.model_validate(settings),
            sources=Sources(graph=world_graph if with_pages else None, databases=databases),
            questions=tmp_path,
            base=world_policy,
            out=tmp_path,
            seed=3,
            progress=Silent(),
        )
        return EPISODES.check(pq.read_table(tmp_path / "episodes.parquet"))[0].to_pylist()

    return made


def test_every_demonstration_runs_the_gold_query_and_answers_with_it(make):
    episodes = make(GOLDS, detour_share=0.0)
    assert sorted(row["answer"] for row in episodes) == GOLDS
    for row in episodes:
        assert (row["domain"], row["status"], row["correct"], row["well_formed"]) == ("sql", "answered", True, True)
        assert [call["name"] for call in row["tool_calls"]] == ["describe", "run_sql"]
        assert json.loads(row["tool_calls"][-1]["arguments"]) == {"query": row["answer"]}


def test_detours_are_mistakes_that_are_mended(make):
    episodes = make(GOLDS, detour_share=1.0)
    assert len(episodes) == len(GOLDS)
    for row in episodes:
        queries = [call["arguments"] for call in row["tool_calls"] if call["name"] == "run_sql"]
        assert len(queries) == 2 and queries[0] != queries[1]
        assert row["correct"] and row["well_formed"]


def test_gold_queries_that_fail_are_left_out(make):
    episodes = make([GOLDS[0], "SELECT shoe FROM singer", GOLDS[1]])
    assert sorted(row["answer"] for row in episodes) == GOLDS[:2]


def test_where_none_can_be_demonstrated_the_gate_says_what_to_look_at(make):
    with pytest.raises(GateError, match="none of 1 training questions could be demonstrated"):
        make(["SELECT shoe FROM singer"])


def test_domains_take_turns(make):
    episodes = make(GOLDS, with_pages=True, num_episodes=10)
    assert [row["domain"] for row in episodes] == ["knowledge", "sql"] * 5


def test_domains_share_the_demonstrations_as_they_weigh(make):
    episodes = make(GOLDS, with_pages=True, num_episodes=8, domain_weights={"sql": 3})
    assert Counter(row["domain"] for row in episodes) == {"knowledge": 2, "sql": 6}


def test_a_domain_whose_questions_run_out_leaves_its_place_to_the_others(make):
    episodes = make(GOLDS, with_pages=True, num_episodes=12, domain_weights={"sql": 10})
    assert Counter(row["domain"] for row in episodes) == {"sql": 8, "knowledge": 4}


def test_a_domain_of_weight_zero_is_left_out(make):
    assert {row["domain"] for row in make(GOLDS, with_pages=True, domain_weights={"knowledge": 0})} == {"sql"}
