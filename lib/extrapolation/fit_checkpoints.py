"""RELEX over whole checkpoints: one pass fits every tensor, further passes write the model at a step.

In: a History. Out: a folder with the directions ``V_r`` of every tensor and its fit, from which any
number of target steps are written without reading the history again; and checkpoints.

Memory holds one window, ``T`` times a part of one tensor: a tensor whose window would exceed
WINDOW_ELEMENTS is read in parts, twice, once for its Gram matrix and once for its directions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from lib.extrapolation.history import History
from lib.extrapolation.relex import Mode, TensorFit, basis_of, directions_of, gram_of, rebuild
from lib.extrapolation.scaled_delta import scale_delta
from lib.extrapolation.stream import Checkpoint, StreamWriter, TensorInfo, write_checkpoint_like
from lib.progress import Progress

WINDOW_ELEMENTS = 32 * 2**20  # 128 MiB of float32: large enough for fast products, small beside any model
WRITE_ELEMENTS = 4 * 2**20  # a tensor is rebuilt from about six parts of this size, held at once
DIRECTIONS = "model.safetensors"
FITS = "fits.json"  # written last: its presence means that the directions are complete


def fit_checkpoints(history: History, *, rank: int, folder: Path, progress: Progress) -> list[TensorFit]:
    """Fit every tensor of the history, leaving its directions in ``folder``; a finished fit is read back."""
    if (folder / FITS).exists():
        return _read_fits(folder / FITS)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = history.moving_tensors()
    columns = min(rank, len(history.saved))
    layout = [TensorInfo(info.name, "F32", (info.num_elements, columns)) for info in tensors]
    fits = []
    with StreamWriter(folder / DIRECTIONS, layout) as writer:
        for done, info in enumerate(tensors, 1):
            fits.append(_fit_tensor(history, info, rank, writer))
            progress.update(done, len(tensors), "fitting tensors")
    _write_fits(fits, folder / FITS)
    return fits


def _fit_tensor(history: History, info: TensorInfo, rank: int, writer: StreamWriter) -> TensorFit:
    spans = info.spans(WINDOW_ELEMENTS // len(history.saved))
    gram = np.zeros((len(history.saved), len(history.saved)))
    rows = None
    for span in spans:
        rows = None  # frees one window before the next is read
        rows = history.window(info, span)
        gram += gram_of(rows)
    basis = basis_of(gram, rank)
    for span in spans:
        if len(spans) > 1:
            rows = None
            rows = history.window(info, span)
        writer.write(directions_of(rows, basis))
    return TensorFit(
        tensor=info.name,
        num_elements=info.num_elements,
        steps=history.steps,
        coefficients=basis.coefficients,
        explained_variance=basis.explained_variance,
        delta_norm=float(np.sqrt(max(gram[-1, -1], 0.0))),
    )


def write_extrapolated(
    history: History,
    fits: Sequence[TensorFit],
    *,
    folder: Path,
    step: float,
    out: Path,
    mode: Mode = Mode.EXTRAPOLATE,
    window: int = -1,
) -> None:
    """Write the model at an optimizer step into ``out``, from the directions in ``folder``.

    Tensors without a fit keep the values of the base; a tied head gets those of the embedding.
    """
    directions = Checkpoint(folder)
    weights = {fit.tensor: fit.coefficients_at(step, mode=mode, window=window) for fit in fits}

    def make(info: TensorInfo, span: tuple[int, int]) -> torch.Tensor:
        name = history.origin_of(info.name)
        base = history.base.read(name, span)
        if name not in weights:
            return base
        width = info.num_elements // max(1, info.shape[0] if info.shape else 1)
        part = directions.read(name, (span[0] * width, span[1] * width))
        return rebuild(base, part.reshape(base.numel(), -1), weights[name])

    write_checkpoint_like(history.last, out, make=make, max_elements=WRITE_ELEMENTS)


def write_scaled(history: History, *, scale: float, out: Path) -> None:
    """Write ``θ_0 + scale (θ_last - θ_0)`` into ``out``."""

    def make(info: TensorInfo, span: tuple[int, int]) -> torch.Tensor:
        name = history.origin_of(info.name)
        base = history.base.read(name, span)
        if not info.is_float or name not in history.last.tensors:
            return base
        return scale_delta(base, history.last.read(name, span), scale)

    write_checkpoint_like(history.last, out, make=make, max_elements=WRITE_ELEMENTS)


def _write_fits(fits: list[TensorFit], path: Path) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps([asdict(fit) | {"coefficients": fit.coefficients.tolist()} for fit in fits]))
    os.replace(partial, path)


def _read_fits(path: Path) -> list[TensorFit]:
    return [
        TensorFit(**row | {"coefficients": np.array(row["coefficients"]), "steps": tuple(row["steps"])})
        for row in json.loads(path.read_text())
    ]
