"""The job that looks ahead of training: fit the row of checkpoints, sweep targets, publish the best.

In: the warmed-up checkpoint (θ_0), the trajectory and the last checkpoint of reinforcement, and the
validation questions. Out: a checkpoint, the fit of every tensor, the sweep and the gate's verdict.
Fits and finished candidates are kept in ``job.scratch``; a candidate's weights are deleted as soon
as it is judged, and the chosen one is written again from the fits.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_contracts.training import CHECKPOINT, GATE, TENSOR_FITS, TRAJECTORY
from lib.extrapolation.fit_checkpoints import fit_checkpoints, write_extrapolated, write_scaled
from lib.extrapolation.history import History, open_history
from lib.extrapolation.relex import TensorFit
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
from lib.policy.engines import Engines
from lib.progress import Progress
from lib.rollout.attempt import attempt
from lib.rollout.choose_questions import choose_questions
from lib.rollout.kept_table import kept_table
from lib.rollout.part_progress import PartProgress
from lib.rollout.worlds import Sources
from lib.seeds import derive_seed
from lib.workers.rank import Job, run_rank

Attempt = Callable[..., pa.Table]
BENCHMARK = "validation"


def main(job: Job) -> None:
    if job.rank == 0:
        with Engines(job.settings.engine, logs=job.scratch) as engines:
            extrapolate(job, attempt=partial(attempt, engines=engines))


def extrapolate(job: Job, *, attempt: Attempt) -> None:
    """Run the whole stage; ``attempt`` is lib.rollout.attempt's, or a function that behaves like it."""
    settings = job.settings.extrapolate
    last_step = pc.max(pq.read_table(job.inputs["reinforce"] / "steps.parquet", columns=["step"])["step"]).as_py()
    history = open_history(
        base=job.inputs["warm_up"] / CHECKPOINT,
        trajectory=job.inputs["reinforce"] / TRAJECTORY,
        last=job.inputs["reinforce"] / CHECKPOINT,
        last_step=last_step,
    )
    fits = fit_checkpoints(history, rank=settings.rank, folder=job.scratch / "fits", progress=job.progress)
    candidates = list_candidates(last_step=last_step, targets=settings.targets, scales=settings.scales)
    questions = choose_questions(
        job.inputs["synthesize"] / "questions.parquet", split="validation", count=settings.questions, seed=job.seed
    )
    correct, total = {}, questions.num_rows * len(candidates)
    for done, candidate in enumerate(candidates):
        progress = PartProgress(job.progress, done * questions.num_rows, total, candidate.name)
        progress.update(0, questions.num_rows)
        path = job.scratch / "judged" / f"{candidate.name}.parquet"
        outcomes = kept_table(path, partial(_try, job, history, fits, candidate, questions, attempt, progress))
        correct[candidate] = outcomes_of(outcomes, questions["id"].to_pylist())
    correct = keep_judged(correct)
    sweep = tabulate(correct, resamples=job.settings.evaluate.bootstrap_resamples, seed=_seed(job, "bootstrap"))
    _build(job, history, fits, choose(correct), job.out / CHECKPOINT)
    pq.write_table(sweep, job.out / "sweep.parquet")
    pq.write_table(tabulate_fits(fits, window=settings.window), job.out / "tensor_fits.parquet")
    (job.out / GATE).write_text(json.dumps(judge(sweep), indent=2))
    job.progress.update(total, total, str(judge(sweep)["verdict"]))


def tabulate_fits(fits: list[TensorFit], *, window: int) -> pa.Table:
    """Rows of the TENSOR_FITS contract. A tensor that never moved follows no line: its R² is 0."""
    rows = []
    for fit in fits:
        line = fit.lines(window=window)[0]
        slope, intercept = line.coefficients
        moved = fit.explained_variance > 0
        rows.append(
            {
                "tensor": fit.tensor,
                "num_elements": fit.num_elements,
                "explained_variance": fit.explained_variance,
                "r_squared": line.r_squared if moved else 0.0,
                "slope": slope,
                "intercept": intercept,
                "delta_norm": fit.delta_norm,
            }
        )
    return pa.Table.from_pylist(rows, schema=TENSOR_FITS.schema)


def _try(
    job: Job,
    history: History,
    fits: list[TensorFit],
    candidate: Candidate,
    questions: pa.Table,
    attempt: Attempt,
    progress: Progress,
) -> pa.Table:
    """One greedy attempt at each validation question; only its outcome is kept."""
    checkpoint = history.last.folder
    if candidate.method is not Method.LAST_STEP:
        checkpoint = job.scratch / "candidate"
        _build(job, history, fits, candidate, checkpoint)
    episodes = attempt(
        questions,
        sources=Sources.of(job.inputs),
        checkpoint=checkpoint,
        policy=candidate.name,
        benchmark=BENCHMARK,
        settings=job.settings,
        seed=_seed(job, "attempt"),
        progress=progress,
    )
    shutil.rmtree(job.scratch / "candidate", ignore_errors=True)
    return episodes.select(["question_id", "status", "error", "correct"])


def _build(job: Job, history: History, fits: list[TensorFit], candidate: Candidate, out: Path) -> None:
    if candidate.method is Method.SCALED_DELTA:
        write_scaled(history, scale=candidate.target, out=out)
    else:
        folder, window = job.scratch / "fits", job.settings.extrapolate.window
        write_extrapolated(history, fits, folder=folder, step=candidate.target, out=out, window=window)


def _seed(job: Job, purpose: str) -> int:
    """The same for every candidate: they differ in their weights alone."""
    return derive_seed(job.seed, "extrapolate", purpose)


if __name__ == "__main__":
    run_rank(main)
