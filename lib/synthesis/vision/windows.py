"""Where to look closer: boxes in hundredths of a picture's sides, on a coarse grid that is easily named."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from lib.sources.images.image_set import Part, Picture

STARTS, LENGTH = (0, 50), 50
WINDOWS = tuple((x, y, x + LENGTH, y + LENGTH) for x, y in product(STARTS, STARTS))
ROWS, COLUMNS = ("top", "bottom"), ("left", "right")
SMALL = "small"


def window_of(picture: Picture) -> tuple[int, int, int, int] | None:
    """The window of the grid that holds all parts of a scene, the one around their middle; None where none does."""
    if not picture.parts:
        return None
    boxes = [_in_hundredths(part, picture) for part in picture.parts]
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
    holding = [box for box in WINDOWS if box[0] <= left and box[1] <= top and box[2] >= right and box[3] >= bottom]
    middle = ((left + right) / 2, (top + bottom) / 2)
    return min(holding, key=lambda box: _distance(box, middle), default=None)


def words_of_place(right: float, down: float) -> tuple[str, str]:
    """`top`, `right`: the row and the column of a place in hundredths of a picture's sides."""
    return ROWS[int(len(ROWS) * down / 100)], COLUMNS[int(len(COLUMNS) * right / 100)]


def _in_hundredths(part: Part, picture: Picture) -> tuple[float, float, float, float]:
    left, top, right, bottom = part.box
    return (
        100 * left / picture.width,
        100 * top / picture.height,
        100 * right / picture.width,
        100 * bottom / picture.height,
    )


def _distance(box: Sequence[float], middle: tuple[float, float]) -> float:
    return abs((box[0] + box[2]) / 2 - middle[0]) + abs((box[1] + box[3]) / 2 - middle[1])
