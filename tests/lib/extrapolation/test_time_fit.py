"""The axis of the fit and the line on it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.extrapolation.time_fit import TimeAxis, fit_over_time


def test_with_a_checkpoint_a_step_a_target_maps_as_published():
    axis = TimeAxis.of_window(range(1, 76))
    last_index, last_step, target = 74, 75, 500
    assert axis.positions.tolist() == list(range(75))
    assert axis.position_of(target) == pytest.approx(last_index + (target - last_step))


def test_checkpoints_spaced_evenly_lie_on_their_index_and_targets_stay_optimizer_steps():
    axis = TimeAxis.of_window([4, 8, 12, 16])
    assert axis.positions.tolist() == [0, 1, 2, 3]
    assert axis.position_of(24) == 5


def test_a_window_takes_the_last_points():
    assert TimeAxis.of_window([1, 2, 3, 4], window=2).steps == (3, 4)
    assert TimeAxis.of_window([1, 2], window=10).steps == (1, 2)


@pytest.mark.parametrize("steps", [[], [3], [3, 3], [4, 2]])
def test_steps_that_hold_no_line_are_refused(steps):
    with pytest.raises(ValueError, match="steps"):
        TimeAxis.of_window(steps)


@given(
    st.lists(st.integers(1, 500), min_size=2, max_size=12, unique=True),
    st.floats(-3, 3),
    st.floats(-3, 3),
    st.integers(1, 2000),
)
def test_a_straight_line_is_continued_exactly_however_the_steps_are_spaced(steps, slope, offset, target):
    axis = TimeAxis.of_window(sorted(steps))
    values = slope * np.array(axis.steps) + offset
    fit = fit_over_time(values, axis)
    assert fit.at(axis.position_of(target)) == pytest.approx(slope * target + offset, abs=1e-6)
    assert fit.r_squared == pytest.approx(1.0, abs=1e-6) or np.ptp(values) < 1e-9


def test_the_line_keeps_its_intercept_and_r_squared_tells_a_line_from_noise():
    axis = TimeAxis.of_window(range(1, 9))
    fit = fit_over_time(5.0 + axis.positions, axis)
    assert fit.coefficients == pytest.approx((1.0, 5.0))
    noise = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    assert fit_over_time(noise, axis).r_squared < 0.1


def test_a_polynomial_follows_a_curve_that_a_line_does_not():
    axis = TimeAxis.of_window(range(1, 7))
    curve = axis.positions**2
    assert fit_over_time(curve, axis, degree=2).at(10) == pytest.approx(100)
    assert fit_over_time(curve, axis).at(10) < 60
