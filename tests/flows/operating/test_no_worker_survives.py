"""However the process of a run ends in the middle of training, none of its workers lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.operating.live_runs import FOLDER, mark_dead_runs
from flows.operating.prefect_api import ask

REPOSITORY = Path(__file__).resolve().parents[3]
WITHIN_S = 12.0  # the guard gives workers five seconds to leave

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("pipeline")]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """Shared by the runs, so that each comes to the training at once."""
    return tmp_path_factory.mktemp("survivors") / "store"


def start(server, store) -> subprocess.Popen:
    line = [sys.executable, "-m", "flows.cli", "run", "--profile", "nano", "--store", str(store)]
    line += ["--set", "warm_up.steps=5000"]  # longer than any of these tests
    environment = os.environ | {"PREFECT_API_URL": server.url}
    process = subprocess.Popen(
        line, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )
    wait_for(lambda: process.poll() is not None or any(is_rank(p, store) for p in psutil.process_iter()), 240)
    assert process.poll() is None, process.communicate()
    return process


def wait_for(condition, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


def workers(store: Path) -> list[psutil.Process]:
    """Guards, launchers and ranks: every process that the store's path or a job's marker gives away."""
    return [process for process in psutil.process_iter() if "lib.workers" in line_of(process, store)] + [
        process for process in psutil.process_iter() if is_rank(process, store)
    ]


def is_rank(process: psutil.Process, store: Path) -> bool:
    return "lib.learning" in line_of(process, store)


def line_of(process: psutil.Process, store: Path) -> str:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return ""
    return line if str(store) in line else ""


def flow_run_of(store: Path) -> str:
    (note,) = (store / FOLDER).glob("*.json")
    return note.stem


def state_of(server, flow_run: str) -> str:
    return ask(server.url, f"flow_runs/{flow_run}")["state_name"]


def stages_of(server, flow_run: str) -> set[str]:
    """States of its stages."""
    found = ask(server.url, "task_runs/filter", {"flow_runs": {"id": {"any_": [flow_run]}}})
    return {task_run["state_name"] for task_run in found}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_survives_a_signal_and_the_run_s_state_becomes_right(server, store, number):
    process = start(server, store)
    flow_run = flow_run_of(store)
    process.send_signal(number)
    process.communicate(timeout=60)
    wait_for(lambda: not workers(store), WITHIN_S)
    mark_dead_runs(store, server.url)
    assert state_of(server, flow_run) == "Crashed"
    assert stages_of(server, flow_run) - {"Completed", "Cached"} == {"Crashed"}


def test_no_worker_survives_a_run_that_is_cancelled_in_the_pages(server, store):
    process = start(server, store)
    flow_run = flow_run_of(store)
    state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    ask(server.url, f"flow_runs/{flow_run}/set_state", state)
    process.communicate(timeout=60)
    wait_for(lambda: not workers(store), WITHIN_S)
    assert state_of(server, flow_run) == "Cancelled"
    assert stages_of(server, flow_run) - {"Completed", "Cached"} == {"Cancelled"}
