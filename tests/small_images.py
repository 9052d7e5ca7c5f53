"""A small set of real image files, the artifact made of them, and a policy of a million parameters that sees."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from lib.policy.attach_vision import attach_vision, write_vision_checkpoint
from lib.policy.load import load_model, load_tokenizer
from lib.policy.nano import make_nano
from lib.policy.source_texts import source_texts
from lib.policy.write import write_checkpoint
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


def write_grid_policy(folder: Path, plain: Path, *, deep: bool) -> Path:
    """A tiny Qwen2.5-VL, or a Qwen3-VL, with the tokenizer of a decoder; returns its checkpoint."""
    checkpoint = folder / "checkpoint"
    tokenizer = load_tokenizer(plain)
    tokenizer.add_tokens(["<|image_pad|>", "<|video_pad|>", "<|vision_start|>"], special_tokens=True)
    image, video, start = tokenizer.convert_tokens_to_ids(["<|image_pad|>", "<|video_pad|>", "<|vision_start|>"])
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 100.0},
        "initializer_range": 0.2,
    }
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64}
    marks = {"image_token_id": image, "video_token_id": video, "vision_start_token_id": start}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        if deep:
            vision |= {"deepstack_visual_indexes": [0, 1], "patch_size": 14, "num_position_embeddings": 64}
            model = Qwen3VLForConditionalGeneration(Qwen3VLConfig(text_config=text, vision_config=vision, **marks))
        else:
            vision |= {"window_size": 56, "fullatt_block_indexes": [1]}
            config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, **marks)
            model = Qwen2_5_VLForConditionalGeneration(config)
        write_checkpoint(model, tokenizer, checkpoint)
    Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=84 * 84).save_pretrained(checkpoint)
    # As the Hub's models have it, whose processor takes videos too.
    file = checkpoint / "preprocessor_config.json"
    name = "Qwen3VLProcessor" if deep else "Qwen2_5_VLProcessor"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"processor_class": name}))
    return checkpoint
