"""What more computation at test time buys: a larger tool budget, or several samples and a picker.

In: episodes, already judged. Out: right or wrong, one value a question. The pickers never see
whether an answer is right.

Source: DeepDive (arXiv 2509.10446): of 8 trajectories a question, a single one is right in 12.0 %, the
majority's answer in 18.8 %, the answer of the trajectory with the fewest tool calls in 24.8 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """What a picker may look at, and ``correct``, which it may not."""

    answer_key: str | None  # equal for answers that amount to the same: the text, or the result of a query
    tool_calls: int
    correct: bool


def pick_majority(samples: Sequence[Sample]) -> Sample | None:
    """The first sample of the most frequent answers; among equally frequent ones, the answer given first.

    Of SQL samples, those count together whose queries give the same result (self-consistency by execution).
    """
    votes = Counter(sample.answer_key for sample in samples if sample.answer_key is not None)
    if not votes:
        return None
    winner = max(votes, key=lambda key: votes[key])  # max and Counter both keep the first of equals
    return next(sample for sample in samples if sample.answer_key == winner)


def pick_fewest_calls(samples: Sequence[Sample]) -> Sample | None:
    """``argmin(tool_calls)`` among the samples that give an answer; the first of equals.

    A sample without an answer would win by giving up early, so it takes no part.
    """
    answered = [sample for sample in samples if sample.answer_key is not None]
    return min(answered, key=lambda sample: sample.tool_calls, default=None)


PICKERS: dict[str, Callable[[Sequence[Sample]], Sample | None]] = {
    "pick_majority": pick_majority,
    "pick_fewest_calls": pick_fewest_calls,
}


def picked_correct(samples: Sequence[Sample], picker: str) -> float:
    """1 if the picked sample is right; 0 if it is wrong or there is no answer to pick."""
    picked = PICKERS[picker](samples)
    return float(picked is not None and picked.correct)


def single_correct(samples: Sequence[Sample]) -> float:
    """The chance that one sample, drawn at random, is right."""
    return sum(sample.correct for sample in samples) / len(samples)


def correct_within_budget(sample: Sample, budget: int) -> float:
    """Whether a greedy episode is right when only ``budget`` tool calls are allowed.

    No new episode is needed for a budget below the one that the episode had: the policy is not told
    its budget, so it acts the same up to the first call that is refused.
    """
    return float(sample.correct and sample.tool_calls <= budget)
