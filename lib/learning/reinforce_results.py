"""What a reinforcement run leaves on disk.

While it runs every rank keeps its episodes and rows in the job's scratch folder, rank 0 the trajectory too, so
that a resumed run finds them again. At the end rank 0 makes the artifact from them: ``checkpoint/``,
``trajectory/``, ``steps.parquet`` and ``episodes.parquet``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.episodes import EPISODES
from lib.learning.step_log import StepLog
from lib.learning.trainer import Trainer
from lib.learning.trajectory import is_kept, save_step
from lib.policy.save import save_checkpoint
from lib.rollout.episode import Episode, episode_table
from lib.rollout.stream import Ledger
from lib.workers.rank import Job


class ReinforceResults:
    """Steps count from 1 here: step n is what the n-th step of the run made."""

    def __init__(self, job: Job, trainer: Trainer, *, resumed_step: int):
        self._trainer = trainer
        self._settings = job.settings.reinforce
        self._episodes, self._trajectory = job.scratch / "episodes", job.scratch / "trajectory"
        self._episodes.mkdir(exist_ok=True)
        self._log = StepLog(job.scratch / f"steps-{trainer.rank}.jsonl", resumed_step=resumed_step)

    def add_episodes(self, episodes: Sequence[Episode], *, step: int) -> None:
        table = episode_table(episodes, policy="reinforce", benchmark="train", step=step)
        pq.write_table(table, self._episodes_file(step, self._trainer.rank))

    def add_row(self, step: int, **values: object) -> None:
        """A row of data_contracts.training.STEPS."""
        self._log.append(step=step, **values)

    def add_weights(self, *, step: int) -> None:
        """Those after the step, if they belong to the trajectory."""
        if not is_kept(step, every=self._settings.trajectory_every, steps=self._settings.steps):
            return
        with self._trainer.weights() as weights:
            if self._trainer.rank == 0:
                save_step(weights, self._trajectory, step=step, precision=self._settings.trajectory_precision)

    def read_ledger(self, step: int) -> Ledger:
        """What this rank had taken before a step that the run is resumed with."""
        return Ledger.read(self._ledger_file(step))

    def keep_ledger(self, ledger: Ledger, *, step: int) -> None:
        """Before the checkpoint of that step is written; those before the last two checkpoints go."""
        ledger.write(self._ledger_file(step))
        kept = sorted(self._ledger_file(step).parent.glob(f"*_rank_{self._trainer.rank}.json"))
        for path in kept[:-2]:
            path.unlink()

    def _ledger_file(self, step: int) -> Path:
        return self._episodes.parent / "ledgers" / f"step_{step:05d}_rank_{self._trainer.rank}.json"

    def dump(self, step: int, **columns: Sequence[float]) -> Path:
        """Set columns aside for whoever looks into a run that a gate has stopped; returns where."""
        path = self._episodes.parent / "dump" / f"step_{step:05d}_rank_{self._trainer.rank}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(dict(columns)), path)
        return path

    def write(self, out: Path, *, like: Path) -> None:
        """The artifact; ``like`` is the checkpoint that the run began with."""
        with self._trainer.weights() as weights:
            if self._trainer.rank != 0:
                return
            save_checkpoint(weights, like=like, out=out / "checkpoint")
        steps, ranks = range(1, self._settings.steps + 1), range(self._trainer.num_ranks)
        files = [self._episodes_file(step, rank) for step in steps for rank in ranks]
        tables = [pq.read_table(file, schema=EPISODES.schema) for file in files]
        pq.write_table(pa.concat_tables(tables), out / "episodes.parquet")
        self._log.write(out / "steps.parquet")
        # Linked, not moved: a crash before the artifact is published must find the trajectory again.
        shutil.copytree(self._trajectory, out / "trajectory", copy_function=os.link)

    def _episodes_file(self, step: int, rank: int) -> Path:
        return self._episodes / f"step_{step:05d}_rank_{rank}.parquet"
