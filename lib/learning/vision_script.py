"""The way through a question's pictures: it looks closer where it has to, notes what each shows, and answers.

It says where what is small stands before it points there. Now and then it points at another place first, sees nothing
there, and goes on looking elsewhere, as a policy that cannot tell the place from afar has to. A detour looks at a
picture again, or has its note confirmed, that could be read at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.learning.oracle import NOTHING
from lib.policy.tool_calls import render_tool_call
from lib.synthesis.vision.windows import SMALL, WINDOWS, words_of_place


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
        miss_share: of the looks at a part of a picture, those that show another part, while calls are left.
    """

    def __init__(
        self,
        sights: Sequence[Observation],
        answer: str,
        *,
        conclusion: str = "",
        detour_share: float,
        miss_share: float,
        max_calls: int,
        seed: int,
    ):
        self._sights, self._conclusion, self._answer = sights, conclusion, answer
        random = np.random.default_rng(seed)
        needed = sum(sight.box is not None for sight in sights)
        self._is_possible = bool(sights) and needed <= max_calls
        spare = max_calls - needed
        self._detour = -1  # the picture that is looked at twice
        free = [place for place, sight in enumerate(sights) if sight.box is None]
        if free and spare > 0 and random.random() < detour_share:
            self._detour = int(random.choice(free))
            spare -= 1
        self._confirms = random.random() < 0.5
        self._looks: list[list[tuple[float, ...]]] = []  # of each picture, in order; the last one shows what is there
        for sight in sights:
            misses = _misses(sight.box, miss_share, spare, random) if sight.box is not None else []
            spare -= len(misses)
            self._looks.append([*misses, sight.box] if sight.box is not None else [])
        self._place = 0
        self._looked = 0  # times at the picture of this place

    def next_turn(self, shown: str) -> str:
        if not self._is_possible:
            return NOTHING
        noted: list[str] = []
        while self._place < len(self._sights):
            sight, number, looks = self._sights[self._place], self._place + 1, self._looks[self._place]
            if self._looked < len(looks):
                box = looks[self._looked]
                missed = looks[self._looked - 1] if self._looked else None
                self._looked += 1
                noted.append(_where(number, box, missed))
                call = render_tool_call("look_again", {"image": number, "box": [round(side) for side in box]})
                return "\n".join([*noted, call])
            if self._place == self._detour and not self._looked:
                self._looked += 1
                return "\n".join([*noted, self._look_twice(sight, number)])
            noted.append(sight.noted)
            self._place += 1
            self._looked = 0
        return "\n".join(filter(None, [*noted, self._conclusion, f"<answer>{self._answer}</answer>"]))

    def _look_twice(self, sight: Observation, number: int) -> str:
        if self._confirms:
            return render_tool_call("confirm", {"image": number, "statement": sight.fact})
        return render_tool_call("look_again", {"image": number})


def _misses(box: tuple[float, ...], share: float, most: int, random: np.random.Generator) -> list[tuple[float, ...]]:
    """Windows in which there is nothing, each another one; none where it is not known what lies around the box."""
    window = tuple(round(side) for side in box)
    others = [other for other in WINDOWS if other != window] if window in WINDOWS else []
    number = 0
    while number < min(most, len(others)) and random.random() < share:
        number += 1
    return [others[place] for place in random.permutation(len(others))[:number]]


def _where(number: int, box: Sequence[float], missed: Sequence[float] | None) -> str:
    """`Picture 2: small, top right`, and what was seen elsewhere before, if anything."""
    empty = f"nothing {_words(missed)}; " if missed is not None else ""
    return f"Picture {number}: {empty}{SMALL}, {_words(box)}"


def _words(box: Sequence[float]) -> str:
    return " ".join(words_of_place((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
