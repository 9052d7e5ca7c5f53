"""What a picture shows, in the words in which questions' evidence says it; for a vision encoder that learns to see."""

from __future__ import annotations

from collections.abc import Sequence

from lib.sources.images.image_set import Box, Part, Picture
from lib.synthesis.vision.features import SILENT
from lib.synthesis.vision.scene_asks import list_parts

LEAST_INSIDE = 0.6  # of a part's area, from which it counts as inside a box
KNOWN_ONLY = ("area", "population", "continent")  # said of what is shown, and not to be seen


def caption_of(picture: Picture, box: Box | None = None) -> str:
    """`red 7, blue 3` of a scene or the part of it inside a box; else its label and its attributes."""
    if picture.parts:
        inside = parts_inside(picture, box)
        return list_parts(inside) or "nothing"
    return ", ".join(dict.fromkeys([picture.label, *_seen(picture)]))


def words_of(picture: Picture) -> list[str]:
    """Each word once, for a picture that is no scene: those of its attributes, or of its label where it has none."""
    said = " ".join(_seen(picture) or [picture.label]).replace(",", " ").split()
    return list(dict.fromkeys(said))


def parts_inside(picture: Picture, box: Box | None) -> Sequence[Part]:
    if box is None:
        return picture.parts
    return [part for part in picture.parts if share_inside(part.box, box) >= LEAST_INSIDE]


def share_inside(inner: Box, outer: Box) -> float:
    """Share of a box's area that lies in another."""
    width = min(inner[2], outer[2]) - max(inner[0], outer[0])
    height = min(inner[3], outer[3]) - max(inner[1], outer[1])
    area = (inner[2] - inner[0]) * (inner[3] - inner[1])
    return max(0, width) * max(0, height) / area if area else 0.0


def _seen(picture: Picture) -> list[str]:
    silent = (*SILENT, *KNOWN_ONLY)
    return [attribute.text for attribute in picture.attributes if attribute.name not in silent]
