"""Orders of columns under which two tables of exact, hashable values may be the same.

Spider's evaluator tries the product of the columns that each column may stand for. Here the columns are sorted into
groups by the bag of their values first, and a table is built column by column, given up as soon as the bag of its
partial rows differs: on real results one order is tried, and many equal columns cost no factorial.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

Row = tuple[Hashable, ...]

# The number of a row's beginning before its first column, and of one that the gold table does not have.
START = -1
UNKNOWN = -2


def same_rows(gold: Sequence[Row], other: Sequence[Row], *, ordered: bool) -> bool:
    """Whether the rows are the same as a sequence, or else as a bag."""
    if len(gold) != len(other):
        return False
    return list(gold) == list(other) if ordered else Counter(gold) == Counter(other)


def same_under_some_order(gold: Sequence[Row], other: Sequence[Row], *, ordered: bool) -> bool:
    """Whether some order of the other table's columns makes its rows those of the gold table."""
    if len(gold) != len(other):
        return False
    if not gold:
        return True
    width = len(gold[0])
    if len(other[0]) != width:
        return False
    if same_rows(gold, other, ordered=ordered):
        return True
    return _place([*zip(*gold, strict=True)], [*zip(*other, strict=True)], ordered=ordered)


def _place(gold: list[Row], other: list[Row], *, ordered: bool) -> bool:
    """The same for tables given as columns."""
    if ordered:
        # Whole columns are compared, so any column that fits is as good as another that fits.
        return Counter(gold) == Counter(other)
    bags = [frozenset(Counter(column).items()) for column in other]
    candidates = [_candidates(column, bags) for column in gold]
    # Columns that few others fit come first: they settle most.
    sequence = sorted(range(len(gold)), key=lambda i: len(candidates[i]))
    beginnings: dict[tuple[int, Hashable], int] = {}
    targets = _partial_bags([gold[i] for i in sequence], beginnings)
    start = [START] * len(other[0])
    return _extend(0, [candidates[i] for i in sequence], other, targets, start, beginnings, used=frozenset())


def _candidates(column: Row, bags: list[frozenset]) -> list[int]:
    bag = frozenset(Counter(column).items())
    return [i for i, other in enumerate(bags) if other == bag]


def _partial_bags(columns: list[Row], beginnings: dict[tuple[int, Hashable], int]) -> list[Counter]:
    """For each number of leading columns, the bag of the rows' beginnings, which are numbered on the way."""
    bags, labels = [], [START] * len(columns[0])
    for column in columns:
        labels = [beginnings.setdefault(pair, len(beginnings)) for pair in zip(labels, column, strict=True)]
        bags.append(Counter(labels))
    return bags


def _extend(
    depth: int,
    candidates: list[list[int]],
    other: list[Row],
    targets: list[Counter],
    labels: list[int],
    beginnings: dict[tuple[int, Hashable], int],
    used: frozenset[int],
) -> bool:
    """Depth-first over the columns; `labels` are the numbers of the rows' beginnings so far."""
    if depth == len(candidates):
        return True
    tried: set[Row] = set()
    for index in candidates[depth]:
        # A column equal to one that failed fails as well.
        if index in used or other[index] in tried:
            continue
        tried.add(other[index])
        longer = [beginnings.get(pair, UNKNOWN) for pair in zip(labels, other[index], strict=True)]
        if Counter(longer) != targets[depth]:
            continue
        if _extend(depth + 1, candidates, other, targets, longer, beginnings, used | {index}):
            return True
    return False
