"""An image on its way into the artifact, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Attribute:
    """What is true of an image: `digit` is `7`, `area` is `643,801`. A name may come with several values."""

    name: str
    text: str
    number: float | None = None

    @classmethod
    def of(cls, name: str, value: object) -> Iterator[Attribute]:
        """None for what says nothing, several for a list."""
        if isinstance(value, bool):
            yield cls(name, "yes" if value else "no")
        elif isinstance(value, (int, float)):
            if math.isfinite(value):
                yield cls(name, f"{value:g}" if abs(value) < 1e6 and value != int(value) else f"{value:,.0f}", value)
        elif isinstance(value, str):
            if text := " ".join(value.split()):
                number = _number(text)
                yield cls(name, text, number)
        elif isinstance(value, Iterable):
            for item in value:
                yield from cls.of(name, item)


@dataclass(frozen=True)
class RawImage:
    """The bytes of one file under one name."""

    id: str  # collection/name
    collection: str
    label: str
    attributes: tuple[Attribute, ...]
    data: bytes
    file: str  # for messages
    position: int = 0  # the line of a manifest, or the row of a table


@dataclass(frozen=True)
class BadImage:
    """A file or row that gives no image, and why."""

    file: str
    position: int
    content: str
    reason: str


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
