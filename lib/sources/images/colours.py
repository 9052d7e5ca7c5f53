"""Names of the colours of an image, from its pixels.

Bounds in hue, saturation and value are ours. A colour counts where it covers a good part of what the image shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

LEAST_SHARE = 0.12  # of the pixels that the image covers
TRACE_SHARE = 0.01  # from which a colour may be seen, so that nobody can say that it is not there
SIDE = 64  # on which colours are counted

# Upper bounds of hue, in degrees; red comes round at both ends.
HUES = ((14, "red"), (42, "orange"), (68, "yellow"), (165, "green"), (255, "blue"), (320, "purple"), (361, "red"))


@dataclass(frozen=True)
class Colours:
    """The largest first."""

    seen: tuple[str, ...]  # that cover at least LEAST_SHARE of the opaque pixels
    traces: tuple[str, ...]  # that cover less, and at least TRACE_SHARE


def colours_of(image: Image.Image, opaque: np.ndarray) -> Colours:
    size = (min(SIDE, image.width), min(SIDE, image.height))
    pixels = np.asarray(image.resize(size, Image.Resampling.NEAREST).convert("HSV"), dtype=np.float32)
    seen = np.asarray(Image.fromarray(opaque).resize(size, Image.Resampling.NEAREST))
    hue, saturation, value = pixels[..., 0][seen] * (360 / 256), pixels[..., 1][seen] / 255, pixels[..., 2][seen] / 255
    if not hue.size:
        return Colours((), ())
    names = np.select(
        [value < 0.22, (saturation < 0.16) & (value > 0.84), saturation < 0.16],
        ["black", "white", "grey"],
        default="",
    ).astype("<U8")
    coloured = names == ""
    bounds = np.array([bound for bound, _ in HUES])
    hues = np.array([name for _, name in HUES], dtype="<U8")
    names[coloured] = hues[np.searchsorted(bounds, hue[coloured], side="right")]
    names[coloured & (names == "orange") & (value < 0.6)] = "brown"
    found, counts = np.unique(names, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shares = [(str(found[place]), counts[place] / hue.size) for place in order]
    return Colours(
        tuple(name for name, share in shares if share >= LEAST_SHARE),
        tuple(name for name, share in shares if TRACE_SHARE <= share < LEAST_SHARE),
    )
