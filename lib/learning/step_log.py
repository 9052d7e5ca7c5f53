"""One row an optimizer step, kept on disk so that a resumed run continues the table."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.training import STEPS
from lib.store.atomic_write import write_atomically

EMPTY = {
    "reward_mean": 0.0,
    "accuracy": 0.0,
    "entropy": 0.0,
    "mismatch_mean": 0.0,
    "mismatch_max": 0.0,
    "importance_p01": 1.0,
    "importance_p50": 1.0,
    "importance_p99": 1.0,
    "truncated_share": 0.0,
    "clipped_share": 0.0,
    "staleness_mean": 0.0,
    "staleness_max": 0,
    "probe_gap": 0.0,
    "kl": 0.0,
    "groups_kept": 0,
    "dropped": [],
    "tool_calls_mean": 0.0,
    "turns_mean": 0.0,
    "well_formed_share": 0.0,
    "seconds_rollout": 0.0,
}


class StepLog:
    """Rows as JSON lines in the job's scratch directory; a row beyond the resumed step is forgotten."""

    def __init__(self, path: Path, *, resumed_step: int):
        self._path = path
        lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
        # An interrupted write leaves a line without its end.
        rows = [json.loads(line) for line in lines if line.endswith("\n")]
        self._rows = [row for row in rows if row["step"] <= resumed_step]
        write_atomically(path, "".join(json.dumps(row) + "\n" for row in self._rows))

    def append(self, **values: object) -> None:
        row = EMPTY | values
        self._rows.append(row)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def write(self, path: Path) -> None:
        """The table of data_contracts.training.STEPS."""
        pq.write_table(pa.Table.from_pylist(self._rows, schema=STEPS.schema), path)
