"""Handwritten digits from scikit-learn: 1,797 real ones of 8 x 8 pixels (UCI's Optical Recognition data)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from lib.sources.images.decode import as_png
from lib.sources.images.raw import Attribute, RawImage

SIDE = 32  # pixels after smooth enlarging, so that a stroke looks like one
INK_LEVELS = 16


def read_digits() -> Iterator[RawImage]:
    """Dark strokes on white; `digit` is the only attribute."""
    data = load_digits()
    for number, (pixels, digit) in enumerate(zip(data.images, data.target, strict=True)):
        shades = np.round(255 - pixels * (255 / INK_LEVELS)).astype(np.uint8)
        image = Image.fromarray(shades).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        attributes = (Attribute("digit", str(digit), float(digit)),)
        yield RawImage(f"digits/{number}", "digits", str(digit), attributes, as_png(image), "scikit-learn", number)
