import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from data_contracts.scores import REPORT
from flows.stages import STAGES, find_stage, with_later_stages
from lib.errors import SettingsError
from lib.settings.load import load_settings
from lib.settings.settings import Settings
from tasks.run import Run
from tasks.stage import Stage, run_stage
from tests.small_chain import COUNT, DOUBLE

REPOSITORY = Path(__file__).resolve().parents[3]


def ropewalk(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)


def read_json(*arguments):
    done = ropewalk(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A store with two artifacts of small stages and a report made from them."""
    import duckdb

    def write(work):
        (work.out / "report.html").write_text("<p>")
        with duckdb.connect(str(work.out / "run.duckdb")) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS a")

    root = tmp_path_factory.mktemp("cli") / "store"
    run = Run(load_settings("laptop", ["reinforce.steps=5"]), root)
    counted, _ = run_stage(COUNT, run, {})
    doubled, _ = run_stage(DOUBLE, run, {"count": counted})
    report = Stage("report", REPORT, write, "lib.seeds", inputs=(DOUBLE,))
    run_stage(report, run, {"double": doubled})
    return root


def test_artifacts_are_listed_oldest_first(store):
    rows = read_json("artifacts", "--store", store)
    assert [row["stage"] for row in rows] == ["count", "double", "report"]
    assert rows[0]["rows"] == {"numbers": 5}
    assert Path(rows[0]["path"]).is_dir()
    assert rows[0]["digest"][:12] in ropewalk("artifacts", "--store", store).stdout


def test_an_artifact_is_shown_by_stage_and_by_the_beginning_of_its_digest(store):
    by_stage = read_json("show", "report", "--store", store)
    by_digest = read_json("show", by_stage["manifest"]["digest"][:10], "--store", store)
    assert by_stage == by_digest
    counted = read_json("artifacts", "--store", store)[0]["digest"]
    shown = read_json("show", counted[:12], "--store", store)
    assert [row["value"] for row in shown["first_rows"]["numbers"]] == ["1", "2", "3"]
    assert "numbers: 5 rows" in ropewalk("show", counted[:12], "--store", store).stdout


def test_lineage_names_every_ancestor(store):
    rows = read_json("lineage", "report", "--store", store)
    assert [(row["stage"], row["depth"]) for row in rows] == [("report", 0), ("double", 1), ("count", 2)]
    assert rows[1]["inputs"] == [{"stage": "count", "digest": rows[2]["digest"]}]
    assert [row["stage"] for row in read_json("lineage", "--store", store)] == ["count", "double", "report"]


def test_lineage_goes_down_as_well_and_shows_a_tree(store):
    counted = read_json("artifacts", "--store", store)[0]["digest"]
    rows = read_json("lineage", counted, "--store", store)
    assert [(row["stage"], row["direction"], row["depth"]) for row in rows] == [
        ("count", "self", 0),
        ("double", "down", 1),
        ("report", "down", 2),
    ]
    digest = rows[1]["digest"]
    shown = ropewalk("lineage", digest[:12], "--store", store).stdout
    assert [line.strip("│├└─ ").split("  ")[0] for line in shown.splitlines()] == [
        "double",
        "made from",
        "count",
        "what was made of it",
        "report",
    ]
    assert f"numbers/{digest[:12]}" in shown and "5 numbers" in shown
    up = read_json("lineage", f"numbers/{digest[:12]}", "--up", "--store", store)
    assert [row["direction"] for row in up] == ["self", "up"]
    down = read_json("lineage", digest, "--down", "--store", store)
    assert [row["direction"] for row in down] == ["self", "down"]


def test_lineage_is_written_to_a_file(store, tmp_path):
    found = read_json("lineage", "--database", tmp_path / "lineage.duckdb", "--store", store)
    assert found["rows"] == {"artifacts": 3, "stage_runs": 3, "inputs": 2, "costs": 3}
    assert Path(found["database"]).is_file()


def test_what_would_go_is_told_before_it_goes(store, tmp_path):
    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    assert read_json("gc", "--keep", "1", "--store", copy)["remove"] == []
    counted = read_json("artifacts", "--store", copy)[0]["digest"]
    dry = read_json("gc", "--keep", counted[:12], "--keep-newer", "0d", "--store", copy)
    assert [item["stage"] for item in dry["remove"]] == ["report", "double"]
    assert [(item["stage"], item["reason"]) for item in dry["keep"]] == [("count", "named to be kept")]
    assert not dry["removed"] and len(read_json("artifacts", "--store", copy)) == 3
    done = ropewalk("gc", "--keep", counted[:12], "--keep-newer", "0d", "--yes", "--store", copy)
    assert "a run of 2" in done.stdout and "Removed: 2 items" in done.stdout
    assert [row["stage"] for row in read_json("artifacts", "--store", copy)] == ["count"]


def test_questions_are_imported_and_planned(tmp_path):
    file = tmp_path / "curated.tsv"
    file.write_text("prompt\tanswer\nWho wrote it?\tSnorri\n")
    found = read_json("import", "questions", file, "--store", tmp_path / "store")
    store = tmp_path / "store"
    assert found["next"] == f"ropewalk run --use questions={found['digest'][:12]} --store {store}"
    arguments = ("--profile", "nano", "--store", tmp_path / "store", "--use", "questions=imported")
    steps = {step["stage"]: step for step in read_json("plan", *arguments)}
    assert (steps["synthesize"]["action"], steps["synthesize"]["artifact"]) == ("given", found["digest"])
    assert steps["synthesize"]["reasons"][0].startswith(f"imported by hand from {file} on ")
    assert "imported by hand" in ropewalk("lineage", "import", "--store", tmp_path / "store").stdout


def test_the_report_and_its_database_are_found(store):
    paths = read_json("report", "--store", store)
    assert Path(paths["report"]).read_text() == "<p>"
    assert ropewalk("report", "--store", store).stdout.splitlines() == [paths["report"], paths["database"]]


def test_an_empty_store_has_no_artifacts_and_no_report(tmp_path):
    assert read_json("artifacts", "--store", tmp_path) == []
    assert read_json("lineage", "--store", tmp_path) == []
    done = ropewalk("report", "--store", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "report has not run" in done.stderr and "Traceback" not in done.stderr


def test_a_plan_in_an_empty_store_runs_every_stage(tmp_path):
    steps = read_json("plan", "--profile", "nano", "--store", tmp_path / "store")
    assert [step["stage"] for step in steps] == [stage.name for stage in STAGES if stage.domain != "vision"]
    assert {step["action"] for step in steps} == {"run"}
    assert steps[0]["reasons"] == ["has never run"]
    assert read_json("plan", "--profile", "cluster", "--only", "reinforce", "--store", tmp_path)[0]["action"] == "run"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "--profile", "lapto"], "Did you mean 'laptop'"),
        (["run", "--set", "reinforce.stepz=1"], "Did you mean 'reinforce.steps'"),
        (["plan", "--from", "reinforc"], "Did you mean 'reinforce'"),
        (["plan", "--only", "base", "--from", "base"], "exclude each other"),
        (["plan", "--only", "base", "--force", "report"], "does not fit"),
        (["plan", "--only", "source", "--domains", "sql"], "The run has no stage source"),
        (["plan", "--force", "databases", "--domains", "knowledge"], "add --domains sql"),
        (["plan", "--use", "questions"], "does not say what to use"),
        (
            ["plan", "--use", "questions=abc", "--force", "synthesize"],
            "No artifact has a digest that starts with 'abc'",
        ),
        (["gc"], "What is to be kept was not said"),
        (["gc", "--keep-newer", "soon"], "'soon' is no age"),
        (["import", "questions", "nowhere.csv"], "The file cannot be read"),
        (["show", "abcdef"], "No artifact has a digest that starts with 'abcdef'"),
    ],
)
def test_a_mistake_is_told_in_words(tmp_path, arguments, said):
    done = ropewalk(*arguments, "--store", tmp_path / "store")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_a_changed_artifact_is_told_with_what_is_kept_and_what_to_run(store, tmp_path):
    copy = shutil.copytree(store, tmp_path / "store")
    Path(read_json("report", "--store", copy)["report"]).write_text("<b>")
    for command in (["report"], ["show", "report"]):
        done = ropewalk(*command, "--store", copy)
        assert (done.returncode, done.stdout) == (1, "")
        assert "the bytes of report.html have changed" in done.stderr and "Traceback" not in done.stderr
        assert [line.split(":")[0].strip() for line in done.stderr.splitlines()[1:]] == ["where", "kept", "next"]


def test_every_stage_names_a_module_of_lib_and_known_sections():
    for index, stage in enumerate(STAGES):
        assert stage.module.startswith("lib.")
        assert (REPOSITORY / f"{stage.module.replace('.', '/')}.py").is_file()
        assert set(stage.settings) <= set(Settings.model_fields)
        assert all(item in STAGES[:index] for item in stage.inputs)


def test_later_stages_are_those_made_from_a_stage():
    assert [stage.name for stage in with_later_stages(find_stage("extrapolate"))] == [
        "extrapolate",
        "evaluate",
        "report",
    ]
    assert "base" not in [stage.name for stage in with_later_stages(find_stage("synthesize"))]
    with pytest.raises(SettingsError, match="Did you mean 'warm_up'"):
        find_stage("warmup")


def test_reading_the_store_imports_neither_torch_nor_transformers_nor_deepspeed(store):
    heavy = {"torch", "transformers", "deepspeed"}
    code = f"import sys; from flows import cli, execute, pipeline; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_store_that_cannot_be_written_is_told_without_a_traceback(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    done = ropewalk("run", "--store", tmp_path / "notes.txt" / "store")
    assert done.returncode == 1
    assert "The store cannot be written" in done.stderr and "Traceback" not in done.stderr


def test_domains_are_asked_for_and_one_that_there_is_not_is_told(tmp_path):
    steps = read_json("plan", "--profile", "nano", "--domains", "knowledge", "--store", tmp_path)
    assert {step["action"] for step in steps} == {"run"}
    done = ropewalk("plan", "--profile", "nano", "--domains", "cookery", "--store", tmp_path)
    assert done.returncode == 1
    assert "synthesis.domains.0 cannot be 'cookery'. Allowed: 'knowledge', 'sql' or 'vision'" in done.stderr
