"""RELEX: the rank-r path of one tensor through training, and where it leads.

In: how one tensor moved, ``Δ_t = θ_t - θ_0`` for each saved step t. Out: ``θ̂ = θ_0 + ĉ Vᵀ`` at a
step. The file knows no files; lib/extrapolation/stream.py feeds it.

Source: RELEX, arXiv 2605.21468, as its released code does it. Of every tensor of the state dict separately:
``M`` [T, d] holds one flattened Δ a row, neither centred nor normalised, without the zero row of
step 0; its truncated SVD comes from the Gram matrix ``G = M Mᵀ``; coefficients ``C = M V_r = U_r ∘ S``
get one least-squares line each; the tensor is rebuilt in float32.

One choice differs: the authors store θ and Δ in float16; here Δ is subtracted in float32 between weights in the
precision of what was saved, float32 by default, since an update of 1e-5 on a weight of 1 is lost in 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch

from lib.extrapolation.time_fit import TimeAxis, TimeFit, fit_over_time

RELATIVE_FLOOR = 1e-6  # a component this far below the first has no direction
ABSOLUTE_FLOOR = 1e-12  # the same where nothing moved at all


class Mode(StrEnum):
    """Where the coefficients of a rebuilt tensor come from."""

    RECONSTRUCT = "reconstruct"  # a saved step's own coefficients: its projection onto rank r
    FIT_RECONSTRUCT = "fit_reconstruct"  # the line over the whole history, at any step
    EXTRAPOLATE = "extrapolate"  # the line over the last `window` points, at a step ahead


@dataclass(frozen=True)
class Basis:
    """The truncated SVD of M, by its Gram matrix; V itself stays with whoever holds M."""

    mixture: np.ndarray  # [T, r] float64: V_r = Mᵀ mixture, zero columns where there is no direction
    singular_values: np.ndarray  # [r] float64
    coefficients: np.ndarray  # [T, r] float64: C = U_r ∘ S
    explained_variance: float  # Σ top-r σ² / Σ σ²; 0 if the tensor never moved


def gram_of(rows: torch.Tensor) -> np.ndarray:
    """``M Mᵀ`` of a part of the columns, [T, T] float64; the parts' Grams add up to the whole's."""
    return (rows @ rows.T).double().numpy()


def basis_of(gram: np.ndarray, rank: int) -> Basis:
    """Eigenvectors of the Gram matrix, strongest first."""
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    rank = min(rank, len(values))
    kept, singular = vectors[:, :rank], np.sqrt(values[:rank])
    floor = RELATIVE_FLOOR * singular[0] if singular[0] > 0 else ABSOLUTE_FLOOR
    directed = singular > floor
    mixture = np.where(directed, kept / np.where(directed, singular, 1.0), 0.0)
    total = float(values.sum())
    explained = float(values[:rank].sum()) / total if total > 0 else 0.0
    return Basis(mixture, singular, np.where(directed, kept * singular, 0.0), explained)


def directions_of(rows: torch.Tensor, basis: Basis) -> torch.Tensor:
    """``V_r`` of the same columns as ``rows`` [T, n], as [n, r] in float32."""
    return rows.T @ torch.from_numpy(basis.mixture).to(rows.dtype)


@dataclass(frozen=True)
class TensorFit:
    """What is known of one tensor's path; with V_r it gives the tensor at any step."""

    tensor: str
    num_elements: int
    steps: tuple[int, ...]  # [T] of the history
    coefficients: np.ndarray  # [T, r] float64
    explained_variance: float
    delta_norm: float  # of the last saved step

    def lines(self, *, window: int = -1, degree: int = 1) -> list[TimeFit]:
        """One fit a component; the basis is of the whole history whatever the window."""
        axis = TimeAxis.of_window(self.steps, window)
        rows = self.coefficients[-len(axis.steps) :]
        return [fit_over_time(column, axis, degree=degree) for column in rows.T]

    def coefficients_at(
        self, step: float, *, mode: Mode = Mode.EXTRAPOLATE, window: int = -1, degree: int = 1
    ) -> np.ndarray:
        """``ĉ`` [r] at a step. Raises ValueError where ``reconstruct`` is asked for a step that was not saved."""
        if mode is Mode.RECONSTRUCT:
            if step not in self.steps:
                raise ValueError(f"step {step} was not saved, so it has no projection; saved: {self.steps}")
            return self.coefficients[self.steps.index(step)]
        window = -1 if mode is Mode.FIT_RECONSTRUCT else window
        position = TimeAxis.of_window(self.steps, window).position_of(step)
        return np.array([line.at(position) for line in self.lines(window=window, degree=degree)])


def rebuild(base: torch.Tensor, directions: torch.Tensor, coefficients: np.ndarray) -> torch.Tensor:
    """``θ_0 + V_r ĉ`` in float32 over the flattened tensor: [n], [n, r], [r] -> [n]."""
    return base.float() + directions @ torch.from_numpy(np.asarray(coefficients, dtype=np.float32))
