"""Scenes composed of a source's images: what stands where, and how large, is known and not guessed.

In: the images of one split. Out: scenes on a plain ground, their parts apart from each other. A twin is the same
scene with another part in one place. Small parts stand together in one window, and are lost where the whole scene is
made small, so that they take a closer look.
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
LARGE, SMALL = (0.32, 0.4), (0.15, 0.19)  # side of a part, as a share of the scene's
WINDOW = 0.5  # side of the window of small parts, as a share of the scene's; it begins at a quarter, a half or none
GAP = 2  # pixels between parts, at least
TRIES = 40  # to find a free place

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
    sizes = [round(settings.side * share) for share in (SMALL if small else LARGE)]
    boxes = _places(random.randint(2, settings.most_parts), area, sizes, random)
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
    left, top = (round(side * random.choice((0, 0.25, 0.5))) for _ in range(2))
    return left, top, left + round(side * WINDOW), top + round(side * WINDOW)


def _places(number: int, area: Box, sizes: Sequence[int], random: Random) -> list[Box]:
    """Squares in an area, apart from each other; fewer where there is no room."""
    boxes: list[Box] = []
    for _ in range(number * TRIES):
        length = random.randint(*sizes)
        left = random.randint(area[0] + GAP, area[2] - length - GAP)
        top = random.randint(area[1] + GAP, area[3] - length - GAP)
        box = (left, top, left + length, top + length)
        if all(_apart(box, other) for other in boxes):
            boxes.append(box)
            if len(boxes) == number:
                break
    return boxes


def _apart(first: Box, second: Box) -> bool:
    return (
        first[2] + GAP <= second[0]
        or second[2] + GAP <= first[0]
        or first[3] + GAP <= second[1]
        or second[3] + GAP <= first[1]
    )
