"""From the episodes of every policy to the rows of the score table.

In: what was attempted, and the episodes. Out: rows of the SCORES contract, with the gains of each
policy over those before it. The file knows neither checkpoints nor how episodes are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lib.evaluation.metrics import (
    Bootstrap,
    Decoding,
    budget_values,
    greedy_values,
    sampled_values,
    samples_by_question,
    score_row,
)
from lib.seeds import derive_seed
from lib.settings.settings import Settings

HELD_OUT = "held_out"
SAMPLED = "held_out_sampled"
Episodes = dict[tuple[str, str], pa.Table]  # by (policy, benchmark)


@dataclass(frozen=True)
class Part:
    """Attempts of one kind, made by every policy."""

    benchmark: str
    num_questions: int
    decoding: Decoding


def list_parts(settings: Settings, num_questions: int) -> list[Part]:
    """Greedy on all questions, samples on the first few, and greedy again for budgets above the environment's.

    Budgets up to the environment's are read off the greedy episodes; see lib.evaluation.test_time.
    """
    chosen, own_budget = settings.evaluate, settings.environment.max_tool_calls
    parts = [Part(HELD_OUT, num_questions, Decoding(0.0, 1.0, 1, own_budget))]
    few = min(chosen.sampled_questions, num_questions)
    if few == 0:
        return parts
    parts.append(Part(SAMPLED, few, Decoding(chosen.temperature, chosen.top_p, chosen.samples, own_budget)))
    for budget in sorted(set(chosen.budgets)):
        if budget > own_budget:
            parts.append(Part(f"{HELD_OUT}_budget_{budget}", num_questions, Decoding(0.0, 1.0, 1, budget)))
    return parts


def score(
    episodes: Episodes, *, parts: list[Part], questions: pa.Table, settings: Settings, seed: int
) -> Iterator[dict[str, object]]:
    """Rows of the SCORES contract, policy by policy in the order of ``episodes``."""
    bootstrap = Bootstrap(settings.evaluate.bootstrap_resamples, derive_seed(seed, "evaluate", "bootstrap"))
    accuracies: dict[str, dict[str, float]] = {}
    for policy in dict.fromkeys(policy for policy, _ in episodes):
        for part in parts:
            table = episodes[policy, part.benchmark]
            for metric, k, decoding, values in _values(part, table, questions, settings):
                yield score_row(
                    bootstrap.mean(values, metric=metric),
                    policy=policy,
                    benchmark=part.benchmark,
                    metric=metric,
                    k=k,
                    decoding=decoding,
                    seed=seed,
                )
            if part.benchmark == HELD_OUT:
                accuracies[policy] = greedy_values(table, questions)["accuracy"]
    yield from _gains(accuracies, parts[0], bootstrap, seed)


def _values(
    part: Part, episodes: pa.Table, questions: pa.Table, settings: Settings
) -> Iterator[tuple[str, int, Decoding, list[float]]]:
    """(metric, k, decoding, one value a question) of one policy's part."""
    grouped = samples_by_question(episodes)
    if part.benchmark == SAMPLED:
        for (metric, k), values in sampled_values(grouped, part.decoding.samples).items():
            yield metric, k, part.decoding, values
        return
    if part.benchmark != HELD_OUT:
        budget = part.decoding.max_tool_calls
        yield f"accuracy_budget_{budget}", 1, part.decoding, budget_values(grouped, budget)
        return
    for metric, by_question in sorted(greedy_values(episodes, questions).items()):
        yield metric, 1, part.decoding, [value for _, value in sorted(by_question.items())]
    for budget in sorted(set(settings.evaluate.budgets)):
        if budget <= part.decoding.max_tool_calls:
            decoding = Decoding(0.0, 1.0, 1, budget)
            yield f"accuracy_budget_{budget}", 1, decoding, budget_values(grouped, budget)


def _gains(
    accuracies: dict[str, dict[str, float]], part: Part, bootstrap: Bootstrap, seed: int
) -> Iterator[dict[str, object]]:
    """Accuracy less that of each policy before it, question by question."""
    names = list(accuracies)
    for position, policy in enumerate(names):
        for earlier in names[:position]:
            shared = sorted(set(accuracies[policy]) & set(accuracies[earlier]))
            if shared:
                values = np.array([[accuracies[name][question] for question in shared] for name in (policy, earlier)])
                yield score_row(
                    bootstrap.difference(*values),
                    policy=policy,
                    benchmark=part.benchmark,
                    metric=f"accuracy_gain_over_{earlier}",
                    k=1,
                    decoding=part.decoding,
                    seed=seed,
                )
