import errno
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lib.errors import ArtifactError, JobError, SettingsError
from lib.settings.load import load_settings
from lib.store.holds import removing
from lib.store.kept import Keep
from lib.store.removal import sweep
from lib.store.run_index import RunIndex
from tasks.run import Outcome, Run
from tasks.stage import Stage, run_stage
from tests import small_chain
from tests.small_chain import COUNT, DOUBLE, KIND, TOTAL, write

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tmp_path) -> Run:
    small_chain.calls.clear()
    return Run(load_settings("laptop", ["reinforce.steps=3"]), tmp_path / "store")


def run_chain(run: Run):
    counted, first = run_stage(COUNT, run, {})
    doubled, second = run_stage(DOUBLE, run, {"count": counted})
    total, third = run_stage(TOTAL, run, {"count": counted, "double": doubled})
    return [counted, doubled, total], [first, second, third]


def test_a_second_run_answers_every_stage_from_the_store(run):
    references, outcomes = run_chain(run)
    again, cached = run_chain(Run(run.settings, run.store.root))
    assert outcomes == [Outcome.COMPUTED] * 3
    assert cached == [Outcome.CACHED] * 3
    assert again == references
    assert small_chain.calls == ["count", "double", "total"]


def test_a_changed_setting_runs_only_the_stages_that_depend_on_it(run):
    run_chain(run)
    small_chain.calls.clear()
    run_chain(Run(load_settings("laptop", ["reinforce.steps=3", "evaluate.questions=7"]), run.store.root))
    assert small_chain.calls == ["total"]


def test_a_stage_whose_recomputed_input_is_unchanged_stays_cached(run):
    run_chain(run)
    small_chain.calls.clear()
    run_chain(Run(load_settings("laptop", ["reinforce.steps=3"], seed=9), run.store.root))
    assert small_chain.calls == ["count"]


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:50]), lambda path: path.unlink()])
def test_a_damaged_artifact_is_moved_aside_and_made_again(run, damage, caplog):
    references, _ = run_chain(run)
    damage(run.store.path(references[1]) / "numbers.parquet")
    small_chain.calls.clear()
    again, outcomes = run_chain(Run(run.settings, run.store.root))
    assert again == references
    assert outcomes == [Outcome.CACHED, Outcome.COMPUTED, Outcome.CACHED]
    assert "numbers.parquet" in caplog.text and "damaged" in caplog.text
    run.store.verify(references[1])


def test_the_last_run_of_a_stage_is_the_one_that_was_given_last(run):
    (_, first, _), _ = run_chain(run)
    (_, other, _), _ = run_chain(Run(load_settings("laptop", ["reinforce.steps=4"]), run.store.root))
    assert RunIndex(run.store).latest("double").artifact == other != first
    run_chain(Run(run.settings, run.store.root))
    assert RunIndex(run.store).latest("double").artifact == first
    (run.store.root / "runs" / "double" / "last").unlink()
    assert RunIndex(run.store).latest("double").artifact == other


def test_a_forced_stage_is_computed_again(run):
    run_chain(run)
    small_chain.calls.clear()
    run_chain(Run(run.settings, run.store.root, ["double"]))
    assert small_chain.calls == ["double"]


def test_another_attempt_at_a_run_computes_again_only_what_the_first_has_not(run):
    run_chain(run)
    asked = {"recompute": ["count", "double"], "flow_run": "1"}
    run_stage(COUNT, Run(run.settings, run.store.root, **asked), {})  # and then the first attempt has failed
    small_chain.calls.clear()
    run_chain(Run(run.settings, run.store.root))  # another run, which finds all of it known
    run_chain(Run(run.settings, run.store.root, **asked))
    assert small_chain.calls == ["double"]
    run_chain(Run(run.settings, run.store.root, **asked | {"flow_run": "2"}))
    assert small_chain.calls == ["double", "count", "double"]


def test_a_lost_run_index_is_rebuilt_from_the_manifests(run):
    run_chain(run)
    small_chain.calls.clear()
    for path in (run.store.root / "runs").rglob("*.json"):
        path.unlink()
    run_chain(Run(run.settings, run.store.root))
    assert small_chain.calls == []
    assert len(RunIndex(run.store).list()) == 3


def test_a_stage_sees_only_the_settings_that_it_declares(run):
    seen = []
    stage = replace(COUNT, work=lambda work: (seen.append(work.settings), write(work, [1])))
    settings = load_settings("nano", ["reinforce.steps=3"], seed=5)
    run_stage(stage, Run(settings, run.store.root), {})
    assert seen[0].reinforce == settings.reinforce
    assert seen[0].seed == 5
    assert seen[0].policy == load_settings("laptop").policy


def test_a_table_that_breaks_a_rule_is_not_published_and_stays_for_a_look(run):
    stage = replace(COUNT, work=lambda work: write(work, [1, -1]))
    with pytest.raises(ArtifactError, match="value is positive"):
        run_stage(stage, run, {})
    assert run.store.list() == []
    assert list((run.store.root / "scratch").rglob("numbers.parquet"))


def test_a_missing_table_is_named(run):
    with pytest.raises(ArtifactError, match="the table numbers is missing"):
        run_stage(replace(COUNT, work=lambda work: None), run, {})


def test_optional_columns_that_a_stage_leaves_out_are_filled_in(run):
    import pyarrow.parquet as pq

    reference, _ = run_stage(COUNT, run, {})
    table = pq.read_table(run.store.path(reference) / "numbers.parquet")
    assert table.column_names == ["value", "note"]
    assert table["note"].null_count == 3


def test_a_failed_stage_keeps_its_work_folder_for_the_next_attempt(run):
    def fail_first(work):
        checkpoint = work.scratch / "step"
        if not checkpoint.exists():
            checkpoint.write_text("7")
            (work.out / "half-written").write_text("")
            raise JobError("killed")
        assert not list(work.out.iterdir())
        write(work, [int(checkpoint.read_text())])

    stage = replace(COUNT, work=fail_first)
    with pytest.raises(JobError):
        run_stage(stage, run, {})
    run_stage(stage, run, {})
    assert not [path for path in (run.store.root / "scratch").iterdir() if path.is_dir()]


@pytest.mark.parametrize("own", ["", "the steps so far"])
def test_a_failed_stage_says_which_artifacts_stay_unless_it_knows_better(run, own):
    def fail(work):
        raise JobError("killed", kept=own)

    counted, _ = run_stage(COUNT, run, {})
    with pytest.raises(JobError) as failure:
        run_stage(replace(DOUBLE, work=fail), run, {"count": counted})
    assert failure.value.kept == (own or "the artifacts of count; the next run begins after them")
    assert failure.value.kept in str(failure.value)


def test_a_full_disk_in_a_stage_is_explained(run):
    def fill(work):
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")

    with pytest.raises(ArtifactError, match="disk is full"):
        run_stage(replace(COUNT, work=fill), run, {})


def test_the_content_of_a_user_s_file_counts_and_its_place_does_not(run, tmp_path):
    def digest(path: Path) -> str:
        stage = Stage("count", KIND, small_chain.count, "lib.seeds", files=lambda settings: {"source.triples": path})
        return stage.fingerprint(run, {}).digest

    for name, text in (("a.tsv", "x"), ("b.tsv", "x"), ("c.tsv", "y"), ("d.csv", "x")):
        (tmp_path / name).write_text(text)
    a, b, c, d = (digest(tmp_path / name) for name in ("a.tsv", "b.tsv", "c.tsv", "d.csv"))
    assert a == b
    assert len({a, c, d}) == 3
    with pytest.raises(SettingsError, match="source.triples points to a file that does not exist"):
        digest(tmp_path / "gone.tsv")


RUN_SLOWLY = """
import sys, time
from dataclasses import replace
from pathlib import Path
from lib.settings.load import load_settings
from tasks.run import Run, listener
from tasks.stage import run_stage
from tests.small_chain import COUNT, write

store, log, others, name = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]

def slow(work):
    with log.open("a") as file:
        file.write(f"computed by {name}\\n")
    # Until all others have come to the lock; those that came second say that they wait.
    while sum(path.exists() for path in log.parent.glob("waits-*")) < others:
        time.sleep(0.05)
    write(work, [1])

class Tells:
    def started(self, stage):
        return self
    def finished(self, stage, reference, outcome):
        print(outcome)
    def update(self, done, total, note=""):
        with (log.parent / f"waits-{name}").open("a") as file:
            file.write(note + "\\n")

listener.set(Tells())
run_stage(replace(COUNT, work=slow), Run(load_settings("laptop"), store, name=name), {})
"""


def test_two_runs_at_once_compute_a_stage_once_and_the_others_say_for_whom_they_wait(tmp_path):
    command = [sys.executable, "-c", RUN_SLOWLY, str(tmp_path / "store"), str(tmp_path / "log"), "2"]
    processes = {
        name: subprocess.Popen([*command, name], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for name in "abc"
    }
    told = {name: process.communicate(timeout=250)[0].strip() for name, process in processes.items()}
    assert sorted(told.values()) == ["cached", "cached", "computed"]
    [first] = [name for name, outcome in told.items() if outcome == "computed"]
    assert (tmp_path / "log").read_text() == f"computed by {first}\n"
    notes = [path.read_text() for path in tmp_path.glob("waits-*")]
    assert len(notes) == 2
    assert all(f"waits for run {first} (process {processes[first].pid} on " in note for note in notes)


def test_a_waiting_run_computes_itself_where_the_first_one_dies(run):
    code = RUN_SLOWLY.replace("write(work, [1])", "os._exit(9)").replace("import sys, time", "import os, sys, time")
    log = run.store.root.parent / "log"
    command = [sys.executable, "-c", code, str(run.store.root), str(log), "0", "a"]
    assert subprocess.run(command, cwd=REPOSITORY).returncode == 9
    _, outcome = run_stage(
        replace(COUNT, work=lambda work: write(work, [1])), Run(load_settings("laptop"), run.store.root), {}
    )
    assert outcome is Outcome.COMPUTED


def test_a_known_artifact_that_is_gone_is_computed_again_without_a_word(run, caplog):
    references, _ = run_chain(run)
    shutil.rmtree(run.store.path(references[1]))
    again, outcomes = run_chain(Run(run.settings, run.store.root))
    assert again == references
    assert outcomes == [Outcome.CACHED, Outcome.COMPUTED, Outcome.CACHED]
    assert caplog.text == ""
    assert not (run.store.root / "damaged").exists()


def test_an_input_that_is_gone_is_told(run):
    counted, _ = run_stage(COUNT, run, {})
    shutil.rmtree(run.store.path(counted))
    with pytest.raises(ArtifactError, match="its manifest is missing"):
        run_stage(DOUBLE, Run(run.settings, run.store.root), {"count": counted})


def test_nothing_that_a_running_stage_uses_is_removed(run):
    def clear_everything(work):
        sweep(run.store, Keep(newer_than=timedelta(0)), last_stage="total", dry_run=False)
        write(work, small_chain.read(work, "count"))

    counted, _ = run_stage(COUNT, run, {})
    run_stage(TOTAL, run, {"count": counted, "double": run_stage(DOUBLE, run, {"count": counted})[0]})
    later = Run(run.settings, run.store.root, ["double"])
    del run.holds
    doubled, _ = run_stage(replace(DOUBLE, work=clear_everything), later, {"count": counted})
    assert {manifest.reference for manifest in run.store.list()} == {counted, doubled}


def test_a_run_holds_what_it_has_found_and_made(run):
    references, _ = run_chain(run)
    with removing(run.store.root) as held:
        assert [item.references for item in held] == [frozenset(references)]
    again = Run(run.settings, run.store.root, name="second")
    run_chain(again)
    with removing(run.store.root) as held:
        assert [item.references for item in held] == [frozenset(references)] * 2


def test_a_manifest_tells_what_a_stage_took(run):
    reference, _ = run_stage(COUNT, run, {})
    cost = run.store.manifest(reference).provenance.cost
    assert cost.seconds > 0 and cost.peak_memory_mb > 1 and cost.tokens == 0
