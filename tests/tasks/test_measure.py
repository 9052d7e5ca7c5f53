import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.measure import Meter, count_tokens

REPOSITORY = Path(__file__).resolve().parents[2]


def test_tokens_are_those_of_steps_or_of_episodes_whichever_are_more(tmp_path):
    assert count_tokens(tmp_path) == 0
    pq.write_table(pa.table({"num_tokens": [3, 4]}), tmp_path / "steps.parquet")
    assert count_tokens(tmp_path) == 7
    pq.write_table(pa.table({"tokens": [[1, 2], [], [3] * 9]}), tmp_path / "episodes.parquet")
    assert count_tokens(tmp_path) == 11


PEAKS = """
import sys
from pathlib import Path
from tasks.measure import Meter

before = bytearray(300_000_000)
del before
meter = Meter()
small = meter.cost(Path(sys.argv[1])).peak_memory_mb
block = bytearray(200_000_000)
print(small, meter.cost(Path(sys.argv[1])).peak_memory_mb)
"""


def test_the_peak_is_that_of_the_stage_not_of_what_ran_before(tmp_path):
    # In a process of its own: what other tests have left in this one may be freed in between.
    command = [sys.executable, "-c", PEAKS, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    small, large = map(float, done.stdout.split())
    assert small + 150 < large < small + 250


def test_the_peak_of_a_job_in_other_processes_stands_for_the_stage(tmp_path):
    meter = Meter()
    meter.add_job(99_999)
    assert meter.cost(tmp_path).peak_memory_mb == 99_999


def test_tokens_of_an_endpoint_count(tmp_path):
    meter = Meter()
    meter.add_tokens(300)
    meter.add_tokens(50)
    assert meter.cost(tmp_path).tokens == 350
