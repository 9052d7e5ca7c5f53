"""The numbers that a set of judged episodes amounts to.

In: episodes of one policy on one benchmark and their questions. Out: named values, one a question. Episodes that
failed for reasons outside the policy count in ``failed_rate`` and nowhere else.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib.bootstrap import Interval, bootstrap_difference, bootstrap_mean
from lib.evaluation.pass_at_k import list_ks, pass_at_k
from lib.evaluation.test_time import PICKERS, Sample, correct_within_budget, picked_correct, single_correct
from lib.rewards.exact_match import token_f1
from lib.rollout.vision_world import Sight

FAILED = "failed"
COUNTS = frozenset({"tool_calls", "turns"})  # all other metrics lie between 0 and 1


@dataclass(frozen=True)
class Decoding:
    """How the episodes behind a score were sampled."""

    temperature: float
    top_p: float
    samples: int
    max_tool_calls: int
    sight: Sight = "all"  # which images are shown

    def to_json(self) -> str:
        return json.dumps(vars(self), sort_keys=True)


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn: the same questions for every policy."""

    resamples: int
    seed: int

    def mean(self, values: list[float] | np.ndarray, *, metric: str) -> Interval:
        is_share = metric not in COUNTS
        return bootstrap_mean(np.asarray(values), resamples=self.resamples, seed=self.seed, is_share=is_share)

    def difference(self, values: np.ndarray, baseline: np.ndarray) -> Interval:
        return bootstrap_difference(values, baseline, resamples=self.resamples, seed=self.seed)


def judged(episodes: pa.Table) -> pa.Table:
    """The episodes whose outcome is the policy's own."""
    return episodes.filter(pc.not_equal(episodes["status"], FAILED))


def greedy_values(episodes: pa.Table, questions: pa.Table) -> dict[str, dict[str, float]]:
    """Metric -> question id -> value, from one episode a question."""
    asked = questions.select(["id", "domain", "answer", "aliases", "hops", "level"]).to_pylist()
    by_id = {row["id"]: row for row in asked}
    values: dict[str, dict[str, float]] = defaultdict(dict)
    columns = ["question_id", "answer", "answer_key", "correct", "well_formed", "tool_calls", "turns"]
    for row in judged(episodes).select(columns).to_pylist():
        question = by_id[row["question_id"]]
        name, correct = question["id"], float(row["correct"])
        values["accuracy"][name] = correct
        values["tool_calls"][name] = float(len(row["tool_calls"]))
        values["turns"][name] = float(sum(turn["role"] == "assistant" for turn in row["turns"]))
        values["format_error_rate"][name] = float(not row["well_formed"])
        if question["domain"] == "sql":
            values["executable_rate"][name] = float(row["answer_key"] is not None)
        if question["domain"] in ("sql", "vision"):
            values[f"accuracy_level_{question['level'] or 'unknown'}"][name] = correct
        if question["domain"] == "vision":
            closer = "closer" if question["hops"] else "at_once"
            values[f"accuracy_seen_{closer}"][name] = correct
        if question["domain"] == "knowledge":
            values["f1"][name] = token_f1(row["answer"], [question["answer"], *question["aliases"]])
            values[f"accuracy_hops_{question['hops']}"][name] = correct
    failed = pc.equal(episodes["status"], FAILED).to_pylist()
    values["failed_rate"] = dict(zip(episodes["question_id"].to_pylist(), map(float, failed), strict=True))
    return dict(values)


def samples_by_question(episodes: pa.Table) -> dict[str, list[Sample]]:
    """Judged samples of each question, in the order of their sample number."""
    ordered = judged(episodes).sort_by([("question_id", "ascending"), ("sample", "ascending")])
    grouped: dict[str, list[Sample]] = defaultdict(list)
    for row in ordered.select(["question_id", "answer_key", "tool_calls", "correct"]).to_pylist():
        grouped[row["question_id"]].append(Sample(row["answer_key"], len(row["tool_calls"]), row["correct"]))
    return dict(grouped)


def sampled_values(grouped: dict[str, list[Sample]], samples: int) -> dict[tuple[str, int], list[float]]:
    """(metric, k) -> one value a question that has k judged samples.

    Pickers look at the first k samples; pass@k uses all of them.
    """
    values: dict[tuple[str, int], list[float]] = {}
    for k in list_ks(samples):
        enough = [rows for _, rows in sorted(grouped.items()) if len(rows) >= k]
        if not enough:
            continue
        num_correct = np.array([sum(row.correct for row in rows) for rows in enough])
        values["pass_at_k", k] = list(pass_at_k(np.array([len(rows) for rows in enough]), num_correct, k))
        if k == 1:
            values["pick_single", k] = [single_correct(rows) for rows in enough]
        else:
            values |= {(name, k): [picked_correct(rows[:k], name) for rows in enough] for name in PICKERS}
    return values


def budget_values(grouped: dict[str, list[Sample]], budget: int) -> list[float]:
    """Accuracy under a tool budget, one value a question, from greedy episodes with at least that budget."""
    return [correct_within_budget(rows[0], budget) for _, rows in sorted(grouped.items())]
