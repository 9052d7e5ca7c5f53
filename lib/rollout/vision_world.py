"""Pictures that are looked at; answers are compared as texts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lib.environments.environment import Environment, Question
from lib.environments.tool_desk import ToolDesk
from lib.environments.vision import VisionEnvironment
from lib.errors import JobError
from lib.rewards.exact_match import is_correct, normalize_answer
from lib.rewards.verdict import Outcome, Verdict
from lib.rewards.vision_gain import vision_reward
from lib.settings.environment import EnvironmentSettings
from lib.sources.images.image_set import ImageStore

# Which images a policy is shown: all that the question and the tools bring; those of the question alone, once; or
# none, a grey one of the same size in place of each.
Sight = Literal["all", "once", "none"]


class VisionWorld:
    """See lib.rollout.worlds.World.

    Args:
        images: the folder of an `images` artifact.
        tool_gain: what a right answer earns beyond 1 where a tool was used.
        sight: of "none", the environment shows all, and the policy's encoder hides them.
    """

    def __init__(self, images: Path, settings: EnvironmentSettings, *, tool_gain: float = 0.0, sight: Sight = "all"):
        self._store, self._settings = ImageStore(images), settings
        self._tool_gain, self._sight = tool_gain, sight
        self._desk = ToolDesk(settings)

    @property
    def store(self) -> ImageStore:
        return self._store

    def make_environment(self, question: Question) -> Environment:
        missing = [id for id in question.images or [] if id not in self._store]
        if missing or not question.images:
            raise JobError(
                f"The question {question.id} is about the image {(missing or [None])[0]!r}, which the run lacks.",
                kept="every stage before this one",
                next_step="name it in images.source, or leave the question out",
            )
        pictures = [(id, self._store.picture(id)) for id in question.images]
        return VisionEnvironment(pictures, self._settings, self._desk, shows_again=self._sight != "once")

    async def judge(self, question: Question, outcome: Outcome) -> Verdict:
        correct = is_correct(outcome.answer, question.answer, question.aliases)
        reward = vision_reward(
            correct=correct,
            well_formed=outcome.well_formed,
            used_tool=outcome.num_calls > 0,
            tool_gain=self._tool_gain,
        )
        return Verdict(correct, reward, None if outcome.answer is None else normalize_answer(outcome.answer))
