"""The whole chain with the nano profile, from the command line to the report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
STAGES = [
    "source",
    "databases",
    "synthesize",
    "base",
    "demonstrate",
    "warm_up",
    "reinforce",
    "extrapolate",
    "evaluate",
    "report",
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("pipeline")]


def ropewalk(server, command, store, *arguments) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "flows.cli", command, "--store", str(store), "--json", *arguments]
    environment = os.environ | {"PREFECT_API_URL": server.url}
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pipeline") / "store"


@pytest.fixture(scope="module")
def first(server, store) -> dict:
    return json.loads(ropewalk(server, "run", store, "--profile", "nano").stdout)


def actions(server, store, *arguments) -> dict[str, str]:
    steps = json.loads(ropewalk(server, "plan", store, "--profile", "nano", *arguments).stdout)
    return {step["stage"]: step["action"] for step in steps}


def test_a_run_ends_with_scores_of_every_policy_and_a_report(first):
    assert list(first["artifacts"].keys() - set(STAGES)) == []
    judged = [(row["benchmark"], row["policy"]) for row in first["accuracy"]]
    policies = ("base", "warm_up", "reinforce", "extrapolate")
    assert judged == [(f"held_out_{domain}", policy) for domain in ("knowledge", "sql") for policy in policies]
    assert all(0 <= row["low"] <= row["value"] <= row["high"] <= 1 for row in first["accuracy"])
    assert "<html" in Path(first["report"]).read_text()


def test_a_second_run_computes_nothing_and_gives_the_same(server, store, first):
    done = ropewalk(server, "run", store, "--profile", "nano")
    assert json.loads(done.stdout) == first
    assert [line.split()[1] for line in done.stderr.splitlines() if line.split()[0] in STAGES] == ["cached"] * 10


def test_a_plan_after_the_run_finds_everything_and_names_what_a_setting_reaches(server, store, first):
    assert set(actions(server, store).values()) == {"cached"}
    changed = actions(server, store, "--set", "evaluate.bootstrap_resamples=300")
    assert [name for name in STAGES if changed[name] == "cached"] == STAGES[:7]
