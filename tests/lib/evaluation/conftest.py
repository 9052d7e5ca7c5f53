"""Hand-made questions and episodes."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from data_contracts.episodes import EPISODES
from data_contracts.questions import QUESTIONS


def _question_table(count: int, split: str = "test") -> pa.Table:
    rows = [
        {
            "id": f"{split}-{i}",
            "domain": "knowledge",
            "prompt": f"What is number {i}?",
            "answer": f"answer {i}",
            "aliases": [f"alias {i}"],
            "split": split,
            "hops": 1 + i % 2,
            "difficulty": 0.5,
            "evidence": [],
            "source_ids": [],
            "relations": [],
            "writer": "template",
            "filters_passed": [],
            "seed": i,
        }
        for i in range(count)
    ]
    return QUESTIONS.check(pa.Table.from_pylist(rows))[0]


def _episode(question_id: str, *, calls: int = 1, answer: str | None = None, correct: bool = False, **fields) -> dict:
    """One row of EPISODES, of three tokens: a prompt and a sampled turn."""
    sample = fields.get("sample", 0)
    return {
        "id": f"{question_id}/{sample}",
        "question_id": question_id,
        "group_id": question_id,
        "domain": "knowledge",
        "policy": "base",
        "benchmark": "held_out_knowledge",
        "sample": sample,
        "step": 0,
        "tokens": [1, 2, 3],
        "action_mask": [False, False, True],
        "logprobs": [0.0, 0.0, -0.5],
        "turns": [
            {"role": "prompt", "start": 0, "end": 2, "text": "Q", "policy_version": -1},
            {"role": "assistant", "start": 2, "end": 3, "text": "A", "policy_version": 0},
        ],
        "tool_calls": [{"turn": 0, "name": "search", "arguments": "{}", "status": "ok", "latency_s": 0.0}] * calls,
        "status": "answered" if answer is not None else "out_of_turns",
        "error": None,
        "answer": answer,
        "answer_key": answer,
        "correct": correct,
        "well_formed": True,
        "reward": float(correct),
        "reward_parts": [],
        "seed": 0,
        "seconds": 0.1,
        **fields,
    }


@pytest.fixture
def question_table() -> Callable[..., pa.Table]:
    return _question_table


@pytest.fixture
def episode() -> Callable[..., dict]:
    return _episode


@pytest.fixture
def episode_table() -> Callable[[list[dict]], pa.Table]:
    return lambda rows: EPISODES.check(pa.Table.from_pylist(rows, schema=EPISODES.schema))[0]
