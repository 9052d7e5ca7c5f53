"""What can be asked over several pictures: each kind knows its answer for any pictures, and its words.

In: pictures in order. Out: the only answer, or None where there is not just one. Since the answer can be computed for
other pictures too, checks can ask what would change it (lib/synthesis/vision/checks.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, Protocol

from lib.sources.images.image_set import Picture
from lib.synthesis.vision.features import Feature

TRUE, FALSE = "true", "false"
Ordering = Literal["greatest", "least"]


class Ask(Protocol):
    """One question, without the pictures that it is asked about."""

    kind: str

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        """The only right answer; None where there is none, or more than one."""
        ...

    def tell(self, random: Random) -> str: ...

    def sees(self, picture: Picture) -> str:
        """What whoever looks at a picture notes on the way to the answer."""
        ...

    def finds(self, picture: Picture) -> str:
        """What follows for the question from that picture alone; empty where nothing does."""
        ...

    def concludes(self, pictures: Sequence[Picture]) -> str:
        """The last step before the answer, from all notes; empty where there is none."""
        ...


class _Noting:
    """Notes on one feature, and whether the value that is asked for is among them."""

    feature: Feature
    value = ""

    def sees(self, picture: Picture) -> str:
        return note(self.feature, picture)

    def finds(self, picture: Picture) -> str:
        return yes_or_no(self.value, self.holds(picture))

    def concludes(self, pictures: Sequence[Picture]) -> str:
        return ""

    def holds(self, picture: Picture) -> bool:
        raise NotImplementedError

    def _is_doubtful(self, pictures: Sequence[Picture], value: str = "") -> bool:
        return any(self.feature.is_doubtful(picture, value) for picture in pictures)


class _Comparing(_Noting):
    """Nothing follows from one picture alone."""

    def finds(self, picture: Picture) -> str:
        return ""


@dataclass(frozen=True)
class Which(_Noting):
    """Which picture shows X."""

    feature: Feature
    value: str

    @property
    def kind(self) -> str:
        return "which" if self.feature.is_seen else "fact"

    def holds(self, picture: Picture) -> bool:
        return self.feature.holds(picture, self.value)

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        return None if self._is_doubtful(pictures, self.value) else only_place(self.holds, pictures)

    def tell(self, random: Random) -> str:
        said = self.feature.say(self.value)
        return random.choice((f"Which picture {said}?", f"Give the number of the picture that {said}."))


@dataclass(frozen=True)
class HowMany(_Noting):
    """How many of the pictures show X."""

    feature: Feature
    value: str

    @property
    def kind(self) -> str:
        return "count" if self.feature.is_seen else "fact"

    def holds(self, picture: Picture) -> bool:
        return self.feature.holds(picture, self.value)

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        return None if self._is_doubtful(pictures, self.value) else str(sum(map(self.holds, pictures)))

    def tell(self, random: Random) -> str:
        said = self.feature.say(self.value, plural=True)
        return random.choice((f"How many of the pictures {said}?", f"Count the pictures that {said}."))

    def concludes(self, pictures: Sequence[Picture]) -> str:
        return tally(self.holds, pictures)


@dataclass(frozen=True)
class OddOneOut(_Comparing):
    """All but one share a value."""

    feature: Feature
    kind = "odd one out"

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        values = [self.feature.texts(picture) for picture in pictures]
        counts = Counter(values)
        if self._is_doubtful(pictures) or len(counts) != 2 or len(pictures) < 3 or counts.most_common()[1][1] != 1:
            return None
        return str(1 + values.index(counts.most_common()[1][0]))

    def tell(self, random: Random) -> str:
        return random.choice(
            (
                f"All pictures but one have the same {self.feature.noun}. Which picture is the odd one out?",
                f"Which picture is the odd one out by its {self.feature.noun}?",
            )
        )

    def concludes(self, pictures: Sequence[Picture]) -> str:
        (usual, _), (odd, _) = Counter(note(self.feature, picture) for picture in pictures).most_common(2)
        return f"{odd}, not {usual}"


@dataclass(frozen=True)
class Extreme(_Comparing):
    """The picture of the greatest or least number; of what is known rather than seen, a join with facts."""

    feature: Feature
    ordering: Ordering

    @property
    def kind(self) -> str:
        return "compare" if self.feature.is_seen else "fact"

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        numbers = [picture.number(self.feature.name) for picture in pictures]
        if None in numbers:
            return None
        best = max(numbers) if self.ordering == "greatest" else min(numbers)
        return str(1 + numbers.index(best)) if numbers.count(best) == 1 else None

    def tell(self, random: Random) -> str:
        word = self.feature.greatest if self.ordering == "greatest" else self.feature.least
        if self.feature.is_seen:
            return random.choice(
                (
                    f"Which picture has the {word} {self.feature.noun}?",
                    f"The {word} {self.feature.noun}: in which picture?",
                )
            )
        noun = self.feature.noun.removesuffix(" of its country")
        return random.choice(
            (
                f"Which of these flags belongs to the country with the {word} {noun}?",
                f"One of these flags is that of the country whose {noun} is the {word}. Which picture is it?",
            )
            if noun != self.feature.noun
            else (f"Which picture has the {word} {noun}?",)
        )

    def sees(self, picture: Picture) -> str:
        noted = note(self.feature, picture)
        return noted if self.feature.is_seen else f"{picture.label}, {noted}"

    def concludes(self, pictures: Sequence[Picture]) -> str:
        best = max if self.ordering == "greatest" else min
        return f"the {self.ordering}: {note(self.feature, best(pictures, key=self._number))}"

    def _number(self, picture: Picture) -> float:
        return picture.number(self.feature.name) or 0.0


@dataclass(frozen=True)
class Compared(_Comparing):
    """The numbers of two pictures."""

    feature: Feature
    kind = "compare"

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        numbers = [picture.number(self.feature.name) for picture in pictures]
        if len(numbers) != 2 or None in numbers:
            return None
        return "equal" if numbers[0] == numbers[1] else "greater" if numbers[0] > numbers[1] else "less"

    def tell(self, random: Random) -> str:
        noun = self.feature.noun
        return f"Is the {noun} of picture 1 greater than, less than or equal to that of picture 2?"

    def concludes(self, pictures: Sequence[Picture]) -> str:
        sign = {"equal": "=", "greater": ">", "less": "<"}[self.answer(pictures)]
        return f" {sign} ".join(note(self.feature, picture) for picture in pictures)


@dataclass(frozen=True)
class InOrder(_Comparing):
    """The pictures by their numbers."""

    feature: Feature
    ordering: Ordering
    kind = "order"

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        numbers = [picture.number(self.feature.name) for picture in pictures]
        if None in numbers or len(set(numbers)) < len(numbers):
            return None
        order = sorted(range(len(numbers)), key=numbers.__getitem__, reverse=self.ordering == "greatest")
        return ", ".join(str(1 + place) for place in order)

    def tell(self, random: Random) -> str:
        first = self.feature.greatest if self.ordering == "greatest" else self.feature.least
        return random.choice(
            (
                f"Order the pictures by their {self.feature.noun}, the {first} first. Give their numbers.",
                f"Give the numbers of the pictures, sorted by {self.feature.noun}, the {first} first.",
            )
        )

    def concludes(self, pictures: Sequence[Picture]) -> str:
        order = [int(place) - 1 for place in self.answer(pictures).split(", ")]
        return ", ".join(note(self.feature, pictures[place]) for place in order)


@dataclass(frozen=True)
class Claim(_Noting):
    """A sentence about the set that is true or false."""

    feature: Feature
    quantity: Literal["all", "none", "exactly", "alike"]
    value: str = ""
    number: int = 0
    kind = "statement"

    def holds(self, picture: Picture) -> bool:
        return self.feature.holds(picture, self.value)

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        if self._is_doubtful(pictures, self.value):
            return None
        if self.quantity == "alike":
            values = [self.feature.texts(picture) for picture in pictures]
            return truth(len(set(values)) < len(values))
        count = sum(map(self.holds, pictures))
        wanted = {"all": len(pictures), "none": 0, "exactly": self.number}[self.quantity]
        return truth(count == wanted)

    def sentence(self) -> str:
        if self.quantity == "alike":
            return f"Two of the pictures have the same {self.feature.noun}."
        if self.quantity == "exactly":
            return f"Exactly {self.number} of the pictures {self.feature.say(self.value, plural=self.number != 1)}."
        some = "All of the pictures" if self.quantity == "all" else "None of the pictures"
        return f"{some} {self.feature.say(self.value, plural=True)}."

    def tell(self, random: Random) -> str:
        return f"True or false? {self.sentence()}"

    def finds(self, picture: Picture) -> str:
        return "" if self.quantity == "alike" else super().finds(picture)

    def concludes(self, pictures: Sequence[Picture]) -> str:
        return "" if self.quantity == "alike" else tally(self.holds, pictures)


def note(feature: Feature, picture: Picture) -> str:
    """The values of a feature, as somebody jots them down."""
    return " ".join(feature.texts(picture)) or "none"


def yes_or_no(asked: str, holds: bool) -> str:
    """`red? yes`."""
    return f"{asked}? {'yes' if holds else 'no'}"


def tally(holds: Callable[[Picture], bool], pictures: Sequence[Picture]) -> str:
    """`2 of 3`."""
    return f"{sum(map(holds, pictures))} of {len(pictures)}"


def only_place(holds: Callable[[Picture], bool], pictures: Sequence[Picture]) -> str | None:
    """The number of the only picture of which it is true, from 1."""
    places = [place for place, picture in enumerate(pictures, start=1) if holds(picture)]
    return str(places[0]) if len(places) == 1 else None


def truth(holds: bool) -> str:
    return TRUE if holds else FALSE
