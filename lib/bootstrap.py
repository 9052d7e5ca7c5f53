"""How sure a mean over questions is: the percentile bootstrap, or the exact interval where that cannot tell.

In: one value a question. Out: the mean and its 95 % interval. Questions are what is drawn again,
never attempts, since attempts at one question are alike (Efron & Tibshirani 1993, chapter 13). Questions
that all come out wrong, or all right, are drawn again the same every time; there the exact interval of a
share stands (Clopper & Pearson 1934).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
BLOCK = 2**22  # draws held at once: 32 MiB of indices, whatever the number of questions


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float
    n: int  # questions


def bootstrap_mean(values: np.ndarray, *, resamples: int, seed: int, is_share: bool = False) -> Interval:
    """Mean of ``values`` [num_questions] with its percentile interval.

    Equal seeds draw equal questions, so two metrics of the same questions get comparable intervals.
    Raises ValueError for no values.

    Args:
        is_share: no value lies outside 0 to 1, so that where all are 0, or all 1, the exact interval holds.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0:
        raise ValueError("a mean needs at least one question")
    if is_share and values.min() == values.max() and values[0] in (0.0, 1.0):
        return _exact_share(float(values[0]), values.size)
    mean = float(values.mean())
    low, high = np.quantile(_resampled_means(values, resamples, seed), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    # The percentiles of a skewed sample can miss its mean by rounding; an interval holds its value.
    return Interval(mean, min(float(low), mean), max(float(high), mean), int(values.size))


def bootstrap_difference(values: np.ndarray, baseline: np.ndarray, *, resamples: int, seed: int) -> Interval:
    """Mean of ``values - baseline``, paired question by question."""
    if len(values) != len(baseline):
        raise ValueError(f"a paired difference needs the same questions, not {len(values)} and {len(baseline)}")
    difference = np.asarray(values, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    return bootstrap_mean(difference, resamples=resamples, seed=seed)


def _exact_share(value: float, n: int) -> Interval:
    """Of ``n`` questions with one outcome: the other one's chance is at most 1 - (alpha / 2) ** (1 / n)."""
    most = 1 - ((1 - CONFIDENCE) / 2) ** (1 / n)
    return Interval(value, 0.0, most, n) if value == 0 else Interval(value, 1 - most, 1.0, n)


def _resampled_means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    block = max(1, BLOCK // values.size)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        means[start : start + rows] = values[generator.integers(0, values.size, (rows, values.size))].mean(axis=1)
    return means
