"""The pipeline is started, its workers are killed in the middle of both training stages, and it is run again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lib.store.content_digest import hash_file

REPOSITORY = Path(__file__).resolve().parents[3]
SETTINGS = (
    "workers.checkpoint_every=1",
    "warm_up.steps=8",
    "reinforce.steps=4",
    "extrapolate.questions=8",
    "evaluate.questions=4",
    "evaluate.sampled_questions=0",
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("pipeline")]


def start(server, store) -> subprocess.Popen:
    line = [sys.executable, "-m", "flows.cli", "run", "--profile", "nano", "--store", str(store), "--json"]
    for setting in SETTINGS:
        line += ["--set", setting]
    environment = os.environ | {"PREFECT_API_URL": server.url}
    return subprocess.Popen(
        line, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def finish(process) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


def kill_worker(store: Path, stage: str, process: subprocess.Popen) -> None:
    """SIGKILL to the stage's rank as soon as it has left a checkpoint."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        if any(store.glob(f"scratch/{stage}-*/work/checkpoints/latest")):
            for worker in psutil.Process(process.pid).children(recursive=True) + orphans():
                if is_rank(worker, stage, store):
                    worker.send_signal(signal.SIGKILL)
                    return
        time.sleep(0.02)
    raise AssertionError(f"{stage} was never seen at work: {finish(process)}")


def orphans() -> list[psutil.Process]:
    return list(psutil.process_iter())


def is_rank(process: psutil.Process, stage: str, store: Path) -> bool:
    try:
        line = " ".join(process.cmdline())
        return f"lib.learning.{stage}" in line and str(store) in line and "RANK" in process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def weights(store: Path, result: dict, stage: str) -> str:
    artifact = result["artifacts"][stage]
    (folder,) = (store / "artifacts" / artifact["kind"]).glob(artifact["digest"] + "*")
    return hash_file(folder / "checkpoint" / "model.safetensors")


def test_killed_workers_cost_no_finished_step_and_change_no_weight(server, tmp_path):
    code, out, err = finish(start(server, tmp_path / "undisturbed"))
    assert code == 0, err
    undisturbed = json.loads(out)

    store = tmp_path / "disturbed"
    for stage in ("warm_up", "reinforce"):
        process = start(server, store)
        kill_worker(store, stage, process)
        code, _, err = finish(process)
        assert code == 1 and "SIGKILL" in err and "Traceback (most recent call last)" not in err, err
    code, out, err = finish(start(server, store))
    assert code == 0, err
    disturbed = json.loads(out)

    for stage in ("warm_up", "reinforce"):
        assert weights(store, disturbed, stage) == weights(tmp_path / "undisturbed", undisturbed, stage)
    assert not any(is_rank(process, stage, tmp_path) for process in orphans() for stage in ("warm_up", "reinforce"))
