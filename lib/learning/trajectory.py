"""The row of checkpoints that a reinforcement run leaves for extrapolation."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import torch

from lib.policy.precision import DTYPES
from lib.policy.save import WEIGHTS, save_weights


def step_folder(root: Path, step: int) -> Path:
    """Where the weights after optimizer step ``step`` (from 1) stand."""
    return root / f"step_{step:05d}"


def save_step(weights: Iterable[tuple[str, torch.Tensor]], root: Path, *, step: int, precision: str) -> None:
    """Write the weights after a step; a half-written file never bears the final name."""
    folder = step_folder(root, step)
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    save_weights(weights, partial / WEIGHTS, dtype=DTYPES[precision])
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def is_kept(step: int, *, every: int, steps: int) -> bool:
    """Whether a step's weights belong to the trajectory; the last step's always do."""
    return step % every == 0 or step == steps
