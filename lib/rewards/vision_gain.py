"""The reward of an episode on pictures: the strict one, and a gain for right answers that used a tool.

IMAgent names a tool-use gain without its formula (arXiv 2512.08980); that it pays only where the answer is right and
every turn well formed is our reading, so that no tool is called for its own sake.
"""

from __future__ import annotations

from lib.rewards.verdict import Reward


def vision_reward(*, correct: bool, well_formed: bool, used_tool: bool, tool_gain: float) -> Reward:
    """Reward of one episode, in [0, 1 + tool_gain]."""
    success = float(correct and well_formed)
    gain = tool_gain if success and used_tool else 0.0
    return Reward(success + gain, {"success": success, "tool_gain": gain}, success)
