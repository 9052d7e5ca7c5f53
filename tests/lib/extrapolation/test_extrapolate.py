"""The job over a made-up run, with a judge that reads the weights in place of a rollout."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file

from data_contracts.questions import QUESTIONS
from data_contracts.training import EXTRAPOLATION
from lib.extrapolation.extrapolate import extrapolate
from lib.progress import Silent
from lib.settings.settings import Settings
from lib.workers.rank import Job

NUM_QUESTIONS = 20
SETTINGS = {
    "extrapolate": {"targets": [1.5, 2.0, 4.0], "scales": [1.5], "questions": NUM_QUESTIONS},
    "evaluate": {"bootstrap_resamples": 100},
}


class WeightReader:
    """Right on more questions the nearer the scalar's distance travelled is to step 6 of the straight run."""

    def __init__(self, line, *, stop_after: int | None = None):
        base = float(line(0)["scale"])
        self._step_of = lambda scale: ((scale - base) / (float(line(1)["scale"]) - base) * 0.5 - 0.2) / 0.3
        self.judged, self._stop_after = [], stop_after

    def __call__(self, questions, *, checkpoint, policy, **options):
        if self._stop_after is not None and len(self.judged) >= self._stop_after:
            raise KeyboardInterrupt
        self.judged.append(policy)
        step = self._step_of(float(load_file(checkpoint / "model.safetensors")["scale"]))
        num_right = max(0, NUM_QUESTIONS - round(4 * abs(step - 6)))
        ids = questions["id"].to_pylist()
        return pa.table(
            {
                "question_id": ids,
                "status": ["answered"] * len(ids),
                "error": pa.nulls(len(ids), pa.string()),
                "correct": [i < num_right for i in range(len(ids))],
            }
        )


@pytest.fixture
def job(tmp_path, line, save_run):
    save_run(tmp_path, line, [1, 2, 3, 4])
    pq.write_table(pa.table({"step": [1, 2, 3, 4]}), tmp_path / "reinforce" / "steps.parquet")
    row = {
        "domain": "knowledge", "prompt": "Which?", "answer": "that", "aliases": [], "split": "validation", "hops": 1,
        "difficulty": 0.5, "evidence": [], "source_ids": [], "relations": [], "writer": "template",
        "filters_passed": [], "seed": 0,
    }  # fmt: skip
    table = pa.Table.from_pylist([{"id": f"q{i}", **row} for i in range(NUM_QUESTIONS)])
    (tmp_path / "synthesize").mkdir()
    pq.write_table(QUESTIONS.check(table)[0], tmp_path / "synthesize" / "questions.parquet")
    (tmp_path / "out").mkdir()
    inputs = {name: tmp_path / name for name in ("source", "synthesize", "warm_up", "reinforce")}
    return Job(Settings(**SETTINGS), inputs, tmp_path / "out", tmp_path / "scratch", 0, 0, 1, Silent())


def test_the_best_target_is_published_with_its_numbers_beside_it(job, line):
    extrapolate(job, attempt=WeightReader(line))
    sweep = pq.read_table(job.out / "sweep.parquet").to_pylist()
    assert [row["target"] for row in sweep if row["chosen"]] == [6.0]
    gate = json.loads((job.out / "gate.json").read_text())
    assert gate["verdict"] == "ahead"
    assert gate["target_step"] == 6.0
    published = load_file(job.out / "checkpoint" / "model.safetensors")
    assert float(published["scale"]) == pytest.approx(float(line(6)["scale"]), abs=1e-3)


def test_the_artifact_fits_its_contracts(job, line):
    extrapolate(job, attempt=WeightReader(line))
    for contract in EXTRAPOLATION.tables:
        contract.check(pq.read_table(job.out / f"{contract.name}.parquet"))
    assert all((job.out / path).exists() for path in EXTRAPOLATION.paths)
    fits = {row["tensor"]: row for row in pq.read_table(job.out / "tensor_fits.parquet").to_pylist()}
    assert fits["still"]["r_squared"] == 0.0
    assert fits["model.norm.weight"]["r_squared"] == pytest.approx(1.0, abs=1e-4)


def test_an_interrupted_sweep_judges_only_what_is_missing_and_ends_the_same(job, line):
    with pytest.raises(KeyboardInterrupt):
        extrapolate(job, attempt=WeightReader(line, stop_after=2))
    rest = WeightReader(line)
    extrapolate(job, attempt=rest)
    assert rest.judged == ["relex_8", "relex_16", "scaled_delta_1.5"]
    assert not (job.scratch / "candidate").exists()
    first = pq.read_table(job.out / "sweep.parquet")
    extrapolate(Job(**{**vars(job), "scratch": job.scratch / "fresh"}), attempt=WeightReader(line))
    assert pq.read_table(job.out / "sweep.parquet") == first
