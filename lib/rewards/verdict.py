"""What a reward looks at, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """How an episode went, before anybody has judged it."""

    answer: str | None
    well_formed: bool  # at every turn, up to an answer
    queries: tuple[str, ...]  # what it searched for
    num_calls: int = 0  # of tools, those that gave a result


@dataclass(frozen=True)
class Reward:
    """A number and the named parts that add up to it. A group of episodes whose ``signal`` is equal teaches nothing."""

    value: float
    parts: dict[str, float]
    signal: float


@dataclass(frozen=True)
class Verdict:
    """Whether the answer is right, what the episode earns, and by what equal answers are known.

    ``answer_key`` is the same for answers that amount to the same, such as two queries with one result; None where
    the answer amounts to nothing, such as a query that does not run.
    """

    correct: bool
    reward: Reward
    answer_key: str | None
