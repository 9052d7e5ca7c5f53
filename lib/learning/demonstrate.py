"""Questions -> demonstrations: a teacher's episodes that answer right, for the warm-up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_contracts.episodes import EPISODES
from data_contracts.training import CHECKPOINT
from lib.errors import EndpointError, GateError
from lib.learning.mask_audit import audit_masks
from lib.learning.teacher import TEACHERS, Scene, Teacher
from lib.learning.trial import Trial, TrialLog
from lib.policy.load import load_chat
from lib.progress import Progress
from lib.rollout.attempt import QUESTION_COLUMNS, episode_limits
from lib.rollout.worlds import Sources, Worlds
from lib.seeds import derive_seed
from lib.settings.settings import Settings

SHOWN_REASONS = 3  # of a progress note


def demonstrate(
    settings: Settings,
    *,
    sources: Sources,
    questions: Path,
    base: Path,
    out: Path,
    seed: int,
    progress: Progress,
    scratch: Path | None = None,
) -> int:
    """Write ``episodes.parquet``: the demonstrations that end right, at most ``demonstrate.num_episodes``.

    Args:
        scratch: a folder in which an endpoint's trials outlive a failure, so that they are not paid for twice.

    Returns the tokens that an endpoint took and gave.

    Raises EndpointError when a teacher's endpoint fails for good, GateError when nothing can be demonstrated.
    """
    worlds = Worlds.load(settings, sources)
    chat = load_chat(base / CHECKPOINT, worlds.open_image)
    log = TrialLog(scratch / "trials.jsonl" if scratch else None)
    scene = Scene(
        chat,
        worlds=worlds,
        limits=episode_limits(settings, temperature=1.0),
        seed=seed,
    )
    teacher = TEACHERS[type(settings.demonstrate.teacher)](settings.demonstrate, scene, log)
    rows = _training_questions(questions, settings.demonstrate.domain_weights, seed)
    try:
        kept = _collect(teacher, rows, settings.demonstrate.num_episodes, progress)
    except EndpointError as error:
        raise EndpointError(
            f"The teacher cannot demonstrate. {error.what}",
            where=error.where,
            kept="graph, questions and base policy" + (f", and the trials of {len(log)} questions" if scratch else ""),
            next_step=f"{error.next_step} Or take the oracle: `ropewalk run --set demonstrate.teacher.type=oracle`.",
        ) from error
    demonstrations = pa.Table.from_pylist(kept, schema=EPISODES.schema)
    audit_masks(demonstrations, stop_tokens=chat.stop_tokens, limits=settings.demonstrate)
    pq.write_table(demonstrations, out / "episodes.parquet")
    return teacher.usage.tokens


def _training_questions(questions: Path, weights: Mapping[str, float], seed: int) -> list[dict]:
    """Rows of the training split, in an order of their own; domains take turns, as often as they weigh."""
    table = pq.read_table(questions / "questions.parquet")
    train = table.filter(pc.equal(table["split"], "train"))
    rows = train.select([*QUESTION_COLUMNS, "evidence"]).to_pylist()
    rows.sort(key=lambda row: derive_seed(seed, "demonstration order", row["id"]))
    turns = []
    for domain in sorted({row["domain"] for row in rows}):
        if weight := weights.get(domain, 1.0):
            own = (row for row in rows if row["domain"] == domain)
            turns += [((place + 0.5) / weight, domain, row) for place, row in enumerate(own)]
    return [row for _, _, row in sorted(turns, key=itemgetter(0, 1))]


def _collect(teacher: Teacher, rows: list[dict], wanted: int, progress: Progress) -> list[dict]:
    """Rows of the kept episodes; each round plays as many questions as demonstrations are missing."""
    tally = _Tally(teacher, wanted, progress)
    kept: list[dict] = []
    waiting = iter(rows)
    while len(kept) < wanted and (round_ := list(islice(waiting, wanted - len(kept)))):
        trials = teacher.play(round_, tally.hear)
        kept += [trial.kept for trial in trials if trial.kept]
        if not kept and all(trial.broke for trial in trials):
            break
    if not kept:
        raise GateError(
            f"none of {tally.num_questions} training questions could be demonstrated: {dict(tally.rejected)}",
            next_step="check that the questions have evidence which their pages state, or gold SQL that runs (or take "
            "a teacher: demonstrate.teacher.type=openai), or raise environment.max_tool_calls and engine.max_tokens",
        )
    return kept


class _Tally:
    """Counts trials and says so."""

    def __init__(self, teacher: Teacher, wanted: int, progress: Progress):
        self._teacher, self._wanted, self._progress = teacher, wanted, progress
        self.num_questions = self.num_kept = 0
        self.rejected: Counter[str] = Counter()

    def hear(self, trial: Trial) -> None:
        self.num_questions += 1
        self.num_kept += trial.kept is not None
        self.rejected.update(trial.rejected)
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.rejected.most_common(SHOWN_REASONS))
        note = f"demonstrations{f'; rejected: {reasons}' if reasons else ''}{self._teacher.usage.note()}"
        self._progress.update(self.num_kept, self._wanted, note)
