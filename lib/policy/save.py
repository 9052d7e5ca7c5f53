"""Weights -> a directory that transformers loads."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import save_file

WEIGHTS = "model.safetensors"


def save_weights(weights: Iterable[tuple[str, torch.Tensor]], path: Path, *, dtype: torch.dtype) -> None:
    """Write tensors to one safetensors file; of tied tensors, the name that comes first is kept."""
    kept: dict[str, torch.Tensor] = {}
    # Held until the end: the memory of a tensor that is gone may be the next one's, which is tied to nothing.
    given: dict[int, torch.Tensor] = {}
    for name, tensor in weights:
        if tensor.data_ptr() in given:
            continue
        given[tensor.data_ptr()] = tensor
        kept[name] = tensor.to(dtype).contiguous().cpu()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(kept, path, metadata={"format": "pt"})


def save_checkpoint(weights: Iterable[tuple[str, torch.Tensor]], *, like: Path, out: Path) -> None:
    """A checkpoint with new weights in float32 and everything else as in the checkpoint ``like``."""
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted(like.iterdir()):
        if file.is_file() and ".safetensors" not in file.name:
            shutil.copyfile(file, out / file.name)
    save_weights(weights, out / WEIGHTS, dtype=torch.float32)
