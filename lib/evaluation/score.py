"""From the episodes of every policy to the rows of the score table.

In: what was attempted, and the episodes. Out: rows of the SCORES contract, with the gains of each
policy over those before it on the same questions. The file knows neither checkpoints nor how episodes are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from data_contracts.scores import IMAGE_ATTENTION, IMAGE_TOKENS, WORTH
from lib.bootstrap import Interval
from lib.evaluation.metrics import (
    Bootstrap,
    Decoding,
    budget_values,
    greedy_values,
    sampled_values,
    samples_by_question,
)
from lib.evaluation.parts import Kind, Part
from lib.seeds import derive_seed
from lib.settings.settings import Settings

Episodes = dict[tuple[str, str], pa.Table]  # by (policy, benchmark)


def score(episodes: Episodes, *, parts: list[Part], settings: Settings, seed: int) -> Iterator[dict[str, object]]:
    """Rows of the SCORES contract, policy by policy in the order of ``episodes``."""
    bootstrap = Bootstrap(settings.evaluate.bootstrap_resamples, derive_seed(seed, "evaluate", "bootstrap"))
    accuracies: dict[str, dict[str, dict[str, float]]] = {part.benchmark: {} for part in parts}
    for policy in dict.fromkeys(policy for policy, _ in episodes):
        for part in parts:
            table = episodes[policy, part.benchmark]
            for metric, k, decoding, values in _values(part, table, settings):
                interval = bootstrap.mean(values, metric=metric)
                yield _row(interval, part, policy, metric, k=k, decoding=decoding, seed=seed)
            if part.kind in (Kind.GREEDY, Kind.SIGHT):
                accuracies[part.benchmark][policy] = greedy_values(table, part.questions)["accuracy"]
    for part in parts:
        if part.kind is Kind.GREEDY:
            yield from _gains(accuracies[part.benchmark], part, bootstrap, seed)
        elif part.kind is Kind.SIGHT:
            yield from _worth(accuracies[part.set_name], accuracies[part.benchmark], part, bootstrap, seed)


def attention_rows(
    values: np.ndarray, *, part: Part, policy: str, settings: Settings, seed: int
) -> Iterator[dict[str, object]]:
    """Rows of the SCORES contract from ``[episodes, 2, fifths]`` of lib.evaluation.image_attention."""
    bootstrap = Bootstrap(settings.evaluate.bootstrap_resamples, derive_seed(seed, "evaluate", "attention"))
    for place, name in enumerate((IMAGE_ATTENTION, IMAGE_TOKENS)):
        for fifth in range(values.shape[2]):
            interval = bootstrap.mean(values[:, place, fifth], metric=name)
            yield _row(interval, part, policy, f"{name}{1 + fifth}", decoding=part.decoding, seed=seed)


def _values(part: Part, episodes: pa.Table, settings: Settings) -> Iterator[tuple[str, int, Decoding, list[float]]]:
    """(metric, k, decoding, one value a question) of one policy's part."""
    grouped = samples_by_question(episodes)
    if part.kind is Kind.SAMPLED:
        for (metric, k), values in sampled_values(grouped, part.decoding.samples).items():
            yield metric, k, part.decoding, values
        return
    if part.kind is Kind.SIGHT:
        accuracies = greedy_values(episodes, part.questions)["accuracy"]
        yield f"accuracy_{part.decoding.sight}", 1, part.decoding, [value for _, value in sorted(accuracies.items())]
        return
    if part.kind is Kind.BUDGET:
        budget = part.decoding.max_tool_calls
        yield f"accuracy_budget_{budget}", 1, part.decoding, budget_values(grouped, budget)
        return
    for metric, by_question in sorted(greedy_values(episodes, part.questions).items()):
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
            gain = _difference(accuracies[policy], accuracies[earlier], bootstrap)
            if gain is not None:
                metric = f"accuracy_gain_over_{earlier}"
                yield _row(gain, part, policy, metric, decoding=part.decoding, seed=seed)


def _worth(
    seeing: dict[str, dict[str, float]],
    blinder: dict[str, dict[str, float]],
    part: Part,
    bootstrap: Bootstrap,
    seed: int,
) -> Iterator[dict[str, object]]:
    """Each policy's accuracy less that of a part with fewer images, question by question, as rows of the whole set."""
    whole = replace(part, benchmark=part.set_name)
    for policy, accuracies in seeing.items():
        gain = _difference(accuracies, blinder[policy], bootstrap)
        if gain is not None:
            yield _row(gain, whole, policy, WORTH[part.decoding.sight], decoding=part.decoding, seed=seed)


def _difference(values: dict[str, float], baseline: dict[str, float], bootstrap: Bootstrap) -> Interval | None:
    """Over the questions that both answered; None where there is none."""
    shared = sorted(set(values) & set(baseline))
    if not shared:
        return None
    return bootstrap.difference(*np.array([[known[question] for question in shared] for known in (values, baseline)]))


def _row(
    interval: Interval, part: Part, policy: str, metric: str, *, k: int = 1, decoding: Decoding, seed: int
) -> dict[str, object]:
    return {
        "policy": policy,
        "benchmark": part.benchmark,
        "domain": part.domain,
        "metric": metric,
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
        "k": k,
        "decoding": decoding.to_json(),
        "seed": seed,
    }
