"""Keeps a set of questions to its mix of levels and of constructs.

A level that has its share takes no more. Shapes are drawn the more often the further they are behind, so that rare
constructs, whose requests fail the checks more often, still get their share; and the more often the more of what they
gave so far is of a level that has room, so that few requests are drawn in vain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random

from lib.sources.sql.hardness import LEVELS, Hardness
from lib.synthesis.sql.draw import SHAPES

LEAST_WEIGHT = 0.05  # a shape that has its share is still drawn now and then, as others may not come at all
LEAST_CHANCE = 0.02  # that a shape gives a level with room, whatever it gave so far


class Mix:
    """Counts what was kept of ``wanted`` questions.

    Args:
        levels: share of each level, relative to the others; one that is not named has none.
        shapes: weight of each shape, relative to the others; one that is not named has 1.
        whole: the mix that this one is a part of, such as one database's share of a split; what it has no room for
            has none here either.
    """

    def __init__(
        self,
        wanted: int,
        levels: Mapping[Hardness, float],
        shapes: Mapping[str, float],
        *,
        whole: Mix | None = None,
    ):
        total = sum(levels.values())
        self._whole = whole
        self._room = {level: -(-wanted * levels.get(level, 0.0) // total) for level in LEVELS}
        weights = {shape: weight for shape in SHAPES if (weight := shapes.get(shape, 1.0)) > 0}
        self._shares = {shape: wanted * weight / sum(weights.values()) for shape, weight in weights.items()}
        self._shapes: Counter[str] = Counter()
        self._given: dict[str, Counter[Hardness]] = {shape: Counter() for shape in SHAPES}

    def draw_shape(self, random: Random) -> str:
        weights = [
            max(LEAST_WEIGHT, 1 - self._shapes[shape] / share) * self._chance(shape)
            for shape, share in self._shares.items()
        ]
        return random.choices(list(self._shares), weights=weights)[0]

    def saw(self, shape: str, level: Hardness) -> None:
        """A request of the shape turned out to be of this level."""
        self._given[shape][level] += 1

    def has_room(self, level: Hardness) -> bool:
        return self._room[level] > 0 and (self._whole is None or self._whole.has_room(level))

    def take(self, shape: str, level: Hardness) -> None:
        self._count(shape, level, 1)

    def give_back(self, shape: str, level: Hardness) -> None:
        """Of a question that was taken and has gone after all."""
        self._count(shape, level, -1)

    def _count(self, shape: str, level: Hardness, number: int) -> None:
        self._room[level] -= number
        self._shapes[shape] += number
        if self._whole:
            self._whole._count(shape, level, number)

    def _chance(self, shape: str) -> float:
        """How much of what the shape gave has room; a shape that was never drawn is tried."""
        given = self._given[shape]
        useful = sum(count for level, count in given.items() if self.has_room(level))
        return max(LEAST_CHANCE, (1 + useful) / (1 + given.total()))
