"""DeepDive's strict reward: 1 when every turn is well formed and the answer is right, else 0.

r'(T) = r(T) - weight * S(T), with S the redundancy of the episode's queries. The penalty is taken
off failures too, as in the paper; whether a group carries a signal is decided by r alone (see
lib.learning.group_advantage), so a group of failures is not ranked by its penalties.
"""

from __future__ import annotations

from collections.abc import Sequence

from lib.rewards.redundancy import query_redundancy
from lib.rewards.verdict import Reward


def strict_reward(*, correct: bool, well_formed: bool, queries: Sequence[str], redundancy_weight: float) -> Reward:
    """Reward of one episode, in [-redundancy_weight, 1]."""
    success = float(correct and well_formed)
    penalty = redundancy_weight * query_redundancy(queries)
    return Reward(success - penalty, {"success": success, "redundancy": 0.0 - penalty}, success)
