"""The chain about images with the nano profile: eyes from scratch, tools that look again, and what they are worth."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import Reference
from tests.small_images import write_folder

REPOSITORY = Path(__file__).resolve().parents[2]
FEW = [
    "synthesis.num_questions=60",
    "align.word_steps=10",
    "demonstrate.num_episodes=24",
    "warm_up.steps=4",
    "reinforce.steps=2",
    "evaluate.questions=6",
    "evaluate.sampled_questions=0",
    "extrapolate.questions=8",
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("pipeline")]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("vision") / "store"


@pytest.fixture(scope="module")
def run(server, store, tmp_path_factory) -> dict:
    folder = write_folder(tmp_path_factory.mktemp("nlvr") / "shapes")
    lines = [
        {"id": str(n), "image": f"{colour}-{n}-0.png", "sentence": f"There is a {colour} shape", "label": n != 4}
        for n, colour in ((3, "red"), (4, "green"), (5, "blue"))
    ]
    (folder / "statements.jsonl").write_text("\n".join(map(json.dumps, lines)))
    settings = [
        *FEW,
        f'images.source={{type = "folder", folder = "{folder}"}}',
        'images.scenes={number = 60, collections = ["shapes"]}',
        f'images.benchmarks=[{{folder = "{folder}", name = "shapes_said"}}]',
    ]
    line = [sys.executable, "-m", "flows.cli", "run", "--store", str(store), "--json", "--profile", "nano"]
    line += ["--domains", "vision", *[word for setting in settings for word in ("--set", setting)]]
    environment = os.environ | {"PREFECT_API_URL": server.url}
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def folder_of(store, run, stage) -> Path:
    return ArtifactStore(store).path(Reference(**run["artifacts"][stage]))


def test_every_policy_is_judged_on_held_out_questions_and_on_what_people_wrote(run):
    assert {row["benchmark"] for row in run["accuracy"]} == {"held_out_vision", "shapes_said"}
    assert "align" in run["artifacts"] and "source" not in run["artifacts"]


def test_policies_are_judged_without_the_images_of_tools_and_without_any(store, run):
    scores = folder_of(store, run, "evaluate") / "scores.parquet"
    found = duckdb.sql(f"SELECT DISTINCT benchmark, metric FROM '{scores}'").fetchall()
    assert ("held_out_vision_once", "accuracy_once") in found
    assert ("held_out_vision_blind", "accuracy_none") in found
    assert {("held_out_vision", f"accuracy_gain_of_{what}") for what in ("images", "tools")} <= set(found)
    assert not any(benchmark.startswith("shapes_said_") for benchmark, _ in found)
    for benchmark in ("held_out_vision", "held_out_vision_once"):
        watched = {metric for name, metric in found if name == benchmark and metric.startswith("image_")}
        assert watched == {f"image_{what}_{fifth}" for what in ("attention", "tokens") for fifth in range(1, 6)}


def test_episodes_keep_the_images_that_were_shown(store, run):
    episodes = folder_of(store, run, "demonstrate") / "episodes.parquet"
    rows = duckdb.sql(f"SELECT images, correct FROM '{episodes}'").fetchall()
    assert rows and all(len(images) >= 2 and correct for images, correct in rows)


def test_the_report_shows_questions_with_their_pictures(store, run):
    page = (folder_of(store, run, "report") / "report.html").read_text()
    assert 'id="pictures"' in page and page.count("data:image/png;base64,") >= 20
    assert "worth of the images of tools" in page
