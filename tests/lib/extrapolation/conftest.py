"""Small checkpoints along a made-up training run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

Tensors = Mapping[str, torch.Tensor]


def _save_checkpoint(folder: Path, tensors: Tensors, *, is_tied: bool = False) -> Path:
    folder.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"tie_word_embeddings": is_tied}))
    return folder


def _save_run(
    root: Path, path_of: Callable[[int], Tensors], steps: list[int], *, is_tied: bool = False
) -> dict[str, Path]:
    """Step 0 as the warmed-up checkpoint, then a trajectory; the last step is the trained checkpoint."""
    base = _save_checkpoint(root / "warm_up" / "checkpoint", path_of(0), is_tied=is_tied)
    trajectory = root / "reinforce" / "trajectory"
    for step in steps:
        _save_checkpoint(trajectory / f"step_{step:05d}", path_of(step), is_tied=is_tied)
    last = _save_checkpoint(root / "reinforce" / "checkpoint", path_of(steps[-1]), is_tied=is_tied)
    return {"base": base, "trajectory": trajectory, "last": last}


def _line_of(seed: int, slope: float = 0.3, offset: float = 0.2) -> Callable[[int], Tensors]:
    """θ_t = θ_0 + (slope t + offset) v for a matrix, a vector and a scalar; one tensor never moves."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"model.embed_tokens.weight": (12, 4), "model.norm.weight": (4,), "scale": (), "still": (3, 2)}
    base = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    way = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    way["still"].zero_()

    def at(step: int) -> Tensors:
        amount = slope * step + offset if step else 0.0
        return {name: base[name] + amount * way[name] for name in base}

    return at


@pytest.fixture
def line() -> Callable[[int], Tensors]:
    return _line_of(0)


@pytest.fixture
def line_of() -> Callable[..., Callable[[int], Tensors]]:
    return _line_of


@pytest.fixture
def save_run() -> Callable[..., dict[str, Path]]:
    return _save_run


@pytest.fixture
def save_checkpoint() -> Callable[..., Path]:
    return _save_checkpoint
