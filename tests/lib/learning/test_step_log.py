import json

import pyarrow.parquet as pq
import pytest

from lib.learning.step_log import StepLog

ROW = {"loss": 1.0, "learning_rate": 0.1, "grad_norm": 0.5, "num_episodes": 2, "num_tokens": 9, "num_action_tokens": 4}


def steps_of(log: StepLog, path) -> list[int]:
    log.write(path)
    return pq.read_table(path)["step"].to_pylist()


def test_a_line_that_was_cut_while_it_was_written_is_forgotten(tmp_path):
    path = tmp_path / "steps.jsonl"
    log = StepLog(path, resumed_step=0)
    for step in (1, 2, 3):
        log.append(step=step, **ROW, seconds_train=1.0)
    path.write_text(path.read_text()[:-30])
    again = StepLog(path, resumed_step=2)
    again.append(step=3, **ROW, seconds_train=1.0)
    assert steps_of(again, tmp_path / "steps.parquet") == [1, 2, 3]
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3]


def test_rows_are_kept_where_a_full_disk_takes_no_more(small_disk):
    path = small_disk / "steps.jsonl"
    log = StepLog(path, resumed_step=0)
    for step in (1, 2):
        log.append(step=step, **ROW, seconds_train=1.0)
    filler = small_disk / "filler"
    with pytest.raises(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(OSError):
        StepLog(path, resumed_step=2)
    filler.unlink()
    assert steps_of(StepLog(path, resumed_step=2), small_disk / "steps.parquet") == [1, 2]
