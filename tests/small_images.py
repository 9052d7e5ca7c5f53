"""A small set of real image files, the artifact made of them, and a policy of a million parameters that sees."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image, ImageDraw

from lib.policy.attach_vision import attach_vision, write_vision_checkpoint
from lib.policy.load import load_model, load_tokenizer
from lib.policy.nano import make_nano
from lib.policy.source_texts import source_texts
from lib.progress import Silent
from lib.settings.align import VisionSettings
from lib.settings.images import ImageSettings
from lib.settings.policy import NanoPolicy
from lib.sources.images.collect import collect_images

COLOURS = {"red": (220, 20, 20), "green": (20, 150, 40), "blue": (30, 60, 210)}
SIDES = 40


def draw_shape(colour: str, corners: int, turn: int = 0) -> Image.Image:
    """A regular polygon on white."""
    image = Image.new("RGB", (SIDES, SIDES), "white")
    ImageDraw.Draw(image).regular_polygon((SIDES / 2, SIDES / 2, 16), corners, rotation=turn, fill=COLOURS[colour])
    return image


def write_folder(folder: Path) -> Path:
    """60 polygons with a manifest that says colour and corners."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for corners in (3, 4, 5, 6):
        for colour in COLOURS:
            for turn in range(0, 50, 10):
                name = f"{colour}-{corners}-{turn}.png"
                draw_shape(colour, corners, turn).save(folder / name)
                lines.append({"file": name, "label": f"{colour} shape", "corners": corners})
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def collect(out: Path, **settings: object) -> Path:
    """The artifact's folder under these settings."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = ImageSettings.model_validate(settings)
    collect_images(chosen, out=out, scratch=out.with_name(f"{out.name}-scratch"), seed=1, progress=Silent())
    return out


def write_shapes(folder: Path) -> Path:
    """The artifact of the 60 polygons."""
    source = {"type": "folder", "folder": write_folder(folder / "shapes")}
    return collect(folder / "images", source=source, scenes={"number": 0})


def write_seeing_policy(folder: Path, images: Path) -> Path:
    """A decoder from scratch with a vision encoder from scratch; returns the folder that holds `checkpoint`."""
    plain = folder / "plain"
    texts = [*source_texts(images=images), "Which picture has red in it? true false corners 3 4 5 6 answer"]
    (plain / "checkpoint").mkdir(parents=True)
    make_nano(
        NanoPolicy(type="nano", vocabulary=512, layers=2),
        checkpoint=plain / "checkpoint",
        texts=texts * 20,
        seed=3,
        progress=Silent(),
    )
    model, processor = attach_vision(
        load_model(plain / "checkpoint"),
        load_tokenizer(plain / "checkpoint"),
        VisionSettings(side=32, width=32, layers=1),
        seed=4,
    )
    write_vision_checkpoint(model, processor, folder / "checkpoint")
    return folder
