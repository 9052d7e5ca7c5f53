"""Runs whose process was killed in the moment before it could note itself: real processes at a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.operating.live_runs import note_live
from flows.operating.prefect_api import ask
from flows.operating.unnoted_runs import UnnotedRuns

# A flow that ends its process as SIGKILL does, before it has noted itself.
PROGRAM = """
import os, signal, sys
from prefect import flow
from prefect.runtime import flow_run

@flow(name=sys.argv[2])
def killed(store):
    print(flow_run.id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

killed(sys.argv[1])
"""

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture
def killed(server):
    """The flow run of a killed process."""

    def run(store: Path, flow: str = "ropewalk-stage") -> str:
        line = [sys.executable, "-c", PROGRAM, str(store), flow]
        environment = os.environ | {"PREFECT_API_URL": server.url}
        done = subprocess.run(line, env=environment, cwd=store, capture_output=True, text=True, timeout=120)
        assert done.returncode == -9, done.stderr
        return done.stdout.strip()

    return run


def state_of(server, flow_run):
    return ask(server.url, f"flow_runs/{flow_run}")["state"]


def test_it_becomes_crashed_once_it_has_been_seen_for_long_enough(server, killed, tmp_path):
    flow_run = killed(tmp_path)
    patient = UnnotedRuns(tmp_path, server.url)
    assert patient.mark() == patient.mark() == []
    assert state_of(server, flow_run)["name"] == "Running"
    assert UnnotedRuns(tmp_path, server.url, patience_s=0).mark() == [flow_run]
    state = state_of(server, flow_run)
    assert state["name"] == "Crashed" and "before it had begun" in state["message"]
    assert UnnotedRuns(tmp_path, server.url, patience_s=0).mark() == []


def test_one_that_was_to_be_cancelled_becomes_cancelled(server, killed, tmp_path):
    flow_run = killed(tmp_path)
    cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True}
    ask(server.url, f"flow_runs/{flow_run}/set_state", cancelling)
    assert UnnotedRuns(tmp_path, server.url, patience_s=0).mark() == [flow_run]
    assert state_of(server, flow_run)["name"] == "Cancelled"


def test_runs_of_other_stores_and_flows_and_noted_ones_are_left_alone(server, killed, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    runs = [killed(other), killed(tmp_path, flow="somebody-elses"), killed(tmp_path)]
    note_live(tmp_path, flow_run=runs[-1], run_count=1, server=server.url, name="")
    assert UnnotedRuns(tmp_path, server.url, patience_s=0).mark() == []
    assert [state_of(server, run)["name"] for run in runs] == ["Running"] * 3
