"""pass@k: how often at least one of k samples is right.

In: for each question, how many samples there are and how many are right. Out: an unbiased estimate
a question.
"""

from __future__ import annotations

import numpy as np


def pass_at_k(num_samples: np.ndarray, num_correct: np.ndarray, k: int) -> np.ndarray:
    """``1 - C(n-c, k) / C(n, k)`` for each question, [num_questions].

    Computed as ``1 - Π_{i=n-c+1..n} (1 - k/i)``, and 1 where n - c < k, so that no binomial
    overflows (Chen et al. 2021, arXiv 2107.03374, equation 1).
    """
    n, c = np.asarray(num_samples, dtype=np.int64), np.asarray(num_correct, dtype=np.int64)
    if k < 1 or (n.size and k > int(n.min())):
        raise ValueError(f"pass@{k} needs 1 <= k <= samples of every question, the fewest are {n.min(initial=0)}")
    if ((c < 0) | (c > n)).any():
        raise ValueError("right samples must be between 0 and the samples")
    factors = np.arange(1, int(n.max(initial=0)) + 1)  # i
    misses = np.where(
        (factors > (n - c)[:, None]) & (factors <= n[:, None]), 1.0 - k / factors, 1.0
    )  # [num_questions, max n]
    return np.where(n - c < k, 1.0, 1.0 - misses.prod(axis=1))


def list_ks(samples: int) -> list[int]:
    """1, 2, 4, ... up to the samples, and the samples themselves."""
    return sorted({2**power for power in range(samples.bit_length()) if 2**power <= samples} | {samples})
