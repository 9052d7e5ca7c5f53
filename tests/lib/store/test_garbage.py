"""What goes and what stays, in runs of three stages: first -> second -> last."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data_contracts.contract import ArtifactKind
from lib.store import removal
from lib.store.artifact_store import ArtifactStore
from lib.store.holds import Holds
from lib.store.kept import Keep, Sort
from lib.store.locks import exclusive
from lib.store.manifest import IMPORT, Cost, Provenance, Reference, RunRecord
from lib.store.removal import sweep
from lib.store.run_index import RunIndex

REPOSITORY = Path(__file__).resolve().parents[3]
KIND = ArtifactKind(name="text", tables=())
NOW = datetime.now(UTC)


@pytest.fixture
def store(tmp_path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def publish(store, stage: str, text: str, *inputs: Reference, days_ago: float = 0) -> Reference:
    out = store.root / "scratch-of-the-test"
    out.mkdir(parents=True)
    (out / "text.txt").write_text(f"{stage} {text}")
    made_at = NOW - timedelta(days=days_ago)
    provenance = Provenance(
        stage=stage,
        fingerprint=f"{stage}{text}".encode().hex().ljust(64, "0"),
        components={},
        inputs={f"input{number}": reference for number, reference in enumerate(inputs)},
        cost=Cost(seconds=1, peak_memory_mb=1),
        started_at=made_at,
        finished_at=made_at,
    )
    reference = store.publish(KIND, out, provenance)
    RunIndex(store).record(RunRecord(artifact=reference, provenance=provenance))
    return reference


def make_run(store, text: str, days_ago: float, first: Reference | None = None) -> list[Reference]:
    first = first or publish(store, "first", text, days_ago=days_ago)
    second = publish(store, "second", text, first, days_ago=days_ago)
    return [first, second, publish(store, "last", text, first, second, days_ago=days_ago)]


def clear(store, *, dry_run=False, **keep):
    return sweep(store, Keep(**keep), last_stage="last", dry_run=dry_run)


def left(store) -> set[Reference]:
    return {manifest.reference for manifest in store.list()}


def test_the_latest_runs_stay_with_all_that_they_were_made_from(store):
    old, newer = make_run(store, "old", 30), make_run(store, "newer", 20)
    shared = make_run(store, "shared", 10, first=old[0])
    decided = clear(store, num_runs=1, dry_run=True)
    assert [item.reference for item in decided.remove][0] == newer[2]  # what was made from something goes first
    assert left(store) == {*old, *newer, *shared}
    again = clear(store, num_runs=1)
    assert {item.reference for item in again.remove} == {*newer, *old[1:]}
    assert again.size == sum(
        len(f"{s} {t}") for s, t in [("last", "newer"), ("second", "newer"), ("first", "newer")]
    ) + (len("last old") + len("second old"))
    assert left(store) == set(shared)
    assert not list((store.root / "trash").iterdir())
    assert {record.artifact for record in RunIndex(store).list()} == set(shared)


def test_every_item_has_a_reason(store):
    old, new = make_run(store, "old", 30), make_run(store, "new", 1)
    loose = publish(store, "second", "loose", days_ago=9)
    fresh = publish(store, "second", "fresh", days_ago=2)
    by_hand = publish(store, IMPORT, "by hand", days_ago=90)
    decided = clear(store, num_runs=1, dry_run=True)
    reasons = {item.reference: item.reason for item in [*decided.remove, *decided.keep]}
    assert reasons[old[1]] == f"needed only by {old[2]}, not kept"
    assert reasons[old[2]].startswith("a run of 2") and reasons[old[2]].endswith("that is not kept")
    assert reasons[loose] == "needed by no finished run, made 9 days ago"
    assert reasons[fresh] == "part of a run that has not finished, of the last 7 days"
    assert reasons[new[0]] == f"part of the run {new[2]}"
    assert reasons[by_hand] == "imported by hand"
    named = clear(store, references=frozenset([old[1]]), dry_run=True)
    assert next(item.reason for item in named.keep if item.reference == old[0]) == "needed by what is named to be kept"
    assert {item.reference for item in decided.remove} == {*old, loose}
    without = clear(store, num_runs=1, imports=False, dry_run=True)
    assert by_hand in {item.reference for item in without.remove}


def test_what_is_newer_or_named_stays_with_its_ancestors(store):
    old, middle, new = make_run(store, "old", 30), make_run(store, "middle", 20), make_run(store, "new", 1)
    clear(store, newer_than=timedelta(days=5), references=frozenset([old[1]]))
    assert left(store) == {*new, *old[:2]}
    assert middle[0] not in left(store)


def test_what_a_living_process_holds_stays_with_its_ancestors(store):
    old = make_run(store, "old", 30)
    holds = Holds(store.root, "quick-lark")
    with holds.steady():
        holds.add(old[1])
    decided = clear(store)
    assert left(store) == set(old[:2])
    assert any("in use by run quick-lark" in item.reason for item in decided.keep)
    del holds
    clear(store)
    assert left(store) == set()


def make_scratch(store, name: str, days_ago: float = 0) -> Path:
    folder = store.root / "scratch" / name
    (folder / "work").mkdir(parents=True)
    file = folder / "work" / "checkpoint"
    file.write_text("weights")
    for path in (file, folder / "work", folder):
        os.utime(path, ((NOW - timedelta(days=days_ago)).timestamp(),) * 2)
    return folder


def test_folders_of_finished_and_abandoned_work_go_and_those_in_use_stay(store):
    finished = publish(store, "second", "x")
    fingerprint = store.manifest(finished).provenance.fingerprint[:16]
    done = make_scratch(store, f"second-{fingerprint}")
    abandoned, resumable = make_scratch(store, "first-aaaa", 8), make_scratch(store, "first-bbbb", 2)
    busy = make_scratch(store, "warm_up-cccc", 8)
    with exclusive(busy.with_suffix(".lock"), run="quick-lark"):
        decided = clear(store, num_runs=3)
    reasons = {item.path.name: item.reason for item in [*decided.remove, *decided.keep] if item.sort is Sort.SCRATCH}
    assert reasons[done.name] == "second has finished"
    assert reasons[abandoned.name] == "first did not finish, 8 days ago"
    assert reasons[resumable.name] == "first goes on from here when it is run again"
    assert reasons[busy.name].startswith("in use by run quick-lark (process ")
    assert [path.exists() for path in (done, abandoned, resumable, busy)] == [False, False, True, True]
    assert [path.name for path in (store.root / "scratch").glob("*.lock")] == ["warm_up-cccc.lock"]


def test_damaged_files_go_when_they_are_old_enough(store):
    reference = publish(store, "first", "x")
    aside = store.set_aside(reference)
    assert [item.sort for item in clear(store, num_runs=1, dry_run=True).keep] == [Sort.DAMAGED]
    assert [item.path for item in clear(store, newer_than=timedelta(0)).remove] == [aside]
    assert not aside.exists()


def test_a_link_goes_and_what_it_points_to_stays(store, tmp_path):
    reference = publish(store, "first", "x", days_ago=30)
    store.path(reference).rename(tmp_path / "elsewhere")
    store.path(reference).symlink_to(tmp_path / "elsewhere")
    clear(store, num_runs=1)
    assert left(store) == set() and (tmp_path / "elsewhere" / "text.txt").exists()


CLEAR = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from lib.store import removal
from lib.store.artifact_store import ArtifactStore
from lib.store.kept import Keep
calls = 0
def killed_at(real):
    def call(*arguments, **named):
        global calls
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    return call
removal.os.rename = killed_at(os.rename)
removal.shutil.rmtree = killed_at(removal.shutil.rmtree)
removal.RunIndex.forget = killed_at(removal.RunIndex.forget)
removal.sweep(ArtifactStore(Path(sys.argv[1])), Keep(num_runs=1), last_stage="last", dry_run=False)
"""


@pytest.mark.parametrize("call", [1, 2, 3, 4, 5, 6])
def test_a_crash_in_the_middle_leaves_a_whole_store_and_the_next_removal_ends_it(store, call):
    make_run(store, "old", 30)
    new = make_run(store, "new", 20)
    done = subprocess.run(
        [sys.executable, "-c", CLEAR, str(store.root), str(call)], cwd=REPOSITORY, capture_output=True
    )
    assert done.returncode < 0, done.stderr
    there = left(store)
    for reference in there:
        assert {item for item in store.verify(reference).provenance.inputs.values()} <= there
    clear(store, num_runs=1)
    assert left(store) == set(new)
    assert not list((store.root / "trash").iterdir())


def test_a_disk_too_full_to_rename_is_cleared_all_the_same(store, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    make_run(store, "old", 30)
    new = make_run(store, "new", 20)
    monkeypatch.setattr(removal.os, "rename", full)
    clear(store, num_runs=1)
    assert left(store) == set(new)
    assert {path.name for path in (store.root / "artifacts" / "text").iterdir()} == {item.digest for item in new}


def test_a_full_disk_is_cleared(small_disk):
    store = ArtifactStore(small_disk / "store")
    old, new = make_run(store, "old", 30), make_run(store, "new", 20)
    fill(small_disk)
    assert {item.reference for item in clear(store, dry_run=True, num_runs=1).remove} == set(old)
    assert left(store) == {*old, *new}
    clear(store, num_runs=1)
    assert left(store) == set(new)
    assert {path.name for path in (store.root / "artifacts" / "text").iterdir()} == {item.digest for item in new}


def fill(folder):
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_folder_without_a_manifest_goes(store):
    new = make_run(store, "new", 20)
    (store.root / "artifacts" / "text" / "abc").mkdir()
    [item] = clear(store, num_runs=1).remove
    assert item.reason == "has no manifest, and so is no artifact"
    assert left(store) == set(new) and not item.path.exists()


def test_a_store_that_is_not_there_has_nothing_to_remove(store):
    assert clear(store, num_runs=1).remove == []
    assert not store.root.exists()
    assert removal.sweep(store, Keep(), last_stage="last", dry_run=True).keep == []
