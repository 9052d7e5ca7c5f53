"""The two photographs of scikit-learn, cut into tiles; what is known of a tile is whose it is."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image
from sklearn.datasets import load_sample_images

from lib.sources.images.decode import as_png
from lib.sources.images.raw import Attribute, RawImage

TILE = 160  # pixels
SHOWS = {"china.jpg": "building", "flower.jpg": "flower"}


def read_photographs() -> Iterator[RawImage]:
    """Tiles side by side, without overlap, with `photograph`."""
    data = load_sample_images()
    for path, pixels in zip(data.filenames, data.images, strict=True):
        name = path.replace("\\", "/").rsplit("/", 1)[-1]
        image, shows = Image.fromarray(pixels), SHOWS[name]
        for top in range(0, image.height - TILE + 1, TILE):
            for left in range(0, image.width - TILE + 1, TILE):
                tile = image.crop((left, top, left + TILE, top + TILE))
                id = f"photographs/{name.removesuffix('.jpg')}-{left}-{top}"
                attributes = (Attribute("photograph", shows),)
                yield RawImage(id, "photographs", f"part of a photograph of a {shows}", attributes, as_png(tile), name)
