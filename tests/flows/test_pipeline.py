"""The whole chain with the nano profile, from the command line to the report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import Reference
from tests.small_databases import MUSIC, asked, write_bird

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
def options(tmp_path_factory) -> list[str]:
    """The nano profile, with a benchmark that the policies are tried on: three questions, of which one does not run."""
    questions = [
        asked("first", "SELECT name FROM singer WHERE age > 28", evidence="old is above 28"),
        asked("second", "SELECT shoe FROM singer"),
        asked("third", "SELECT count(*) FROM song", difficulty="moderate"),
    ]
    folder = write_bird(tmp_path_factory.mktemp("bird"), {"music": MUSIC}, questions)
    benchmark = f'databases.benchmarks=[{{folder = "{folder}", name = "bird", rule = "bird"}}]'
    return ["--profile", "nano", "--set", benchmark]


@pytest.fixture(scope="module")
def first(server, store, options) -> dict:
    return json.loads(ropewalk(server, "run", store, *options).stdout)


def actions(server, store, *arguments) -> dict[str, str]:
    steps = json.loads(ropewalk(server, "plan", store, *arguments).stdout)
    return {step["stage"]: step["action"] for step in steps}


def test_a_run_ends_with_scores_of_every_policy_and_a_report(first):
    assert list(first["artifacts"].keys() - set(STAGES)) == []
    judged = [(row["benchmark"], row["policy"]) for row in first["accuracy"]]
    policies = ("base", "warm_up", "reinforce", "extrapolate")
    sets = ("held_out_knowledge", "held_out_sql", "bird")
    assert judged == [(name, policy) for name in sets for policy in policies]
    assert {row["n"] for row in first["accuracy"] if row["benchmark"] == "bird"} == {2}
    assert all(0 <= row["low"] <= row["value"] <= row["high"] <= 1 for row in first["accuracy"])
    assert "<html" in Path(first["report"]).read_text()


def test_answers_to_a_benchmark_are_written_as_its_evaluator_reads_them(store, first):
    folder = ArtifactStore(store).path(Reference(**first["artifacts"]["evaluate"])) / "predictions" / "bird"
    gold = ["SELECT name FROM singer WHERE age > 28\tmusic", "SELECT count(*) FROM song\tmusic"]
    assert (folder / "gold.sql").read_text().splitlines() == gold
    for policy in ("base", "warm_up", "reinforce", "extrapolate"):
        assert len((folder / f"{policy}.sql").read_text().splitlines()) == 2
        answers = json.loads((folder / f"{policy}.json").read_text())
        assert list(answers) == ["0", "2"] and all(answer.endswith("\tmusic") for answer in answers.values())


def test_a_second_run_computes_nothing_and_gives_the_same(server, store, first, options):
    done = ropewalk(server, "run", store, *options)
    assert json.loads(done.stdout) == first
    assert [line.split()[1] for line in done.stderr.splitlines() if line.split()[0] in STAGES] == ["cached"] * 10


def test_a_plan_after_the_run_finds_everything_and_names_what_a_setting_reaches(server, store, first, options):
    assert set(actions(server, store, *options).values()) == {"cached"}
    changed = actions(server, store, *options, "--set", "evaluate.bootstrap_resamples=300")
    assert [name for name in STAGES if changed[name] == "cached"] == STAGES[:7]
