"""BIRD's rule of execution accuracy (Li et al. 2023, `evaluation.py`): the same set of rows.

The order of rows and how often a row comes do not count; the order of columns does. Values are the same when Python
says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from lib.sources.sql.results.columns import Row


def same_result(gold: Sequence[Row], predicted: Sequence[Row]) -> bool:
    return set(gold) == set(predicted)
