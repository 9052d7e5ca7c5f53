"""What can be asked over scenes, whose parts and places are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from random import Random
from typing import Literal

from lib.sources.images.image_set import Part, Picture
from lib.synthesis.vision.asks import only_place, tally, truth, yes_or_no
from lib.synthesis.vision.features import plural, with_article

Relation = Literal["left of", "right of", "above", "below"]
# Of a part's side, by which its middle must lie beside another's, and from which it may seem to.
CLEARLY, BARELY = 0.5, 0.35


@dataclass(frozen=True)
class Thing:
    """A part by its label, its colour or both; an empty word leaves it open."""

    label: str = ""
    colour: str = ""

    def fits(self, part: Part) -> bool:
        return self.label in ("", part.label) and self.colour in ("", part.colour)

    @property
    def words(self) -> str:
        """`red 7`, `7`, `red`."""
        return " ".join(filter(None, (self.colour, self.label)))

    def named(self, noun: str) -> str:
        """`a red 7`, `a 7`, `a red digit`."""
        return with_article(" ".join(filter(None, (self.colour, self.label or noun))))

    def named_several(self, noun: str) -> str:
        """`red digits`, `red 7s`."""
        return " ".join(filter(None, (self.colour, plural(self.label or noun))))


class _OfParts:
    """Notes all parts of a picture, and whether a thing is among them."""

    thing: Thing
    noun: str

    def holds(self, picture: Picture) -> bool:
        return any(map(self.thing.fits, picture.parts))

    @property
    def asked(self) -> str:
        return self.thing.words

    def sees(self, picture: Picture) -> str:
        return list_parts(picture.parts)

    def finds(self, picture: Picture) -> str:
        return yes_or_no(self.asked, self.holds(picture))

    def concludes(self, pictures: Sequence[Picture]) -> str:
        return ""


@dataclass(frozen=True)
class Contains(_OfParts):
    """Which picture contains a thing."""

    thing: Thing
    noun: str
    kind = "which"

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        return only_place(self.holds, pictures)

    def tell(self, random: Random) -> str:
        named = self.thing.named(self.noun)
        return random.choice((f"Which picture contains {named}?", f"In which picture is there {named}?"))


@dataclass(frozen=True)
class Total(_OfParts):
    """How many things of a kind there are in all pictures."""

    thing: Thing
    noun: str
    kind = "count"

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        return str(sum(map(self._count, pictures)))

    def tell(self, random: Random) -> str:
        named = self.thing.named_several(self.noun)
        return random.choice(
            (f"How many {named} are there in all pictures together?", f"Count the {named} of all pictures together.")
        )

    def finds(self, picture: Picture) -> str:
        return f"{self.asked}? {self._count(picture)}"

    def concludes(self, pictures: Sequence[Picture]) -> str:
        return " + ".join(str(self._count(picture)) for picture in pictures)

    def _count(self, picture: Picture) -> int:
        return sum(map(self.thing.fits, picture.parts))


@dataclass(frozen=True)
class Beside(_OfParts):
    """In which picture one thing stands left of, right of, above or below another."""

    first: Thing
    relation: Relation
    second: Thing
    noun: str
    kind = "spatial"

    def holds(self, picture: Picture) -> bool:
        return any(stands(first, self.relation, second) for first, second in self._pairs(picture))

    def _pairs(self, picture: Picture) -> Iterator[tuple[Part, Part]]:
        for first, second in permutations(picture.parts, 2):
            if self.first.fits(first) and self.second.fits(second):
                yield first, second

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        return None if any(map(self._is_doubtful, pictures)) else only_place(self.holds, pictures)

    def _is_doubtful(self, picture: Picture) -> bool:
        return not self.holds(picture) and any(
            stands(first, self.relation, second, clearly=BARELY) for first, second in self._pairs(picture)
        )

    def tell(self, random: Random) -> str:
        first, second = self.first.named(self.noun), self.second.named(self.noun)
        return random.choice(
            (
                f"In which picture is {first} {self.relation} {second}?",
                f"Which picture has {first} {self.relation} {second}?",
            )
        )

    @property
    def asked(self) -> str:
        return f"{self.first.words} {self.relation} {self.second.words}"

    def sees(self, picture: Picture) -> str:
        return list_parts(picture.parts, with_places=True)


@dataclass(frozen=True)
class PartOf(_OfParts):
    """What has a colour in the picture that contains a thing: two steps."""

    thing: Thing
    colour: str
    noun: str
    kind = "detail"

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        place = only_place(self.holds, pictures)
        if place is None:
            return None
        labels = [part.label for part in pictures[int(place) - 1].parts if part.colour == self.colour]
        return labels[0] if len(labels) == 1 else None

    def tell(self, random: Random) -> str:
        named = self.thing.named(self.noun)
        return f"In the picture that contains {named}, which {self.noun} is {self.colour}?"


@dataclass(frozen=True)
class Difference(_OfParts):
    """What stands in the second picture in the one place where two pictures differ."""

    noun: str
    kind = "difference"

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        if len(pictures) != 2 or len(pictures[0].parts) != len(pictures[1].parts):
            return None
        changed = self._changed(pictures)
        if len(changed) != 1 or changed[0][0].box != changed[0][1].box:
            return None
        return changed[0][1].label

    def tell(self, random: Random) -> str:
        return random.choice(
            (
                f"The two pictures differ in one {self.noun}. Which {self.noun} stands in picture 2 in its place?",
                f"Picture 2 is like picture 1 but for one {self.noun}. Which {self.noun} is new?",
            )
        )

    def finds(self, picture: Picture) -> str:
        return ""

    def concludes(self, pictures: Sequence[Picture]) -> str:
        ((old, new),) = self._changed(pictures)
        return f"{list_parts([new])}, not {list_parts([old])}"

    def _changed(self, pictures: Sequence[Picture]) -> list[tuple[Part, Part]]:
        pairs = zip(pictures[0].parts, pictures[1].parts, strict=True)
        return [(old, new) for old, new in pairs if old.image_id != new.image_id]


@dataclass(frozen=True)
class EveryContains(_OfParts):
    """A sentence about all scenes that is true or false."""

    thing: Thing
    noun: str
    kind = "statement"

    def answer(self, pictures: Sequence[Picture]) -> str | None:
        return truth(all(map(self.holds, pictures)))

    def sentence(self) -> str:
        return f"Every picture contains {self.thing.named(self.noun)}."

    def tell(self, random: Random) -> str:
        return f"True or false? {self.sentence()}"

    def concludes(self, pictures: Sequence[Picture]) -> str:
        return tally(self.holds, pictures)


def stands(first: Part, relation: Relation, second: Part, *, clearly: float = CLEARLY) -> bool:
    """Whether the middle of the first lies on that side of the second's, by more than a share of its own side."""
    right = (first.box[0] + first.box[2] - second.box[0] - second.box[2]) / 2
    down = (first.box[1] + first.box[3] - second.box[1] - second.box[3]) / 2
    least = clearly * (first.box[2] - first.box[0])
    offset = {"left of": -right, "right of": right, "above": -down, "below": down}[relation]
    return offset > least


def list_parts(parts: Sequence[Part], *, with_places: bool = False) -> str:
    """`red 7, blue 3`, in reading order; with their places, `red 7 top left, blue 3 bottom right`."""
    words = [(part.colour, part.label, _place(part, parts) if with_places else "") for part in parts]
    return ", ".join(" ".join(filter(None, said)) for said in words)


def _place(part: Part, parts: Sequence[Part]) -> str:
    """`top left`: where it stands among all parts, as far as they lie apart."""
    row, column = (_third(part, parts, axis) for axis in (1, 0))
    return " ".join(filter(None, (("top", "", "bottom")[row], ("left", "", "right")[column])))


def _third(part: Part, parts: Sequence[Part], axis: Literal[0, 1]) -> int:
    """0, 1 or 2 along the axis; 1 where nothing lies clearly beside the others."""
    middles = [(other.box[axis] + other.box[axis + 2]) / 2 for other in parts]
    low, length = min(middles), max(middles) - min(middles)
    if length <= CLEARLY * (part.box[axis + 2] - part.box[axis]):
        return 1
    own = (part.box[axis] + part.box[axis + 2]) / 2
    return min(2, int(3 * (own - low) / length))
