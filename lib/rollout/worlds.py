"""What episodes are played in and judged by: a world for each domain of questions.

In: the sources of a run. Out: for a question, its environment and the verdict on an attempt. A world is shared by all
episodes; the environments that it makes serve one each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lib.environments.environment import Environment, Question
from lib.environments.page_index import PageIndex
from lib.environments.search import SearchEnvironment
from lib.environments.tool_desk import ToolDesk
from lib.errors import JobError
from lib.policy.image_encoder import OpenImage
from lib.rewards.exact_match import is_correct, normalize_answer
from lib.rewards.strict import strict_reward
from lib.rewards.verdict import Outcome, Verdict
from lib.rollout.sql_world import SqlWorld
from lib.rollout.vision_world import Sight, VisionWorld
from lib.settings.environment import EnvironmentSettings
from lib.settings.learning import ReinforceSettings
from lib.settings.settings import Settings


class World(Protocol):
    """One domain."""

    def make_environment(self, question: Question) -> Environment: ...

    async def judge(self, question: Question, outcome: Outcome) -> Verdict: ...


class SearchWorld:
    """Pages that are searched; answers are compared as texts."""

    def __init__(self, index: PageIndex, settings: EnvironmentSettings, *, redundancy_weight: float = 0.0):
        self._index, self._settings, self._redundancy_weight = index, settings, redundancy_weight
        self._desk, self._remote = ToolDesk(settings), None
        if settings.mcp:
            # Half a second that runs without such servers need not wait for.
            from lib.environments.remote_tools import RemoteTools

            self._remote = RemoteTools(settings.mcp)

    def make_environment(self, question: Question) -> Environment:
        return SearchEnvironment(self._index, self._settings, self._desk, self._remote)

    async def judge(self, question: Question, outcome: Outcome) -> Verdict:
        correct = is_correct(outcome.answer, question.answer, question.aliases)
        reward = strict_reward(
            correct=correct,
            well_formed=outcome.well_formed,
            queries=outcome.queries,
            redundancy_weight=self._redundancy_weight,
        )
        return Verdict(correct, reward, None if outcome.answer is None else normalize_answer(outcome.answer))


@dataclass(frozen=True)
class Sources:
    """Directories of the artifacts that worlds are made from, those that a run has."""

    graph: Path | None = None
    databases: Path | None = None
    images: Path | None = None

    @classmethod
    def of(cls, inputs: Mapping[str, Path]) -> Sources:
        """Those among the inputs of a stage, which are named by the stages that gave them."""
        return cls(graph=inputs.get("source"), databases=inputs.get("databases"), images=inputs.get("images"))


class Worlds:
    """The worlds of a run, by domain."""

    def __init__(self, worlds: Mapping[str, World]):
        self._worlds = dict(worlds)

    @classmethod
    def load(
        cls, settings: Settings, sources: Sources, *, shaping: ReinforceSettings | None = None, sight: Sight = "all"
    ) -> Worlds:
        """One for each source.

        Args:
            shaping: how rewards are shaped, where episodes are learned from; without it they are 0 or 1.
            sight: which images are shown.
        """
        worlds: dict[str, World] = {}
        if sources.graph:
            weight = shaping.redundancy_weight if shaping else 0.0
            index = PageIndex.load(sources.graph)
            worlds["knowledge"] = SearchWorld(index, settings.environment, redundancy_weight=weight)
        if sources.databases:
            in_parts = shaping is not None and shaping.sql_reward == "parts"
            worlds["sql"] = SqlWorld(sources.databases, settings.environment, in_parts=in_parts)
        if sources.images:
            gain = shaping.tool_gain if shaping else 0.0
            worlds["vision"] = VisionWorld(sources.images, settings.environment, tool_gain=gain, sight=sight)
        return cls(worlds)

    @property
    def open_image(self) -> OpenImage | None:
        """Where questions' images are opened; None in a run without any."""
        world = self._worlds.get("vision")
        return world.store.open if isinstance(world, VisionWorld) else None

    def of(self, question: Question) -> World:
        """Raises JobError for a question of a domain that the run has no source for."""
        if (found := self._worlds.get(question.domain)) is None:
            raise JobError(
                f"The question {question.id} is of the domain {question.domain!r}, and the run has no source for it.",
                kept="every stage before this one",
                next_step=f"add {question.domain!r} to synthesis.domains, or leave such questions out",
            )
        return found
