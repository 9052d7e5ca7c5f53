"""A clock that jumps between runs: what was given last stays the last, and nothing is computed or removed for it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lib.store.artifact_store import ArtifactStore

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys
from pathlib import Path
from lib.settings.load import load_settings
from tasks.run import Run
from tasks.stage import run_stage
from tests.small_chain import COUNT, DOUBLE

run = Run(load_settings("laptop", [f"reinforce.steps={sys.argv[2]}"]), Path(sys.argv[1]))
counted, outcome = run_stage(COUNT, run, {})
run_stage(DOUBLE, run, {"count": counted})
print(outcome, counted.digest, run.index.latest_kept("count").artifact.digest)
"""

pytestmark = pytest.mark.skipif(shutil.which("faketime") is None, reason="no faketime")


def at(jump: str, *arguments) -> str:
    """Run Python with a clock that is off by so much."""
    line = ["faketime", "-f", jump, sys.executable, *map(str, arguments)]
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_chain(store, jump: str, steps: int) -> tuple[str, str]:
    """How the first stage came to its artifact, and which that is; it is the stage's latest from then on."""
    outcome, digest, latest = at(jump, "-c", PROGRAM, store, steps).split()
    assert latest == digest, f"{steps} steps at {jump}"
    return outcome, digest


def would_go(store, jump: str) -> set[str]:
    found = at(jump, "-m", "flows.cli", "gc", "--keep-newer", "12h", "--store", store, "--json")
    return {row["digest"] for row in json.loads(found)["remove"]}


@pytest.mark.slow
def test_a_clock_that_jumps_back_and_forth_changes_neither_what_is_latest_nor_what_is_known(tmp_path):
    store = tmp_path / "store"
    runs = [run_chain(store, jump, steps) for jump, steps in (("+0", 3), ("-1d", 4), ("-1d", 3), ("+1d", 5), ("+0", 4))]
    assert [outcome for outcome, _ in runs] == ["computed", "computed", "cached", "computed", "cached"]
    assert runs[0][1] == runs[2][1] and runs[1][1] == runs[4][1]

    listed = json.loads(at("-1d", "-m", "flows.cli", "lineage", "--store", store, "--json"))
    computed = [row["digest"] for row in listed if row["stage"] == "count"]
    assert computed == [runs[0][1], runs[1][1], runs[3][1]]  # in the order in which they were computed

    # One that was made while the clock was a day behind is not a day older for that.
    assert would_go(store, "+0") == would_go(store, "-1d") == set()
    assert would_go(store, "+3d") == {item.reference.digest for item in ArtifactStore(store).list()}
