"""MTIR-SQL's reward (arXiv 2510.25510): format +-0.1, executable +-0.1, result +-1, each with its sign.

The paper gives the sizes; that an episode without an answer gets all three against it is our reading. So is the signal:
a group whose results are all wrong, and that differs in form alone, is dropped. Divided by its small deviation, a
difference of form would weigh as much as a right result, and what runs most often is a query that asks nothing.
"""

from __future__ import annotations

from lib.rewards.verdict import Reward

FORMAT, EXECUTABLE, RESULT = 0.1, 0.1, 1.0


def sql_reward(*, well_formed: bool, executable: bool, correct: bool) -> Reward:
    """Reward of one episode, in [-1.2, 1.2]."""
    parts = {
        "format": FORMAT if well_formed else -FORMAT,
        "executable": EXECUTABLE if executable else -EXECUTABLE,
        "result": RESULT if correct else -RESULT,
    }
    return Reward(sum(parts.values()), parts, signal=float(correct))
