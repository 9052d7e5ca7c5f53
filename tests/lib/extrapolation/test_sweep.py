"""Which extrapolation is published, and what is said of it."""

import numpy as np
import pyarrow as pa
import pytest

from data_contracts.training import SWEEP
from lib.errors import JobError
from lib.extrapolation.sweep import (
    Candidate,
    Method,
    choose,
    judge,
    keep_judged,
    list_candidates,
    outcomes_of,
    tabulate,
)


def right(count: int, of: int = 100) -> np.ndarray:
    return (np.arange(of) < count).astype(float)


def sweep(last: int, relex: dict[float, int], scaled: dict[float, int]):
    correct = {Candidate(Method.LAST_STEP, 10): right(last)}
    correct |= {Candidate(Method.RELEX, step): right(count) for step, count in relex.items()}
    correct |= {Candidate(Method.SCALED_DELTA, scale): right(count) for scale, count in scaled.items()}
    return tabulate(correct, resamples=500, seed=0)


def test_targets_are_multiples_of_the_last_step_and_scales_are_taken_as_they_are():
    candidates = list_candidates(last_step=16, targets=(2.0, 1.25, 2.0), scales=(1.5,))
    assert [c.name for c in candidates] == ["last_step_16", "relex_20", "relex_32", "scaled_delta_1.5"]


def test_the_best_extrapolation_is_chosen_and_the_nearest_among_equals():
    correct = {
        Candidate(Method.LAST_STEP, 10): right(90),
        Candidate(Method.RELEX, 20): right(60),
        Candidate(Method.RELEX, 15): right(60),
        Candidate(Method.RELEX, 12): right(50),
        Candidate(Method.SCALED_DELTA, 2): right(95),
    }
    assert choose(correct) == Candidate(Method.RELEX, 15)


@pytest.mark.parametrize(("count", "verdict"), [(70, "ahead"), (51, "level"), (49, "level"), (30, "behind")])
def test_the_verdict_needs_a_paired_interval_off_zero(count, verdict):
    gate = judge(sweep(50, {12: count}, {}))
    assert gate["verdict"] == verdict
    assert gate["reaches_last_step"] == (count >= 50)
    assert gate["best_scaled_delta_accuracy"] is None


def test_the_note_says_when_training_or_scaling_is_better():
    note = judge(sweep(50, {12: 40, 15: 20}, {1.5: 60}))["note"]
    assert "prefer that one" in note
    assert "does not reach the best scaled last delta (60.0 %)" in note
    assert "prefer" not in judge(sweep(50, {12: 55}, {1.5: 50}))["note"]


def test_the_sweep_fits_its_contract_with_one_chosen_row():
    table, _ = SWEEP.check(sweep(50, {12: 55, 15: 52}, {1.5: 60}))
    assert [row["target"] for row in table.to_pylist() if row["chosen"]] == [12]
    last = next(row for row in table.to_pylist() if row["method"] == "last_step")
    assert (last["gain"], last["gain_low"], last["gain_high"]) == (0, 0, 0)


def test_a_question_that_broke_for_one_candidate_is_left_out_for_all():
    rows = [("a", "answered", True), ("b", "failed", False), ("c", "malformed", False)]
    broken = pa.table(dict(zip(("question_id", "status", "correct"), zip(*rows, strict=True), strict=True)))
    first, second = Candidate(Method.LAST_STEP, 1), Candidate(Method.RELEX, 2)
    correct = {first: outcomes_of(broken, ["c", "b", "a"]), second: np.array([1.0, 1.0, 0.0])}
    kept = keep_judged(correct)
    assert kept[first].tolist() == [0.0, 1.0]
    assert kept[second].tolist() == [1.0, 0.0]
    with pytest.raises(JobError, match="broke"):
        keep_judged({first: np.array([np.nan])})
