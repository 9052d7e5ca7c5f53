"""IMAgent's action-trajectory two-level mask (arXiv 2512.08980), as we read it.

The paper gives the name and no rule. Ours: at the level of actions, what a tool returned carries no loss, nor do the
tokens of a turn whose call was invalid, since what followed says nothing about looking; at the level of trajectories,
an episode that a limit cut, or that went round in circles, carries no loss at all.
"""

from __future__ import annotations

import json
from collections import Counter

from lib.learning.episode_filters import CUT
from lib.rollout.episode import Episode

MOST_ALIKE = 1  # equal calls of an episode; one more shows nothing that was not shown


def action_mask(episode: Episode) -> list[bool]:
    """Which tokens carry loss ``[num_tokens]``: those that the policy wrote, but for turns with an invalid call."""
    mask = list(episode.conversation.action_mask)
    written = [turn for turn in episode.conversation.turns if turn.role == "assistant"]
    for place in episode.malformed_turns:
        turn = written[place]
        mask[turn.start : turn.end] = [False] * (turn.end - turn.start)
    return mask


def carries_loss(episode: Episode) -> bool:
    """Whether the episode was neither cut nor degenerate."""
    calls = Counter(
        (result.call.name, json.dumps(result.call.arguments, sort_keys=True)) for _, result in episode.calls
    )
    return episode.status not in CUT and max(calls.values(), default=0) <= MOST_ALIKE
