"""The commands on the cards of stages: the command line takes each of them, and does what stands behind it."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from flows.cli import app
from flows.command_line.options import RunOptions
from flows.stages import STAGES, find_stage, stages_before
from lib.settings.load import load_settings
from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import Cost, Provenance, Reference
from tasks.cards import Finished, next_commands
from tasks.run import Outcome, Run

SETTINGS = [
    'lineage.openlineage=it\'s "told" here.jsonl',
    "reinforce.steps=3",
    'synthesis.domains=["knowledge", "sql", "vision"]',
]
GIVEN = [(), ("synthesize",), ("source", "base"), ("warm_up", "report"), tuple(stage.name for stage in STAGES)]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory) -> tuple[ArtifactStore, dict[str, Reference]]:
    """An artifact of each stage's kind, in a folder with a blank in its name."""
    root = tmp_path_factory.mktemp("cards")
    store, now = ArtifactStore(root / "a store"), datetime.now(UTC)
    references = {}
    for stage in STAGES:
        folder = root / stage.name
        folder.mkdir()
        (folder / "file").write_text(stage.name)
        made = Provenance(
            stage=stage.name,
            fingerprint=stage.name,
            components={},
            inputs={},
            cost=Cost(seconds=0, peak_memory_mb=0),
            started_at=now,
            finished_at=now,
        )
        references[stage.name] = store.publish(stage.kind, folder, made)
    return store, references


@pytest.fixture
def profile(tmp_path, monkeypatch) -> str:
    """A profile of one's own, whose relative path has a blank and means something only where the run began."""
    (tmp_path / "my profiles").mkdir()
    (tmp_path / "my profiles" / "small.toml").write_text("seed = 5\n")
    monkeypatch.chdir(tmp_path)
    return "my profiles/small.toml"


def commands_of(stage: str, given: dict[str, Reference], artifacts, asked, outcome: Outcome) -> list[str]:
    store, references = artifacts
    run = Run(load_settings(asked["profile"], asked["settings"]), store.root, given=given, asked=asked)
    return next_commands(Finished(find_stage(stage), run, {}, references[stage], outcome))


def read(words: list[str]) -> RunOptions:
    """The options as `ropewalk run` reads them."""
    found = get_command(app).commands["run"].make_context("run", words).params
    return RunOptions(**found | {"store": Path(found["store"])})


def assert_taken(commands: list[str], stage: str, given: dict[str, Reference], monkeypatch) -> None:
    """The three checks of `ropewalk run` pass before a flow begins, and what will be computed is what was said."""
    export, _, _, everything_after, alone = (shlex.split(line, comments=True) for line in commands)
    monkeypatch.setenv(*export[1].split("=", 1))
    for words in (everything_after, alone):
        assert words[:2] == ["ropewalk", "run"]
        options = read(words[2:])
        assert options.load_settings().seed == 5
        recompute, stages = options.select_stages()
        used = options.resolve_given()
        assert stage in recompute and stage in stages and stage not in used
        assert used == {name: given[name] for name in used}
        if words is alone:
            assert stages == [stage] and set(used) <= {item.name for item in stages_before(find_stage(stage))}
        else:
            assert set(used) == set(given) - {stage}


@pytest.mark.parametrize("names", GIVEN, ids="-".join)
def test_every_command_on_a_card_is_taken_whatever_was_given(names, artifacts, profile, monkeypatch):
    given = {name: artifacts[1][name] for name in names}
    asked = {"profile": profile, "seed": None, "settings": SETTINGS}
    cards = {}
    for stage in STAGES:
        outcome = Outcome.GIVEN if stage.name in given else Outcome.COMPUTED
        cards[stage.name] = commands_of(stage.name, given, artifacts, asked, outcome)
    monkeypatch.chdir("/")
    for name, commands in cards.items():
        assert_taken(commands, name, given, monkeypatch)


def test_so_is_every_command_on_the_card_of_a_stage_that_ran_alone(artifacts, profile, monkeypatch):
    asked = {"profile": profile, "seed": 5, "settings": SETTINGS[-1:]}
    for stage in STAGES:
        for inputs in (stages_before(stage), stage.inputs):
            given = {item.name: artifacts[1][item.name] for item in inputs}
            commands = commands_of(stage.name, given, artifacts, asked, Outcome.CACHED)
            assert_taken(commands, stage.name, given, monkeypatch)


def test_the_commands_of_a_card_are_carried_out(artifacts, monkeypatch):
    asked = {"profile": "nano", "seed": 0, "settings": SETTINGS}
    given = {"synthesize": artifacts[1]["synthesize"], "report": artifacts[1]["report"]}
    lines = commands_of("synthesize", given, artifacts, asked, Outcome.GIVEN)
    export, show, lineage, everything_after, alone = (shlex.split(line, comments=True) for line in lines)
    monkeypatch.setenv(*export[1].split("=", 1))
    for words in (show, lineage):
        done = CliRunner().invoke(app, words[1:])
        assert done.exit_code == 0, (words, done.output, done.exception)
    assert plan(everything_after) == {stage.name: "run" for stage in STAGES} | {"report": "given"}
    assert plan(alone) == {"synthesize": "run"}


def plan(words: list[str]) -> dict[str, str]:
    """What a `ropewalk run` would do, by stage."""
    done = CliRunner().invoke(app, ["plan", *words[2:], "--json"])
    assert done.exit_code == 0, (words, done.output, done.exception)
    return {step["stage"]: step["action"] for step in json.loads(done.stdout)}


def test_a_card_says_that_given_artifacts_stay_where_the_stages_after_it_are_computed_again(artifacts, profile):
    asked = {"profile": "nano", "seed": None, "settings": []}
    given = {"warm_up": artifacts[1]["warm_up"]}
    for stage, stays in (("source", True), ("warm_up", False), ("reinforce", False)):
        *_, after, alone = commands_of(stage, given, artifacts, asked, Outcome.COMPUTED)
        assert after.endswith(", but for what --use names") is stays
        assert ("--use" in alone) is (stage == "reinforce")
