"""What is asked about a picture: an attribute with the words for it.

In: pictures. Out: values, and phrases such as `shows a mammal` or `has red in it`. A feature that is seen can be told
by looking; one that is known, such as a country's area, takes recognising the picture first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import inflect

from lib.sources.images.collect import TRACE
from lib.sources.images.image_set import Picture

_engine = inflect.engine()
# Attributes of the embedded images that nothing is asked about: too many values, or said of scenes alone.
SILENT = ("keyword", "capital", "twin", "size", TRACE)
SPOKEN_WITH_VOWEL = ("8", "11", "18")
LEAST_SHARED = 2  # pictures that a value must be true of


@dataclass(frozen=True)
class Feature:
    """An attribute of the pictures of one collection."""

    name: str
    noun: str  # `digit`, `continent of its country`
    one: str  # of one picture: `shows {}`
    several: str  # of more: `show {}`
    article: bool = False  # whether values take one: `a mammal`
    is_seen: bool = True
    is_number: bool = False
    greatest: str = "greatest"
    least: str = "smallest"

    def texts(self, picture: Picture) -> tuple[str, ...]:
        return picture.labels[:1] if self.name == "label" else picture.texts(self.name)

    def holds(self, picture: Picture, value: str) -> bool:
        return value in self.texts(picture)

    def is_doubtful(self, picture: Picture, value: str = "") -> bool:
        """Whether the picture shows a little of the value's colour, or without a value of any."""
        traces = picture.texts(TRACE) if self.name == "colour" else ()
        return bool(traces) if not value else value in traces

    def say(self, value: str, *, plural: bool = False) -> str:
        """`shows a 7`, `have red in them`."""
        return (self.several if plural else self.one).format(with_article(value) if self.article else value)


KNOWN = {
    "digit": Feature(
        "digit", "digit", "shows {}", "show {}", article=True, is_number=True, greatest="greatest", least="smallest"
    ),
    "colour": Feature("colour", "colour", "has {} in it", "have {} in them"),
    "group": Feature("group", "kind of thing", "shows {}", "show {}", article=True),
    "kind": Feature("kind", "kind of thing", "shows {}", "show {}", article=True),
    "photograph": Feature(
        "photograph", "subject", "is part of a photograph of {}", "are parts of a photograph of {}", article=True
    ),
    "continent": Feature(
        "continent",
        "continent of its country",
        "is the flag of a country in {}",
        "are flags of countries in {}",
        is_seen=False,
    ),
    "area": Feature(
        "area", "area of its country", "", "", is_seen=False, is_number=True, greatest="largest", least="smallest"
    ),
    "population": Feature(
        "population",
        "population of its country",
        "",
        "",
        is_seen=False,
        is_number=True,
        greatest="largest",
        least="smallest",
    ),
}


def features_of(pictures: Sequence[Picture]) -> list[Feature]:
    """Those of a collection: an attribute counts where some pictures share a value and not all do."""
    names = list(dict.fromkeys(attribute.name for picture in pictures for attribute in picture.attributes))
    found = [KNOWN.get(name) or _plain(name, pictures) for name in names if name not in SILENT]
    if not found and len({picture.label for picture in pictures}) < len(pictures):
        found = [Feature("label", "label", "shows {}", "show {}", article=True)]
    return [feature for feature in found if feature.is_number or _is_shared(feature, pictures)]


def _plain(name: str, pictures: Sequence[Picture]) -> Feature:
    """A user's attribute, told by its own name."""
    words = name.replace("_", " ")
    numbers = [picture.number(name) for picture in pictures if picture.texts(name)]
    is_number = bool(numbers) and None not in numbers
    return Feature(name, words, f"has the {words} {{}}", f"have the {words} {{}}", is_number=is_number)


def _is_shared(feature: Feature, pictures: Sequence[Picture]) -> bool:
    values = [feature.texts(picture) for picture in pictures]
    counts: dict[str, int] = {}
    for texts in values:
        for text in texts:
            counts[text] = counts.get(text, 0) + 1
    return any(LEAST_SHARED <= count < len(pictures) for count in counts.values())


@cache
def with_article(words: str) -> str:
    return f"an {words}" if words.startswith(SPOKEN_WITH_VOWEL) else _engine.a(words)


@cache
def plural(words: str) -> str:
    return f"{words}s" if words[-1:].isdigit() else _engine.plural_noun(words) or words
