"""The rank-r path of one tensor (arXiv 2605.21468)."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.extrapolation.relex import Mode, TensorFit, basis_of, directions_of, gram_of, rebuild
from lib.extrapolation.scaled_delta import scale_delta

SETTINGS = settings(max_examples=40, deadline=None)


def fit(rows: torch.Tensor, steps: range, rank: int = 1) -> tuple[TensorFit, torch.Tensor]:
    basis = basis_of(gram_of(rows), rank)
    tensor_fit = TensorFit("w", rows.shape[1], tuple(steps), basis.coefficients, basis.explained_variance, 0.0)
    return tensor_fit, directions_of(rows, basis)


@SETTINGS
@given(st.integers(0, 1000), st.floats(-2, 2), st.floats(-2, 2), st.integers(1, 60))
def test_a_straight_path_is_continued_exactly_to_any_target(seed, slope, offset, target):
    generator = torch.Generator().manual_seed(seed)
    base, way = torch.randn(2, 50, generator=generator)
    steps = range(1, 7)
    rows = torch.stack([(slope * step + offset) * way for step in steps])
    tensor_fit, directions = fit(rows, steps)
    predicted = rebuild(base, directions, tensor_fit.coefficients_at(target))
    expected = base + (slope * target + offset) * way
    torch.testing.assert_close(predicted, expected, rtol=1e-3, atol=2e-3)


def test_noise_orthogonal_to_the_way_leaves_the_prediction_unchanged_to_first_order():
    generator = torch.Generator().manual_seed(1)
    way = torch.randn(400, generator=generator)
    way /= way.norm()
    steps = range(1, 9)
    clean = torch.stack([step * way for step in steps])
    noise = torch.randn(len(steps), 400, generator=generator)
    noise -= (noise @ way)[:, None] * way
    changes = []
    for size in (1e-2, 1e-3):
        tensor_fit, directions = fit(clean + size * noise, steps)
        along = float(rebuild(torch.zeros(400), directions, tensor_fit.coefficients_at(20)) @ way)
        changes.append(abs(along - 20.0))
    assert changes[0] < 1e-2
    assert changes[1] < changes[0] / 20 + 1e-5  # a tenth of the noise changes a hundredth


@SETTINGS
@given(st.integers(0, 1000), st.integers(1, 4))
def test_coefficients_by_projection_equal_those_of_the_decomposition(seed, rank):
    rows = torch.randn(5, 30, generator=torch.Generator().manual_seed(seed))
    basis = basis_of(gram_of(rows), rank)
    projected = rows @ directions_of(rows, basis)
    np.testing.assert_allclose(projected.numpy(), basis.coefficients, atol=1e-4)
    reference = torch.linalg.svdvals(rows)[:rank]
    np.testing.assert_allclose(basis.singular_values, reference, rtol=1e-4)


def test_flipping_the_sign_of_the_directions_changes_nothing():
    rows = torch.randn(4, 20, generator=torch.Generator().manual_seed(2))
    tensor_fit, directions = fit(rows, range(1, 5))
    flipped = TensorFit("w", 20, (1, 2, 3, 4), -tensor_fit.coefficients, tensor_fit.explained_variance, 0.0)
    base = torch.zeros(20)
    torch.testing.assert_close(
        rebuild(base, directions, tensor_fit.coefficients_at(9)), rebuild(base, -directions, flipped.coefficients_at(9))
    )


def test_a_tensor_that_never_moved_comes_back_as_it_was():
    base = torch.randn(10)
    tensor_fit, directions = fit(torch.zeros(3, 10), range(1, 4))
    assert tensor_fit.explained_variance == 0.0
    assert torch.equal(rebuild(base, directions, tensor_fit.coefficients_at(100)), base)


def test_a_component_far_below_the_first_has_no_direction():
    way = torch.zeros(8)
    way[0] = 1.0
    rows = torch.stack([way, 2 * way, 3 * way])
    basis = basis_of(gram_of(rows), rank=3)
    assert np.count_nonzero(np.abs(basis.mixture).sum(axis=0)) == 1
    assert not np.isnan(basis.mixture).any()


def test_deltas_are_not_centred():
    """A path that jumps once and then stands still has its whole length in the first direction."""
    way = torch.ones(6)
    tensor_fit, directions = fit(torch.stack([way, way, way]), range(1, 4))
    assert tensor_fit.explained_variance == pytest.approx(1.0)
    torch.testing.assert_close(rebuild(torch.zeros(6), directions, tensor_fit.coefficients_at(50)), way)


def test_at_full_rank_reconstruction_gives_the_saved_steps_back():
    rows = torch.randn(4, 40, generator=torch.Generator().manual_seed(3))
    tensor_fit, directions = fit(rows, range(1, 5), rank=4)
    for row, step in zip(rows, range(1, 5), strict=True):
        coefficients = tensor_fit.coefficients_at(step, mode=Mode.RECONSTRUCT)
        torch.testing.assert_close(rebuild(torch.zeros(40), directions, coefficients), row, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="was not saved"):
        tensor_fit.coefficients_at(9, mode=Mode.RECONSTRUCT)


def test_fit_reconstruct_ignores_the_window_and_extrapolate_follows_it():
    way = torch.ones(5)
    amounts = [10.0, 0.0, 1.0, 2.0, 3.0]  # a line from the second point on
    tensor_fit, directions = fit(torch.stack([amount * way for amount in amounts]), range(1, 6))

    def predict(**options) -> float:
        return float(rebuild(torch.zeros(5), directions, tensor_fit.coefficients_at(6, **options))[0])

    assert predict(window=4) == pytest.approx(4.0, abs=1e-4)
    assert predict(window=4, mode=Mode.FIT_RECONSTRUCT) == pytest.approx(predict(window=-1), abs=1e-5)
    assert predict(window=-1) != pytest.approx(4.0, abs=0.5)


def test_the_gram_matrix_adds_up_over_parts_of_the_columns():
    rows = torch.randn(4, 33)
    parts = gram_of(rows[:, :10]) + gram_of(rows[:, 10:])
    np.testing.assert_allclose(parts, gram_of(rows), rtol=1e-5, atol=1e-5)


def test_scaling_the_delta_by_one_gives_the_last_step_and_by_zero_the_base():
    base, last = torch.randn(2, 30)
    torch.testing.assert_close(scale_delta(base, last, 1.0), last)
    assert torch.equal(scale_delta(base, last, 0.0), base)
    torch.testing.assert_close(scale_delta(base, last, 2.0), base + 2 * (last - base))
