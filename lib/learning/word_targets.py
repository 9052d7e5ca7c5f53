"""Which words each token of an image should lie near: those for what its cell of the image shows.

In: what is known of a picture, and the box that is shown of it. Out: for each cell of a square grid a distribution over
token ids. A cell of a scene has the words of the part that covers most of it; of parts that are narrower than a cell
the word for small, and in which quarter of the picture it lies, since one has to point there; or the word for
nothing. Other pictures say all of their words in every cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

from lib.sources.images.image_set import Box, Picture
from lib.synthesis.vision.captions import share_inside, words_of
from lib.synthesis.vision.windows import SMALL, words_of_place

NOTHING = "nothing"
LEAST_COVERED = 0.15  # of a cell, by a part that it shows


class WordTargets:
    """Looks words up as ids of a vocabulary of its own, which grows with the pictures.

    Args:
        encode: a text's token ids in the language model.
        side: cells along a side.
    """

    def __init__(self, encode: Callable[[str], list[int]], side: int):
        self._encode, self._side = encode, side
        self._blank = frozenset(encode(" "))  # a number is a blank and its digits, and every number has the blank
        self._places: dict[int, int] = {}

    @property
    def vocabulary(self) -> list[int]:
        """Token ids ``[words]`` by their places."""
        return list(self._places)

    def of(self, picture: Picture, box: Box | None = None) -> list[list[int]]:
        """For each cell, row by row, the places of its words' tokens, all of the same weight."""
        if not picture.parts:
            return [self._look_up(words_of(picture))] * self._side**2
        left, top, right, bottom = box or (0, 0, picture.width, picture.height)
        width, height = (right - left) / self._side, (bottom - top) / self._side
        return [
            self._look_up(
                _words_at(picture, (left + x * width, top + y * height, left + (x + 1) * width, top + (y + 1) * height))
            )
            for y, x in product(range(self._side), repeat=2)
        ]

    def _look_up(self, words: Sequence[str]) -> list[int]:
        ids = [id for word in words for id in self._encode(f" {word}") if id not in self._blank]
        if not ids:  # nothing is known of the picture
            ids = self._encode(f" {NOTHING}")
        return [self._places.setdefault(id, len(self._places)) for id in dict.fromkeys(ids)]


def _words_at(picture: Picture, cell: tuple[float, float, float, float]) -> list[str]:
    covered = [(share_inside(cell, part.box), part) for part in picture.parts]
    most, part = max(covered, key=lambda pair: pair[0])
    if most < LEAST_COVERED:
        return [NOTHING]
    if part.box[2] - part.box[0] < cell[2] - cell[0]:
        right, down = ((cell[axis] + cell[axis + 2]) / 2 for axis in (0, 1))
        return [SMALL, *words_of_place(100 * right / picture.width, 100 * down / picture.height)]
    return list(filter(None, (part.colour, *part.label.split())))
