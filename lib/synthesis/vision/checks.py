"""The checker: whether a question has one answer, needs every picture, and cannot be answered without looking.

In: questions with their pictures. Out: the reason to leave one out, or "". A picture is needed where another in its
place could change the answer; what one sees in all others does not settle it then.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random

from lib.sources.images.image_set import Picture
from lib.synthesis.vision.asks import Ask

SUBSTITUTES = 40  # pictures that are tried in the place of one
SLACK = 4  # answers that may come before their shares are looked at
EXCESS = 1.3  # share of an answer among those of its kind, over that of an even spread
OPEN_ANSWERS = 5  # an even spread of answers that are no place, truth or comparison has so many, at least
OF_PLACES = ("which", "odd one out", "spatial", "fact", "compare")  # kinds whose answers are pictures
CLOSED = {"true": 2, "false": 2, "greater": 3, "less": 3, "equal": 3}


class Checker:
    """Checks the questions of one split, in turn."""

    def __init__(self, pictures: Sequence[Picture], random: Random):
        self._random = random
        self._by_collection: dict[str, list[Picture]] = defaultdict(list)
        for picture in pictures:
            self._by_collection[picture.collection].append(picture)
        self._answers: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)

    def needs_every_picture(self, ask: Ask, pictures: Sequence[Picture]) -> bool:
        """Whether, for each picture, one of its collection in its place would change the answer."""
        return all(self._is_needed(place, ask, pictures) for place in range(len(pictures)))

    def is_guessable(self, kind: str, number: int, answer: str) -> bool:
        """Whether this answer is given so often that whoever always gives it, without looking, does well."""
        counts = self._answers[self._key(kind, number, answer)]
        even = CLOSED.get(answer) or (number if kind in OF_PLACES else max(OPEN_ANSWERS, len(counts)))
        return counts[answer] + 1 > SLACK + EXCESS * counts.total() / even

    def count(self, kind: str, number: int, answer: str) -> None:
        """Note the answer of a question that is kept."""
        self._answers[self._key(kind, number, answer)][answer] += 1

    @staticmethod
    def _key(kind: str, number: int, answer: str) -> tuple[str, int]:
        """What an answer is compared with: those of the kind, and of as many pictures where it is one of them."""
        return (kind, 0) if answer in CLOSED else (kind, number)

    def _is_needed(self, place: int, ask: Ask, pictures: Sequence[Picture]) -> bool:
        answer = ask.answer(pictures)
        pool = self._by_collection[pictures[place].collection]
        for _ in range(SUBSTITUTES):
            other = self._random.choice(pool)
            if ask.answer([*pictures[:place], other, *pictures[place + 1 :]]) != answer:
                return True
        return False
