"""An artifact that somebody names stands in for a stage's own, from the plan to the report."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.questions import QUESTION_SET
from flows.command_line.imports import import_files
from flows.given import resolve_given, split_given
from flows.plan import Action, known_inputs, make_plan
from lib.errors import ArtifactError, SettingsError
from lib.report.lineage_graph import lay_out
from lib.settings.load import load_settings
from lib.store.artifact_store import ArtifactStore
from lib.store.origin import describe_origin
from tasks.report import REPORT, lineage_of
from tasks.run import Outcome, Run
from tasks.stage import Stage, run_stage
from tests.small_chain import COUNT, KIND

CSV = "prompt,answer,split\nWho wrote it?,Snorri,train\nWho read it?,Egill,test\nWho kept it?,Njáll,validation\n"


def count_questions(work) -> None:
    rows = pq.read_table(work.inputs["synthesize"] / "questions.parquet").num_rows
    pq.write_table(pa.table({"value": pa.array([rows], pa.int64())}), work.out / "numbers.parquet")


def fail(work) -> None:
    raise AssertionError("a stage whose artifact is given does not run")


SYNTHESIZE = Stage("synthesize", QUESTION_SET, fail, "lib.seeds", inputs=(COUNT,))
READ = Stage("read", KIND, count_questions, "lib.errors", inputs=(SYNTHESIZE,), seeded=False)
STAGES = (COUNT, SYNTHESIZE, READ)


@pytest.fixture
def store(tmp_path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "curated.csv"
    path.write_text(CSV)
    return path


def open_run(store, *texts) -> Run:
    given = resolve_given(split_given(texts), store)
    return Run(load_settings("laptop", ["reinforce.steps=3"]), store.root, given=given)


def test_an_import_is_planned_used_and_told_as_such(store, file):
    found = import_files("questions", [file], None, store)
    assert found["rows"] == {"train": 1, "validation": 1, "test": 1}
    run = open_run(store, f"questions={found['digest'][:10]}")
    [given] = [step for step in make_plan(run, STAGES) if step.action is Action.GIVEN]
    assert given.stage == "synthesize" and given.reference.digest == found["digest"]
    assert given.reasons[0].startswith(f"imported by hand from {file} on ")
    reference, outcome = run_stage(SYNTHESIZE, run, {"count": run_stage(COUNT, run, {})[0]})
    assert (reference.digest, outcome) == (found["digest"], Outcome.GIVEN)
    read, _ = run_stage(READ, run, {"synthesize": reference})
    provenance = store.manifest(read).provenance
    assert provenance.inputs["synthesize"].digest == found["digest"]
    assert all(step.action in (Action.CACHED, Action.GIVEN) for step in make_plan(run, STAGES))
    assert known_inputs(READ, run, STAGES) == {"synthesize": reference}


def test_the_report_s_lineage_names_the_file_and_no_stage_that_did_not_make_it(store, file):
    found = import_files("questions", [file], None, store)
    manifest = store.manifest(store.find(found["digest"]))
    manifests = dict.fromkeys([stage.name for stage in REPORT.inputs], manifest)
    origin = describe_origin(store, manifest.reference)
    items = {
        item["stage"]: item for item in lineage_of(SimpleNamespace(manifests=manifests, origins={"synthesize": origin}))
    }
    assert (items["synthesize"]["origin"], items["synthesize"]["inputs"]) == (origin, [])
    assert items["base"]["origin"] == "" and [item["stage"] for item in items["base"]["inputs"]] == [
        "source",
        "databases",
        "images",
    ]
    boxes = {box.stage: box for box in lay_out(list(items.values())).boxes}
    assert boxes["synthesize"].origin == origin and boxes["base"].origin == ""


def test_the_manifest_says_from_which_file_and_when(store, file):
    found = import_files("questions", [file], None, store)
    manifest = store.manifest(store.find(found["digest"]))
    assert manifest.provenance.stage == "import"
    assert manifest.provenance.origins == {"file 1": str(file)}
    assert list(manifest.provenance.components["files"]) == ["file 1 (.csv)"]


def test_imported_means_the_last_import_even_of_content_that_is_known(store, file, tmp_path):
    first = import_files("questions", [file], None, store)
    other = tmp_path / "other.csv"
    other.write_text(CSV.replace("Snorri", "Ari"))
    import_files("questions", [other], None, store)
    again = tmp_path / "again.csv"
    again.write_text(CSV)
    assert import_files("questions", [again], None, store)["digest"] == first["digest"]
    reference = resolve_given({"questions": "imported"}, store)["synthesize"]
    assert reference.digest == first["digest"]
    assert str(again) in describe_origin(store, reference)


def test_a_file_with_faults_leaves_the_store_as_it_was(store, file):
    file.write_text(CSV + "Who?,,train\n")
    with pytest.raises(ArtifactError, match=r"curated\.csv, line 5, column answer: is empty"):
        import_files("questions", [file], None, store)
    assert not store.root.exists()


def episode(name: str, **changes) -> dict:
    turns = [{"role": "user", "start": 0, "end": 1, "text": "?", "policy_version": -1}]
    turns += [{"role": "assistant", "start": 1, "end": 2, "text": "!", "policy_version": 0}]
    return {
        "id": name, "question_id": "q", "group_id": "q", "domain": "knowledge", "policy": "oracle",
        "benchmark": "train", "sample": 0, "step": 0, "tokens": [1, 2], "action_mask": [False, True],
        "logprobs": [0.0, 0.0], "turns": turns, "tool_calls": [],
        "status": "answered", "correct": True, "well_formed": True, "reward": 1.0, "reward_parts": [],
        "seed": 0, "seconds": 0.1,
    } | changes  # fmt: skip


def test_chosen_demonstrations_stand_in_for_those_of_the_stage(store, tmp_path):
    path = tmp_path / "chosen.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (episode("a"), episode("b", correct=False))))
    found = import_files("episodes", [path], None, store)
    assert found["rows"] == {"episodes": 2} and any("1 of 2 episodes answer wrong" in note for note in found["notes"])
    assert resolve_given({"demonstrate": "imported"}, store)["demonstrate"].digest == found["digest"]
    rows = [episode("a", tokens=[1]), episode("b", tokens="x"), episode("c") | {"tokenz": 1}, {"id": "d"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ArtifactError) as caught:
        import_files("episodes", [path], None, store)
    assert "chosen.jsonl, line 2, column tokens: is not of the type list<item: int32>" in caught.value.what
    assert "chosen.jsonl, line 3, column tokenz: is not known; did you mean 'tokens'?" in caught.value.what
    path.write_text("".join(json.dumps(row) + "\n" for row in (rows[0], rows[3])))
    with pytest.raises(ArtifactError) as caught:
        import_files("episodes", [path], None, store)
    assert "line 1, column tokens and action_mask: breaks the rule 'one mask value a token'" in caught.value.what
    assert "line 2, column policy: breaks the rule 'policy is not null'" in caught.value.what


def test_what_cannot_stand_in_is_told(store, file):
    counted, _ = run_stage(COUNT, open_run(store), {})
    with pytest.raises(ArtifactError, match="synthesize gives questions, and numbers/.* is of another kind"):
        resolve_given({"synthesize": counted.digest}, store)
    with pytest.raises(ArtifactError, match="Nothing of the kind questions has been imported"):
        resolve_given({"questions": "imported"}, store)
    with pytest.raises(ArtifactError, match="The store has no artifact of base"):
        resolve_given({"policy": "latest"}, store)
    with pytest.raises(SettingsError, match="Did you mean 'synthesize'"):
        resolve_given({"synthesise": "latest"}, store)
    with pytest.raises(SettingsError, match="does not say what to use"):
        split_given(["questions"])
    with pytest.raises(SettingsError, match="'soup' cannot be imported"):
        import_files("soup", [file], None, store)
    found = import_files("questions", [file], None, store)
    with pytest.raises(SettingsError, match="names synthesize twice"):
        resolve_given({"questions": "imported", "synthesize": found["digest"]}, store)
    (store.root / "artifacts" / "questions" / found["digest"] / "questions.parquet").write_bytes(b"")
    with pytest.raises(ArtifactError, match="has 0 bytes"):
        resolve_given({"questions": "imported"}, store)
