"""Episodes that a run may leave out of its gradient: our reading of the filter of MTIR-SQL's GRPO-Filter.

The paper names a quality function and a threshold without saying what they are, and its purpose: that episodes which
say little about the task do not drive the policy away from where it can act. Each rule here is one way to say little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lib.rollout.episode import Episode, EpisodeStatus

CUT = (EpisodeStatus.TOO_LONG, EpisodeStatus.OUT_OF_CALLS, EpisodeStatus.OUT_OF_TURNS)

# By name, which is what the settings list and what the funnel of a step counts.
EPISODE_FILTERS: dict[str, Callable[[Episode], bool]] = {
    "no_call": lambda episode: not episode.calls,  # never made a tool call that could be read
    "empty_turn": lambda episode: episode.num_empty_turns > 0,  # a turn with neither a call nor an answer
    "cut": lambda episode: episode.status in CUT,  # ended by a limit, without an answer
}


def find_filter(episode: Episode, names: Iterable[str]) -> str | None:
    """The first of the named filters that leaves the episode out."""
    return next((name for name in names if EPISODE_FILTERS[name](episode)), None)
