"""The way through a question's pictures: it looks closer where it has to, notes what each shows, and answers.

It says where what is small stands before it points there. A detour looks at a picture again, or has its note
confirmed, that could be read at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.learning.oracle import NOTHING
from lib.policy.tool_calls import render_tool_call
from lib.synthesis.vision.windows import SMALL, words_of_place


@dataclass(frozen=True)
class Observation:
    """What one picture shows, the box in which one has to look for it, if any, and what follows for the question."""

    fact: str
    box: tuple[float, ...] | None
    finding: str = ""

    @classmethod
    def of(cls, step: dict) -> Observation:
        """Of a row of a question's evidence about a picture."""
        return cls(step["fact"], tuple(json.loads(step["query"])) if step["query"] else None, step["value"])

    @property
    def noted(self) -> str:
        return f"{self.fact}; {self.finding}" if self.finding else self.fact


class VisionScript:
    """See lib.learning.oracle.Script.

    Args:
        conclusion: the last step before the answer, if there is one.
    """

    def __init__(
        self,
        sights: Sequence[Observation],
        answer: str,
        *,
        conclusion: str = "",
        detour_share: float,
        max_calls: int,
        seed: int,
    ):
        self._sights, self._conclusion, self._answer = sights, conclusion, answer
        random = np.random.default_rng(seed)
        needed = sum(sight.box is not None for sight in sights)
        self._is_possible = bool(sights) and needed <= max_calls
        self._detour = -1  # the picture that is looked at twice
        free = [place for place, sight in enumerate(sights) if sight.box is None]
        if free and needed < max_calls and random.random() < detour_share:
            self._detour = int(random.choice(free))
        self._confirms = random.random() < 0.5
        self._place = 0
        self._looked = False  # at the picture of this place

    def next_turn(self, shown: str) -> str:
        if not self._is_possible:
            return NOTHING
        noted: list[str] = []
        while self._place < len(self._sights):
            sight, number = self._sights[self._place], self._place + 1
            is_detour = self._place == self._detour
            if not self._looked and (sight.box is not None or is_detour):
                self._looked = True
                if sight.box is not None:
                    noted.append(_where(number, sight.box))
                return "\n".join([*noted, self._look(sight, number)])
            noted.append(sight.noted)
            self._place += 1
            self._looked = False
        return "\n".join(filter(None, [*noted, self._conclusion, f"<answer>{self._answer}</answer>"]))

    def _look(self, sight: Observation, number: int) -> str:
        if sight.box is not None:
            return render_tool_call("look_again", {"image": number, "box": [round(side) for side in sight.box]})
        if self._confirms:
            return render_tool_call("confirm", {"image": number, "statement": sight.fact})
        return render_tool_call("look_again", {"image": number})


def _where(number: int, box: Sequence[float]) -> str:
    """`Picture 2: small, top right`."""
    row, column = words_of_place((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    return f"Picture {number}: {SMALL}, {row} {column}"
