"""What the questions depend on follows from who judges them."""

from __future__ import annotations

import shutil

import pyarrow.parquet as pq
import pytest

from lib.errors import SettingsError
from lib.settings.load import load_settings
from lib.settings.synthesis import DOMAINS
from tasks.run import Run
from tasks.source import SOURCE
from tasks.stage import run_stage
from tasks.synthesize import MAKERS, SYNTHESIZE
from tests.chat_server import completion, serve

RELATIONS = (("mayor", "Mx"), ("river", "Water"), ("twin", "Sister"))
ENDPOINT = ["synthesis.judge.type=openai", "synthesis.judge.base_url=http://a/v1", "synthesis.judge.model=m"]


@pytest.fixture
def fingerprint(tmp_path):
    def build(*overrides):
        return SYNTHESIZE.fingerprint(Run(load_settings("nano", list(overrides)), tmp_path / "store"), {"source": "x"})

    return build


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def judged_by(checkpoint):
    return ["synthesis.judge.type=policy", f"synthesis.judge.checkpoint={checkpoint}"]


def test_every_domain_that_settings_may_name_has_what_makes_its_questions():
    assert set(MAKERS) == set(DOMAINS)


def test_without_a_judge_neither_engine_nor_environment_nor_their_code_count(fingerprint):
    plain = fingerprint()
    assert plain.digest == fingerprint("engine.max_tokens=99", "environment.max_turns=2").digest
    rooms = {name.split(".")[1] for name in plain.components["code"] if name.startswith("lib.")}
    assert not rooms & {"environments", "policy", "rollout"}
    assert "torch" not in plain.components["libraries"]


def test_a_judging_endpoint_brings_the_environment_in(fingerprint):
    judged = fingerprint(*ENDPOINT)
    assert judged.digest != fingerprint(*ENDPOINT, "environment.max_turns=2").digest
    assert judged.digest == fingerprint(*ENDPOINT, "engine.max_tokens=99").digest
    assert judged.digest == fingerprint(*ENDPOINT, "synthesis.judge.concurrency=3").digest
    assert {"lib.rollout.judge", "lib.environments.search"} <= set(judged.components["code"])


def test_a_judging_policy_brings_the_engine_and_its_files_in(fingerprint, checkpoint, tmp_path):
    judged = fingerprint(*judged_by(checkpoint))
    assert judged.digest != fingerprint(*judged_by(checkpoint), "engine.max_tokens=99").digest
    assert "torch" in judged.components["libraries"]
    moved = shutil.copytree(checkpoint, tmp_path / "elsewhere")
    assert fingerprint(*judged_by(moved)).digest == judged.digest
    (moved / "config.json").write_text('{"changed": true}')
    changes = [str(change) for change in fingerprint(*judged_by(moved)).changes_since(judged.components)]
    assert changes == ["files synthesis.judge.checkpoint/config.json changed"]


def test_a_checkpoint_that_is_not_there_is_named(fingerprint, tmp_path):
    with pytest.raises(SettingsError, match="synthesis.judge.checkpoint points to a file that does not exist"):
        fingerprint(*judged_by(tmp_path / "gone"))


def test_a_stage_sees_the_sections_that_its_judge_needs(checkpoint):
    settings = load_settings("nano", ["environment.max_turns=2"])
    judged = load_settings("nano", ["environment.max_turns=2", *judged_by(checkpoint)])
    assert SYNTHESIZE.visible_settings(settings).environment.max_turns != 2
    assert SYNTHESIZE.visible_settings(judged).environment.max_turns == 2
    assert SYNTHESIZE.visible_settings(judged).engine == judged.engine


def write_triples(path):
    rows = [(f"Town {n}", relation, f"{word} {n}") for n in range(40) for relation, word in RELATIONS]
    path.write_text("\n".join("\t".join(row) for row in rows))
    return path


def test_the_stage_asks_its_judge(tmp_path):
    def answer(number, body):
        return 200, completion(f"<answer>{'Mx 3' if number % 2 else 'nothing'}</answer>")

    with serve(answer) as server:
        overrides = [
            "source.type=triples",
            f"source.triples={write_triples(tmp_path / 'facts.tsv')}",
            "synthesis.domains=['knowledge']",
            "synthesis.num_questions=12",
            "synthesis.difficulty_attempts=2",
            "synthesis.judge.type=openai",
            f"synthesis.judge.base_url={server.url}",
            "synthesis.judge.model=m",
        ]
        run = Run(load_settings("nano", overrides), tmp_path / "store")
        graph, _ = run_stage(SOURCE, run, {})
        questions, _ = run_stage(SYNTHESIZE, run, {"source": graph})
    rows = pq.read_table(run.store.path(questions) / "questions.parquet").to_pylist()
    assert rows and {row["difficulty"] for row in rows} == {1.0}
    prompts = {body["messages"][1]["content"] for body in server.requests}
    assert {row["prompt"] for row in rows} <= prompts
