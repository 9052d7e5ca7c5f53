"""Which extrapolation is worth publishing, and what is honestly said of it.

In: for each candidate, which validation questions it answers. Out: the rows of the sweep, and the
gate's verdict. The file knows neither models nor files.

The rule. A checkpoint is always published, and it is the extrapolation with the best validation
accuracy; among equals the nearest target, since far extrapolation destroys models.
Beside it stand the last trained step and the scaled last delta on the same questions. The verdict
compares with the last step by a paired interval: *ahead* if the interval lies above zero, *behind*
if it lies below, *level* otherwise. As the best of several candidates, the chosen one's validation
accuracy flatters it, so *ahead* is a claim only together with the held-out score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa

from data_contracts.training import SWEEP
from lib.bootstrap import bootstrap_difference, bootstrap_mean
from lib.errors import JobError
from lib.percent import percent, points


class Method(StrEnum):
    RELEX = "relex"
    SCALED_DELTA = "scaled_delta"
    LAST_STEP = "last_step"


class Verdict(StrEnum):
    """The published checkpoint against the last trained step, on the validation questions."""

    AHEAD = "ahead"
    LEVEL = "level"
    BEHIND = "behind"


@dataclass(frozen=True)
class Candidate:
    """A model of the sweep."""

    method: Method
    target: float  # optimizer step; for the scaled delta, the scale

    @property
    def name(self) -> str:
        return f"{self.method}_{self.target:g}"


def list_candidates(*, last_step: int, targets: Sequence[float], scales: Sequence[float]) -> list[Candidate]:
    """The last step, each target (a multiple of the last step) and each scale, without repetition."""
    candidates = [Candidate(Method.LAST_STEP, float(last_step))]
    candidates += [Candidate(Method.RELEX, multiple * last_step) for multiple in sorted(set(targets))]
    candidates += [Candidate(Method.SCALED_DELTA, scale) for scale in sorted(set(scales))]
    return candidates


def outcomes_of(episodes: pa.Table, question_ids: Sequence[str]) -> np.ndarray:
    """1 for a right answer, 0 for none or a wrong one, NaN where the attempt itself broke; [num_questions]."""
    columns = [episodes[name].to_pylist() for name in ("question_id", "status", "correct")]
    known = {
        name: math.nan if status == "failed" else float(right) for name, status, right in zip(*columns, strict=True)
    }
    return np.array([known[question_id] for question_id in question_ids])


def keep_judged(correct: dict[Candidate, np.ndarray]) -> dict[Candidate, np.ndarray]:
    """Leave out, for all candidates, each question that broke for one of them: the rest stays paired.

    Raises JobError where nothing is left.
    """
    whole = ~np.isnan(np.stack(list(correct.values()))).any(axis=0)
    if not whole.any():
        raise JobError(
            "Each validation question broke for some candidate, so the sweep cannot compare them.",
            kept="the fits",
            next_step="look at the column error of the tables under judged in the job's scratch folder",
        )
    return {candidate: values[whole] for candidate, values in correct.items()}


def choose(correct: dict[Candidate, np.ndarray]) -> Candidate:
    """The extrapolation with the most right answers, the nearest among equals."""
    ahead = [candidate for candidate in correct if candidate.method is Method.RELEX]
    return min(ahead, key=lambda candidate: (-float(np.mean(correct[candidate])), candidate.target))


def tabulate(correct: dict[Candidate, np.ndarray], *, resamples: int, seed: int) -> pa.Table:
    """Rows of the SWEEP contract; ``correct`` holds 0 or 1 a question, [num_questions], in one order."""
    chosen = choose(correct)
    last = next(values for candidate, values in correct.items() if candidate.method is Method.LAST_STEP)
    rows = []
    for candidate, values in correct.items():
        accuracy = bootstrap_mean(values, resamples=resamples, seed=seed, is_share=True)
        gain = bootstrap_difference(values, last, resamples=resamples, seed=seed)
        rows.append(
            {
                "method": str(candidate.method),
                "target": candidate.target,
                "accuracy": accuracy.value,
                "low": accuracy.low,
                "high": accuracy.high,
                "gain": gain.value,
                "gain_low": gain.low,
                "gain_high": gain.high,
                "n": accuracy.n,
                "chosen": candidate == chosen,
            }
        )
    return pa.Table.from_pylist(rows, schema=SWEEP.schema)


def judge(sweep: pa.Table) -> dict[str, object]:
    """The gate: the verdict on the chosen row, the numbers behind it, and a sentence."""
    rows = sweep.to_pylist()
    chosen = next(row for row in rows if row["chosen"])
    last = next(row for row in rows if row["method"] == Method.LAST_STEP)
    scaled = max((row["accuracy"] for row in rows if row["method"] == Method.SCALED_DELTA), default=None)
    verdict = Verdict.AHEAD if chosen["gain_low"] > 0 else Verdict.BEHIND if chosen["gain_high"] < 0 else Verdict.LEVEL
    return {
        "verdict": str(verdict),
        "target_step": chosen["target"],
        "last_step": last["target"],
        "accuracy": chosen["accuracy"],
        "last_step_accuracy": last["accuracy"],
        "best_scaled_delta_accuracy": scaled,
        "gain": chosen["gain"],
        "gain_low": chosen["gain_low"],
        "gain_high": chosen["gain_high"],
        "reaches_last_step": chosen["accuracy"] >= last["accuracy"],
        "reaches_scaled_delta": None if scaled is None else chosen["accuracy"] >= scaled,
        "questions": chosen["n"],
        "note": _note(verdict, chosen, last, scaled),
    }


def _note(verdict: Verdict, chosen: dict, last: dict, scaled: float | None) -> str:
    is_ahead = chosen["target"] > last["target"]
    how = f"Extrapolated to step {chosen['target']:g}" if is_ahead else "On the line, but not ahead of the last step"
    text = (
        f"{how}, the model answers {percent(chosen['accuracy'])} of {chosen['n']} "
        f"validation questions; the last trained step ({last['target']:g}) answers {percent(last['accuracy'])}. "
        f"The difference is {points(chosen['gain'])} points "
        f"(95 % interval {points(chosen['gain_low'])} to {points(chosen['gain_high'])}): {verdict}."
    )
    if chosen["accuracy"] < last["accuracy"]:
        text += " No extrapolation reaches the last trained step; prefer that one."
    if scaled is not None:
        relation = "does not reach" if chosen["accuracy"] < scaled else "is no worse than"
        text += f" It {relation} the best scaled last delta ({percent(scaled)})."
    return text
