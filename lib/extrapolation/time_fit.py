"""How a coefficient moves along training: least squares over the saved steps.

In: the steps of the saved checkpoints and one value for each. Out: the value at another step. The
file knows no tensors.

RELEX fits ``c = a t + b`` with an intercept, in float64, over ``t = 0..W-1``, the index inside the
window, and predicts at ``t* = (W - 1) + (target - last)`` (RELEX, arXiv 2605.21468). That is
written for one checkpoint an optimizer step. Where checkpoints are spaced wider, an index step is
worth ``spacing`` optimizer steps, so ``t = (step - first) / spacing`` is used on both sides: equal
to the published axis at spacing 1, equal to the index at any even spacing, and still right where
the last gap is shorter than the others. A target is therefore always an optimizer step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TimeAxis:
    """The steps of a window, as positions on the axis of the fit."""

    steps: tuple[int, ...]  # of the window, rising

    @classmethod
    def of_window(cls, steps: Sequence[int], window: int = -1) -> TimeAxis:
        """The axis of the last ``window`` steps; -1 takes all."""
        chosen = tuple(steps if window == -1 else steps[-window:])
        if len(chosen) < 2:
            raise ValueError(f"a line needs at least two saved steps, the window holds {len(chosen)}: {chosen}")
        if any(late <= early for early, late in zip(chosen, chosen[1:], strict=False)):
            raise ValueError(f"steps must rise: {chosen}")
        return cls(chosen)

    @property
    def spacing(self) -> float:
        """Optimizer steps that one unit of the axis is worth."""
        return (self.steps[-1] - self.steps[0]) / (len(self.steps) - 1)

    @property
    def positions(self) -> np.ndarray:  # [W]
        return (np.asarray(self.steps, dtype=np.float64) - self.steps[0]) / self.spacing

    def position_of(self, step: float) -> float:
        return (step - self.steps[0]) / self.spacing


@dataclass(frozen=True)
class TimeFit:
    """A polynomial through values at positions of an axis; degree 1 is RELEX's line."""

    coefficients: tuple[float, ...]  # highest power first
    r_squared: float

    def at(self, position: float) -> float:
        return float(np.polyval(self.coefficients, position))


def fit_over_time(values: np.ndarray, axis: TimeAxis, *, degree: int = 1) -> TimeFit:
    """Ordinary least squares in float64.

    Args:
        values: [W], one a step of the axis.
        degree: 1 is the published default. The paper reports 0.1 % accuracy at step 500 for
            polynomials, against 71.6 % for the line.

    R² is 1 - SS_res / SS_tot; values that never change are followed exactly, so theirs is 1.
    """
    t, values = axis.positions, np.asarray(values, dtype=np.float64)
    powers = np.vander(t, min(degree, len(t) - 1) + 1)  # [W, degree + 1]
    solution, *_ = np.linalg.lstsq(powers, values, rcond=None)
    residual = float(np.square(values - powers @ solution).sum())
    total = float(np.square(values - values.mean()).sum())
    # Below rounding of the values themselves there is no variation to explain.
    floor = len(values) * (np.finfo(np.float64).eps * float(np.abs(values).max(initial=0.0))) ** 2
    return TimeFit(tuple(map(float, solution)), 1.0 if total <= floor else 1.0 - residual / total)
