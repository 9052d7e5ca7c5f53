"""Samples of all ranks -> as much work for each, since ranks take every pass together and wait for the slowest.

Samples are ordered so that equal beginnings are neighbours, as in lib.learning.token_batch, and the row is cut into
as many parts as there are ranks, each with nearly the same number of distinct prefixes to compute.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.learning.token_batch import Sample, num_shared


def share_out(samples: Sequence[Sample], ranks: int) -> list[list[Sample]]:
    """The samples of each rank. No part costs more than the mean and the longest sample together.

    Which rank had sampled them makes no difference, so every rank comes to the same parts.
    """
    if ranks == 1:
        return [list(samples)]
    row = sorted(samples, key=lambda sample: sample.tokens)
    new = [
        len(sample.tokens) - (num_shared(before.tokens, sample.tokens) if before else 0)
        for before, sample in zip([None, *row], row, strict=False)
    ]
    ends = np.cumsum(new)
    middles = ends - np.asarray(new) / 2
    parts = np.minimum(middles * ranks // max(1, ends[-1] if len(ends) else 1), ranks - 1).astype(int)
    return [[row[place] for place in np.flatnonzero(parts == rank)] for rank in range(ranks)]
