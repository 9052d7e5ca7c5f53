"""Two runs that are started at the same second on one store: each stage is computed once, and both succeed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.store.artifact_store import ArtifactStore

REPOSITORY = Path(__file__).resolve().parents[3]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("prefect")]


def start(store, stage, **environment) -> subprocess.Popen:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    line = [sys.executable, "-m", "flows.cli", "run", "--profile", "nano", "--only", stage]
    return subprocess.Popen(
        [*line, "--store", str(store), "--json"],
        cwd=REPOSITORY,
        env=clean | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_two(store, stage, **environment) -> str:
    """The digest that both give, one by computing it and the other from the store."""
    outcomes, digests = [], set()
    for process in [start(store, stage, **environment) for _ in range(2)]:
        out, err = process.communicate(timeout=250)
        assert process.returncode == 0 and "Traceback" not in err, err
        outcomes += [line.split()[1] for line in err.splitlines() if line.startswith(f"{stage} ") and " s  " in line]
        digests.add(json.loads(out)["artifacts"][stage]["digest"])
    assert sorted(outcomes) == ["cached", "computed"]
    (digest,) = digests
    return digest


def test_with_a_server_each_stage_is_computed_once(server, tmp_path):
    stages = ("source", "databases", "synthesize")
    given = [run_two(tmp_path, stage, PREFECT_API_URL=server.url) for stage in stages]
    assert [item.reference.digest for item in ArtifactStore(tmp_path).list()] == given


def test_without_one_both_start_a_server_on_one_database_and_it_has_both_runs(tmp_path):
    from flows.operating.prefect_api import ask
    from flows.operating.server import LocalServer

    run_two(tmp_path, "source")
    server = LocalServer(tmp_path)
    server.start()
    try:
        server.wait()
        assert [run["state_name"] for run in ask(server.url, "flow_runs/filter", {})] == ["Completed"] * 2
        states = sorted(run["state_name"] for run in ask(server.url, "task_runs/filter", {}))
        assert states == ["Cached", "Completed", "Completed", "Completed"]  # each has a stage and its lineage
    finally:
        server.stop()
