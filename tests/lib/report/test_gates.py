"""Each gate holds on a sound run, and falls when the stored tables are tampered with."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.report.gates import PLAYING, Gate, measure_gates
from lib.settings.settings import Settings

Tamper = Callable[[list[dict]], None]


def gates_of(inputs: dict[str, Path], **settings: dict) -> dict[str, Gate]:
    return {gate.gate: gate for gate in measure_gates(Settings(**settings), inputs=inputs)}


@pytest.fixture
def tampered(run, tmp_path) -> Callable[[str, str, Tamper], dict[str, Gate]]:
    """(stage, table, what to do to its rows) -> the gates of the run with that table."""

    def measure(stage: str, table: str, tamper: Tamper) -> dict[str, Gate]:
        stored = pq.read_table(run.inputs[stage] / f"{table}.parquet")
        rows = stored.to_pylist()
        tamper(rows)
        pq.write_table(pa.Table.from_pylist(rows, schema=stored.schema), tmp_path / f"{table}.parquet")
        return gates_of(run.inputs | {stage: tmp_path})

    return measure


def turns_of(row: dict, role: str = "assistant") -> list[dict]:
    return [turn for turn in row["turns"] if turn["role"] == role]


def test_a_sound_run_passes_every_gate_and_says_how_much_was_looked_at(run):
    gates = gates_of(run.inputs)
    assert all(gate.passed and gate.checked for gate in gates.values())
    demonstrations = pq.read_table(run.inputs["demonstrate"] / "episodes.parquet").to_pylist()
    assert gates["turn ends"].checked == sum(len(turns_of(row)) for row in demonstrations)
    trained = sum(sum(row["action_mask"]) for row in demonstrations)
    assert gates["trained share"].measured == trained / sum(len(row["tokens"]) for row in demonstrations)
    assert gates["contamination"].checked == (60 + 30) * 40


def test_only_the_changed_gate_falls(tampered):
    def empty_a_mask(rows: list[dict]) -> None:
        rows[0]["action_mask"] = [False] * len(rows[0]["tokens"])

    gates = tampered("evaluate", "episodes", empty_a_mask)
    assert [name for name, gate in gates.items() if not gate.passed] == ["action mask"]


def test_the_trained_share_has_both_bounds(run):
    share = gates_of(run.inputs)["trained share"].measured
    for limits in ({"min_trained_share": share + 0.01}, {"max_trained_share": share - 0.01}):
        assert gates_of(run.inputs, demonstrate=limits)["trained share"].passed is False


def test_a_turn_that_ends_on_another_token_is_counted(tampered):
    def cut(rows: list[dict]) -> None:
        for row in rows[:3]:
            row["tokens"][turns_of(row)[0]["end"] - 1] = 100

    gate = tampered("demonstrate", "episodes", cut)["turn ends"]
    assert (gate.measured, gate.passed) == (3, False)


def test_a_stop_token_that_is_not_trained_does_not_count(tampered):
    def mask(rows: list[dict]) -> None:
        rows[0]["action_mask"][turns_of(rows[0])[0]["end"] - 1] = False

    gates = tampered("demonstrate", "episodes", mask)
    assert gates["turn ends"].measured == 1
    assert gates["action mask"].measured == 1


def test_without_the_base_policy_nobody_knows_the_stop_tokens(run):
    inputs = {stage: folder for stage, folder in run.inputs.items() if stage != "base"}
    assert gates_of(inputs)["turn ends"].passed is None


@pytest.mark.parametrize("stage", PLAYING)
def test_a_trained_observation_is_counted_in_every_stage(tampered, stage):
    def train_on_a_result(rows: list[dict]) -> None:
        row = next(row for row in rows if turns_of(row, "tool"))
        row["action_mask"][turns_of(row, "tool")[0]["start"]] = True

    gate = tampered(stage, "episodes", train_on_a_result)["action mask"]
    assert (gate.measured, gate.passed) == (1, False)


@pytest.mark.parametrize(
    "drift",
    [
        lambda row: row["turns"][0].update(start=1),
        lambda row: row["turns"][1].update(start=2),
        lambda row: row["turns"].pop(1),
        lambda row: row["tokens"].append(100),
        lambda row: row["tokens"].pop(),
        lambda row: row.update(turns=[]),
    ],
    ids=["late beginning", "gap", "lost turn", "longer tokens", "shorter tokens", "no turns"],
)
@pytest.mark.parametrize("stage", PLAYING)
def test_a_prompt_that_does_not_extend_the_last_one_is_drift(tampered, stage, drift):
    gate = tampered(stage, "episodes", lambda rows: drift(rows[0]))["token drift"]
    assert gate.measured >= 1
    assert gate.passed is False


def test_the_worst_step_that_trained_decides_on_the_mismatch(tampered):
    def spoil(rows: list[dict]) -> None:
        rows[4]["mismatch_mean"] = 0.7
        rows[5] |= {"mismatch_mean": 9.0, "num_action_tokens": 0}

    gate = tampered("reinforce", "steps", spoil)["mismatch"]
    assert (gate.measured, gate.passed) == (0.7, False)


def test_a_mismatch_that_is_no_number_fails(tampered):
    gate = tampered("reinforce", "steps", lambda rows: rows[4].update(mismatch_mean=math.nan))["mismatch"]
    assert gate.passed is False


def test_steps_that_never_trained_have_no_mismatch(tampered):
    def idle(rows: list[dict]) -> None:
        for row in rows:
            row["num_action_tokens"] = 0

    gate = tampered("reinforce", "steps", idle)["mismatch"]
    assert (gate.measured, gate.passed) == (None, None)


def test_a_shared_entity_and_a_shared_path_each_contaminate_once(tampered):
    def share(rows: list[dict]) -> None:
        rows[90]["source_ids"].append(rows[0]["source_ids"][0])  # both: one pair
        rows[90]["evidence"] = rows[0]["evidence"]
        rows[91]["evidence"] = rows[1]["evidence"]
        rows[92]["source_ids"] += [rows[2]["source_ids"][0], rows[3]["source_ids"][0]]
        rows[5]["source_ids"] = rows[6]["source_ids"]  # both held out

    gate = tampered("synthesize", "questions", share)["contamination"]
    assert (gate.measured, gate.passed) == (4, False)


def test_questions_without_evidence_share_no_path(tampered):
    def bare(rows: list[dict]) -> None:
        for row in rows:
            row["evidence"] = []

    assert tampered("synthesize", "questions", bare)["contamination"].passed


@pytest.mark.parametrize(("high", "passed"), [(-0.01, False), (0.0, True), (0.05, True)])
def test_an_extrapolation_fails_where_its_whole_interval_lies_below_the_last_step(tampered, high, passed):
    def set_back(rows: list[dict]) -> None:
        chosen = next(row for row in rows if row["chosen"])
        chosen |= {"gain": -0.1, "gain_low": -0.2, "gain_high": high}

    gate = tampered("extrapolate", "sweep", set_back)["extrapolation"]
    assert (gate.measured, gate.passed) == (-0.1, passed)
    assert "last step" in gate.note and "scaled delta" in gate.note


def test_a_sweep_without_its_comparison_is_no_measurement(tampered):
    def drop(rows: list[dict]) -> None:
        rows[:] = [row for row in rows if row["method"] != "last_step"]

    assert tampered("extrapolate", "sweep", drop)["extrapolation"].passed is None


def test_a_run_of_which_nothing_is_stored_has_measured_nothing():
    assert {gate.passed for gate in gates_of({}).values()} == {None}
