"""Numbers by which patches of images are told apart in sequences of tokens.

To a tokenizer all patches of all images are one and the same placeholder. Whoever compares sequences (a cache that
shares prefixes, a batch that computes them once) needs to know which image stands there: a patch becomes a negative
number that belongs to its image and its place in it alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from lib.environments.environment import ImageRef
from lib.policy.engine import PlacedImage

MOST_PATCHES = 1 << 20  # of an image


class PatchIds:
    """Numbers images as they come; equal images have equal numbers."""

    def __init__(self, patch_token: int):
        self._patch_token = patch_token
        self._numbers: dict[ImageRef, int] = {}
        self._images: list[ImageRef] = []

    def encode(self, tokens: Sequence[int], images: Sequence[PlacedImage]) -> list[int]:
        """The tokens with negative numbers in place of placeholders."""
        encoded = list(tokens)
        for image in images:
            first = -1 - self._number(ImageRef(image.id, image.box)) * MOST_PATCHES
            places = [place for place in range(image.start, image.end) if tokens[place] == self._patch_token]
            for offset, place in enumerate(places):
                encoded[place] = first - offset
        return encoded

    def decode(self, id: int) -> tuple[ImageRef, int]:
        """The image and the place in it of a negative number."""
        number, offset = divmod(-1 - id, MOST_PATCHES)
        return self._images[number], offset

    def _number(self, image: ImageRef) -> int:
        if image not in self._numbers:
            self._numbers[image] = len(self._images)
            self._images.append(image)
        return self._numbers[image]
