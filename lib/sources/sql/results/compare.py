"""Whether a predicted result is the gold one, by the rule of a benchmark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from lib.sources.sql.executor.result import Result
from lib.sources.sql.results import bird, spider, tolerant

Rule = Literal["spider", "bird", "tolerant"]

RULES: dict[str, Callable[..., bool]] = {
    "spider": spider.same_result,
    "bird": lambda gold, predicted, ordered: bird.same_result(gold, predicted),
    "tolerant": tolerant.same_result,
}


def same_result(gold: Result, predicted: Result, rule: Rule = "tolerant", *, ordered: bool = False) -> bool:
    """Whether the prediction is right; one that failed, or that is cut off, never is.

    `ordered` says that the gold statement orders its rows (`spider.order_matters`, for Spider's own reading of it).
    Raises ValueError for a gold result that failed or is cut off: against such a one, nothing can be judged.
    """
    if not gold.ok or gold.truncated:
        reason = gold.error.message if gold.error else f"only {len(gold.rows)} of its rows came"
        raise ValueError(f"the gold result cannot be compared with: {reason}")
    if not predicted.ok or predicted.truncated:
        return False
    return RULES[rule](_hashable(gold), _hashable(predicted), ordered=ordered)


def _hashable(result: Result) -> list[tuple]:
    """Rows whose lists and structs are tuples."""
    return [tuple(_frozen(value) for value in row) for row in result.rows]


def _frozen(value: object) -> object:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return tuple((_frozen(key), _frozen(item)) for key, item in value.items())
    return value
