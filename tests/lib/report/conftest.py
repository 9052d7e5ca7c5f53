"""A made-up run, whole, with labels that would break a careless page."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.contract import Contract
from data_contracts.episodes import EPISODES
from data_contracts.questions import FUNNEL, QUESTIONS
from data_contracts.scores import SCORES
from data_contracts.training import STEPS, SWEEP, TENSOR_FITS
from lib.evaluation.parts import list_parts
from lib.evaluation.question_sets import QuestionSet
from lib.evaluation.score import score
from lib.extrapolation.sweep import Candidate, Method, judge, tabulate
from lib.settings.settings import Settings

HOSTILE = '<script>alert("x")</script> & "quotes" $a_b$ \'s'
RIGHT_TO_LEFT = "ما هي عاصمة مصر؟"
POLICY_OF = {"demonstrate": "oracle", "reinforce": "reinforce"}
SKILL = {"base": 0.02, "warm_up": 0.45, "reinforce": 0.66, "extrapolate": 0.69}
STOP_TOKEN = 2  # of the small world's chat format
CALL = {"name": "search", "arguments": "{}", "status": "ok", "latency_s": 0.0}
STAGES = {
    "source": [],
    "synthesize": ["source"],
    "base": ["source"],
    "demonstrate": ["source", "synthesize", "base"],
    "warm_up": ["base", "demonstrate"],
    "reinforce": ["source", "synthesize", "warm_up"],
    "extrapolate": ["source", "synthesize", "warm_up", "reinforce"],
    "evaluate": ["source", "synthesize", "base", "warm_up", "reinforce", "extrapolate"],
}
KINDS = {
    "source": "graph",
    "synthesize": "questions",
    "base": "policy",
    "demonstrate": "episodes",
    "warm_up": "warm_up",
    "reinforce": "reinforcement",
    "extrapolate": "extrapolation",
    "evaluate": "scores",
}


class MadeUpRun:
    """Artifacts of every stage under ``root``, as a run leaves them; ``policy`` gives the base its tokenizer."""

    def __init__(self, root: Path, *, policy: Path | None = None, num_questions: int = 60):
        self.root = root
        self.inputs = {stage: root / stage for stage in STAGES}
        for folder in self.inputs.values():
            folder.mkdir(parents=True)
        self._random = np.random.default_rng(0)
        if policy is not None:
            shutil.copytree(policy / "checkpoint", self.inputs["base"] / "checkpoint")
        asked = [self._question(i) for i in range(num_questions)]
        learned = [self._question(num_questions + i, split="train") for i in range(40)]
        queried = [self._sql_question(i) for i in range(30)]
        written = self._write("synthesize", QUESTIONS, asked + queried + learned)
        self._sets = [
            QuestionSet("held_out_knowledge", "knowledge", written.slice(0, num_questions)),
            QuestionSet("held_out_sql", "sql", written.slice(num_questions, len(queried))),
        ]
        self._write("synthesize", FUNNEL, self._funnel())
        self._write("warm_up", STEPS, [self._step(i, 24) for i in range(1, 25)])
        self._write("reinforce", STEPS, [self._step(i, 16, reward=0.3 + 0.025 * i) for i in range(1, 17)])
        asked_to_query = [self._sql_question(len(queried) + i) | {"split": "train"} for i in range(16)]
        for stage in ("demonstrate", "reinforce"):
            rows = [self._episode(q, 0, POLICY_OF[stage], "train") for q in [*learned, *asked_to_query]]
            in_training = stage == "reinforce"
            self._write(stage, EPISODES, [row | {"step": in_training * (1 + i % 16)} for i, row in enumerate(rows)])
        self._write_extrapolation()
        self._write_scores()

    @property
    def lineage(self) -> list[dict]:
        return [
            {
                "stage": stage,
                "kind": KINDS[stage],
                "digest": hashlib.sha256(stage.encode()).hexdigest(),
                "rows": 1234,
                "inputs": [{"stage": name, "digest": name * 2} for name in inputs],
            }
            for stage, inputs in STAGES.items()
        ]

    @property
    def costs(self) -> list[dict]:
        seconds = (4.2, 6.1, 16.0, 3.0, 131.0, 380.5, 90.0, 140.0)
        return [
            {"stage": s, "seconds": t, "peak_memory_mb": 900.0, "tokens": int(t * 200), "cached": t < 5}
            for s, t in zip(STAGES, seconds, strict=True)
        ]

    def _write(self, stage: str, contract: Contract, rows: list[dict]) -> pa.Table:
        table, _ = contract.check(pa.Table.from_pylist(rows, schema=contract.schema))
        pq.write_table(table, self.inputs[stage] / f"{contract.name}.parquet")
        return table

    def _question(self, i: int, split: str = "test") -> dict:
        prompts = (HOSTILE, RIGHT_TO_LEFT, f"Which currency is used in the country in which airport {i} lies?")
        return {
            "id": f"q{i:03}", "domain": "knowledge", "prompt": prompts[min(i, 2)], "answer": f"Icelandic króna {i}",
            "aliases": [], "split": split, "hops": 1 + i % 3, "difficulty": 0.5, "source_ids": [f"airport:{i}"],
            "evidence": [{"page_id": f"airport:{i}", "title": "", "query": "", "fact": "It uses it.", "value": ""}],
            "relations": [], "writer": "template", "filters_passed": [], "seed": i,
        }  # fmt: skip

    def _sql_question(self, i: int) -> dict:
        level = ("easy", "medium", "hard", "extra")[i % 4]
        prompt = RIGHT_TO_LEFT if i == 0 else f"How many flights of airline {i} are late?"
        return self._question(i) | {
            "id": f"s{i:03}", "domain": "sql", "prompt": prompt, "answer": f"SELECT {i} AS '{HOSTILE}'",
            "evidence": [], "source_ids": [f"aviation.flights{i}"], "database_id": "aviation", "level": level,
        }  # fmt: skip

    def _funnel(self) -> list[dict]:
        rows = [("walks", "", 2710), ("one_hop", "", 2418), ("one_hop", "the start's own facts give the answer", 292)]
        rows += [("leak", "", 2059), ("leak", "the prompt names the answer", 359), ("duplicates", "", 2059)]
        rows += [("kept", "", 2000)]
        rows = [("knowledge", *row) for row in rows] + [("sql", "drawn", "", 900), ("sql", "runs", "no rows", 870)]
        rows += [("sql", "kept", "", 30)]
        names = ("domain", "filter", "reason", "count")
        return [
            dict(zip(names, row, strict=True)) | {"position": i, "example": HOSTILE if row[2] else ""}
            for i, row in enumerate(rows)
        ]

    def _step(self, step: int, total: int, reward: float = 0.0) -> dict:
        row = {field.name: 0.0 for field in STEPS.schema} | {
            "step": step, "loss": 2.0 * np.exp(-4 * step / total) + 0.02 * self._random.random(), "num_episodes": 48,
            "num_tokens": 9000, "num_action_tokens": 3000, "reward_mean": reward, "accuracy": min(1.0, reward + 0.05),
            "entropy": 0.3 / step, "mismatch_mean": 0.01, "mismatch_max": 0.2 + 0.05 * self._random.random(),
            "importance_p01": 0.97, "importance_p50": 1.0, "importance_p99": 1.03, "truncated_share": 0.0,
            "staleness_max": 0, "groups_kept": 4, "dropped": [], "tool_calls_mean": 2.2, "turns_mean": 3.1,
            "well_formed_share": 0.9,
        }  # fmt: skip
        return row

    def _write_extrapolation(self) -> None:
        correct = {
            Candidate(method, target): self._random.random(64) < rate
            for method, target, rate in [
                (Method.LAST_STEP, 16, 0.62), (Method.RELEX, 20, 0.66), (Method.RELEX, 24, 0.61),
                (Method.RELEX, 32, 0.4), (Method.SCALED_DELTA, 1.25, 0.64), (Method.SCALED_DELTA, 1.5, 0.58),
            ]
        }  # fmt: skip
        sweep = tabulate({c: values.astype(float) for c, values in correct.items()}, resamples=300, seed=0)
        self._write("extrapolate", SWEEP, sweep.to_pylist())
        (self.inputs["extrapolate"] / "gate.json").write_text(json.dumps(judge(sweep)))
        fits = [
            {
                "tensor": f"layer.{i}", "num_elements": 10, "explained_variance": float(self._random.beta(8, 2)),
                "r_squared": float(self._random.beta(30, 1)), "slope": 1.0, "intercept": 0.0, "delta_norm": 0.1,
            }
            for i in range(272)
        ]  # fmt: skip
        self._write("extrapolate", TENSOR_FITS, fits)

    def _write_scores(self) -> None:
        settings = Settings(evaluate={"bootstrap_resamples": 300, "sampled_questions": 30})
        parts = [part for chosen in self._sets for part in list_parts(settings, chosen)]
        episodes = {}
        for policy in SKILL:
            for part in parts:
                chosen, samples = part.questions.to_pylist(), range(part.decoding.samples)
                rows = [self._episode(q, s, policy, part.benchmark) for q in chosen for s in samples]
                episodes[policy, part.benchmark] = pa.Table.from_pylist(rows, schema=EPISODES.schema)
        rows = list(score(episodes, parts=parts, settings=settings, seed=0))
        self._write("evaluate", SCORES, rows)
        self._write("evaluate", EPISODES, pa.concat_tables(episodes.values()).to_pylist())

    def _episode(self, question: dict, sample: int, policy: str, benchmark: str) -> dict:
        correct = bool(self._random.random() < SKILL.get(policy, 0.9) + 0.1 * (2 - question["hops"]))
        answer = question["answer"] if correct else HOSTILE
        num_calls = question["hops"] if correct else 1 + int(self._random.integers(0, 6))
        status = "answered" if correct or sample % 2 else "out_of_calls"
        call = '<tool_call>{"name": "search", "arguments": {"query": "Akureyri Airport country"}}</tool_call>'
        turns = [("prompt", "<|im_start|>system Find the answer ... <|im_end|>")]
        for i in range(num_calls):
            turns += [
                ("assistant", f"I need step {i + 1}.\n{call}"),
                ("tool", f"[Akureyri] {HOSTILE}\n{RIGHT_TO_LEFT}"),
            ]
        if status == "answered":
            turns.append(("assistant", f"The page says so.\n<answer>{answer}</answer>"))
        spans = [
            {"role": r, "start": i, "end": i + 1, "text": t, "policy_version": -1} for i, (r, t) in enumerate(turns)
        ]
        return {
            "id": f"{policy}/{benchmark}/{question['id']}/{sample}", "question_id": question["id"],
            "group_id": question["id"], "domain": question["domain"], "policy": policy, "benchmark": benchmark,
            "sample": sample, "step": 0,
            "tokens": [STOP_TOKEN if s["role"] == "assistant" else 100 for s in spans],
            "action_mask": [s["role"] == "assistant" for s in spans],
            "logprobs": [0.0] * len(spans), "turns": spans,
            "tool_calls": [CALL | {"turn": i} for i in range(num_calls)],
            "status": status, "error": None, "answer": answer if status == "answered" else None,
            "answer_key": answer if status == "answered" else None, "correct": correct,
            "well_formed": True, "reward": float(correct), "reward_parts": [], "seed": 0, "seconds": 0.4,
        }  # fmt: skip


@pytest.fixture(scope="session")
def run(tmp_path_factory, world_policy) -> MadeUpRun:
    return MadeUpRun(tmp_path_factory.mktemp("run"), policy=world_policy)
