"""Scenes composed of a source's images: what stands where, and how large, is known and not guessed.

In: the images of one split. Out: scenes on a plain ground, their parts in the cells of a square grid and in reading
order. A twin is the same scene with another part in one place. In some scenes the grid is so small that its parts are
lost where the whole scene is made small, so that they take a closer look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from PIL import Image

from lib.settings.images import SceneSettings
from lib.sources.images.image_set import Box, Part, Picture

COLLECTION = "scenes"
INKS = {
    "red": (200, 20, 20),
    "green": (20, 130, 40),
    "blue": (30, 60, 210),
    "purple": (130, 30, 160),
    "black": (15, 15, 15),
}
GROUNDS = ((255, 255, 255), (250, 246, 230), (232, 242, 250), (238, 248, 234))
WINDOW = 0.5  # side of the window in which small parts stand, as a share of the scene's
FILLED = (0.8, 0.95)  # side of a part, as a share of its cell's
TRIES = 40  # to find a part that is called otherwise

Open = Callable[[str], Image.Image]


@dataclass(frozen=True)
class Scene:
    """A scene before its pixels."""

    name: str
    parts: tuple[Part, ...]
    ground: tuple[int, int, int]
    small: bool
    twin_of: str = ""


def plan_scenes(
    pictures: Sequence[Picture], number: int, settings: SceneSettings, *, name: str, seed: int
) -> list[Scene]:
    """At most ``number`` scenes, twins right behind the scene that they are like."""
    scenes: list[Scene] = []
    random = Random(seed)
    while len(scenes) < number and pictures:
        scene = _plan(pictures, settings, f"{name}-{len(scenes)}", random)
        scenes.append(scene)
        if len(scenes) < number and random.random() < settings.twin_share / (1 + settings.twin_share):
            scenes.append(_twin(scene, pictures, f"{name}-{len(scenes)}", random))
    return scenes


def draw_scene(scene: Scene, side: int, open_image: Open) -> Image.Image:
    """Its pixels."""
    canvas = np.full((side, side, 3), scene.ground, dtype=np.float32)
    for part in scene.parts:
        left, top, right, bottom = part.box
        image = open_image(part.image_id).resize((right - left, bottom - top), Image.Resampling.LANCZOS)
        pixels = np.asarray(image, dtype=np.float32) / 255
        if part.colour:
            ink = np.asarray(INKS[part.colour], dtype=np.float32) / 255
            pixels = pixels + (1 - pixels) * ink  # a dark stroke takes the colour, white stays
        canvas[top:bottom, left:right] *= pixels
    return Image.fromarray(np.clip(np.round(canvas), 0, 255).astype(np.uint8))


def _plan(pictures: Sequence[Picture], settings: SceneSettings, name: str, random: Random) -> Scene:
    small = random.random() < settings.small_share
    area = _window(settings.side, random) if small else (0, 0, settings.side, settings.side)
    boxes = _places(random.randint(2, settings.most_parts), settings.cells, area, random)
    parts: list[Part] = []
    for box in boxes:
        part = _part(random.choice(pictures), box, random)
        for _ in range(TRIES):  # no two parts are called the same
            if all((part.label, part.colour) != (other.label, other.colour) for other in parts):
                parts.append(part)
                break
            part = _part(random.choice(pictures), box, random)
    return Scene(name, tuple(parts), random.choice(GROUNDS), small)


def _twin(scene: Scene, pictures: Sequence[Picture], name: str, random: Random) -> Scene:
    """With one part replaced by one of another label; without one, the scene again."""
    place = random.randrange(len(scene.parts))
    old = scene.parts[place]
    taken = {part.label for part in scene.parts}
    others = [picture for picture in pictures if picture.label not in taken]
    if not others:
        return replace(scene, name=name)
    new = random.choice(others)
    part = Part(new.id, new.label, old.colour, old.box)
    return replace(scene, name=name, parts=(*scene.parts[:place], part, *scene.parts[place + 1 :]), twin_of=scene.name)


def _part(picture: Picture, box: Box, random: Random) -> Part:
    inks = list(INKS) if picture.collection == "digits" else [""]
    return Part(picture.id, picture.label, random.choice(inks), box)


def _window(side: int, random: Random) -> Box:
    length = round(side * WINDOW)
    left, top = (length * random.randrange(round(1 / WINDOW)) for _ in range(2))
    return left, top, left + length, top + length


def _places(number: int, cells: int, area: Box, random: Random) -> list[Box]:
    """Squares in so many cells of a grid over an area, row by row."""
    side = (area[2] - area[0]) / cells
    boxes: list[Box] = []
    for cell in sorted(random.sample(range(cells**2), number)):
        length = round(side * random.uniform(*FILLED))
        left, top = (
            round(start + place * side + random.uniform(0, side - length))
            for start, place in zip(area[:2], (cell % cells, cell // cells), strict=True)
        )
        boxes.append((left, top, left + length, top + length))
    return boxes
