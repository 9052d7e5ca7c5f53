"""The supervisor against real launchers and real ranks."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from lib.errors import JobError, OutOfMemoryError
from lib.progress import Silent
from lib.settings.learning import WorkerSettings
from lib.workers.rank_record import RankStatus, read_records
from lib.workers.supervise import run_job
from lib.workers.watch import wait_until

TWO = WorkerSettings(ranks=2)
ONE = WorkerSettings(ranks=1)


@pytest.fixture(autouse=True)
def no_process_survives(tmp_path, monkeypatch, survivors):
    monkeypatch.setenv("TEST_FOLDER", str(tmp_path))
    yield
    assert survivors() == []


def test_two_ranks_add_over_gloo_under_the_deepspeed_launcher(make_spec, recorded):
    spec = make_spec("all_reduce_job")
    result = run_job(spec, workers=WorkerSettings(ranks=2, threads=1), progress=recorded)
    assert json.loads((spec.out / "sum.json").read_text()) == {"sum": 3.0, "world_size": 2, "seed": 3, "threads": 1}
    assert recorded.updates == [(1, 2, "summed"), (2, 2, "written")]
    assert result.seconds > 0
    assert result.peak_memory_mb > 50


def test_a_plain_process_is_rank_zero_of_one(make_spec, recorded, monkeypatch):
    monkeypatch.setenv("TEST_ENDING", "none")
    monkeypatch.setenv("RANK", "5")  # of a job around this one
    run_job(make_spec("plain_job", "process"), workers=TWO, progress=recorded)
    assert recorded.updates == [(1, 1, "rank 0 of 1")]


def test_a_rank_that_is_done_takes_no_other_down_whatever_the_interpreter_meets_at_its_end(make_spec, recorded):
    run_job(make_spec("late_abort_job"), workers=TWO, progress=recorded)
    assert recorded.updates == [(1, 1, "done")]


def test_an_exception_in_one_rank_becomes_one_error_that_names_it(make_spec, monkeypatch):
    monkeypatch.setenv("TEST_ENDING", "ValueError")
    spec = make_spec("dying_job")
    with pytest.raises(JobError) as caught:
        run_job(spec, workers=TWO, progress=Silent())
    assert caught.value.what == "Rank 1 of 2 of dying_job failed with ValueError: the loss is not finite"
    assert str(spec.files.log) in caught.value.where
    assert 'raise ValueError("the loss is not finite")' in caught.value.where
    assert "step_00003" in caught.value.kept
    assert "run the same command again" in caught.value.next_step


def test_an_error_of_ours_keeps_its_advice(make_spec, monkeypatch):
    monkeypatch.setenv("TEST_ENDING", "GateError")
    with pytest.raises(JobError) as caught:
        run_job(make_spec("dying_job", "process"), workers=ONE, progress=Silent())
    assert caught.value.what.endswith("failed with GateError: too few trained tokens")
    assert caught.value.where.startswith("demonstrations")
    assert caught.value.next_step.startswith("raise num_demonstrations")


def test_memory_that_ran_out_is_met_with_what_frees_it(make_spec, monkeypatch):
    monkeypatch.setenv("TEST_ENDING", "MemoryError")
    with pytest.raises(OutOfMemoryError, match="failed with MemoryError.*memory peaked at") as caught:
        run_job(make_spec("dying_job", "process"), workers=ONE, progress=Silent())
    assert "engine.max_concurrent" in caught.value.next_step


def test_a_full_disk_is_told_even_where_a_rank_cannot_write_its_last_word(make_spec, monkeypatch, small_disk):
    monkeypatch.setenv("TEST_ENDING", "full disk")
    spec = dataclasses.replace(
        make_spec("dying_job", "process"), out=small_disk / "out", scratch=small_disk / "scratch"
    )
    with pytest.raises(JobError, match="The disk is full. Rank 0 of 1 of dying_job") as caught:
        run_job(spec, workers=ONE, progress=Silent())
    assert caught.value.next_step.startswith("free some space")
    assert "step_00003" in caught.value.kept


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("SIGKILL", "Rank 1 of 2 of dying_job was ended by SIGKILL (most often by the system because memory ran out)"),
        ("segmentation fault", "Rank 1 of 2 of dying_job was ended by SIGSEGV"),
        ("hard exit", "Rank 1 of 2 of dying_job ended with exit code 9"),
        ("exit", "Rank 1 of 2 of dying_job failed with SystemExit: 7"),
    ],
)
def test_a_rank_that_dies_is_told_from_those_that_fail_because_of_it(make_spec, monkeypatch, ending, words):
    monkeypatch.setenv("TEST_ENDING", ending)
    with pytest.raises(JobError) as caught:
        run_job(make_spec("dying_job"), workers=TWO, progress=Silent())
    assert words in caught.value.what
    assert "barrier" not in caught.value.where  # where the other rank failed in consequence
    assert ("end_now" in caught.value.where) == (ending in ("segmentation fault", "exit"))


@pytest.mark.parametrize(
    ("ending", "words"), [("SIGKILL", "was ended by SIGKILL"), ("hard exit", "ended with exit code 9")]
)
def test_a_plain_process_that_dies_is_explained_too(make_spec, monkeypatch, ending, words):
    monkeypatch.setenv("TEST_ENDING", ending)
    with pytest.raises(JobError, match=f"dying_job {words}"):
        run_job(make_spec("dying_job", "process"), workers=ONE, progress=Silent())


def test_a_killed_rank_counts_as_short_of_memory_only_where_the_system_says_that_it_killed(make_spec, monkeypatch):
    monkeypatch.setenv("TEST_ENDING", "SIGKILL")
    with pytest.raises(JobError) as caught:
        run_job(make_spec("dying_job", "process"), workers=ONE, progress=Silent())
    assert not isinstance(caught.value, OutOfMemoryError)
    counter = iter([3, 4])  # before the job, and after it
    monkeypatch.setattr("lib.workers.supervise.count_oom_kills", lambda: next(counter))
    with pytest.raises(OutOfMemoryError, match="memory peaked at"):
        run_job(make_spec("dying_job", "process"), workers=ONE, progress=Silent())


def test_a_module_that_does_not_exist_is_a_launcher_that_ended(make_spec):
    with pytest.raises(JobError) as caught:
        run_job(make_spec("no_such_job", "process"), workers=ONE, progress=Silent())
    assert caught.value.what == "The launcher of no_such_job ended with exit code 1 before every rank was done."
    assert "No module named no_such_job" in caught.value.where
    assert "had not saved anything" in caught.value.kept


def test_silence_ends_the_job_and_shows_where_it_hangs(make_spec, recorded):
    spec = make_spec("waiting_job", "process")
    with pytest.raises(JobError, match="made no progress for 1 s") as caught:
        run_job(spec, workers=WorkerSettings(silence_timeout_s=1.0), progress=recorded)
    assert recorded.updates == [(1, 9, "waiting")]
    assert "waiting_job.py" in caught.value.where  # the stack that the rank printed
    assert "step_00001" in caught.value.kept


def test_ranks_that_do_not_start_in_time_end_the_job(make_spec):
    with pytest.raises(JobError, match="Only 0 of 2 ranks of waiting_job started in time"):
        run_job(make_spec("waiting_job"), workers=WorkerSettings(ranks=2, start_timeout_s=0.1), progress=Silent())


def test_ctrl_c_ends_every_process_and_lets_ranks_say_so(make_spec, recorded):
    def interrupt():
        raise KeyboardInterrupt

    recorded.act = interrupt
    spec = make_spec("waiting_job")
    with pytest.raises(KeyboardInterrupt):
        run_job(spec, workers=TWO, progress=recorded)
    statuses = {record.status for record in read_records(spec.files.ranks).values()}
    assert statuses == {RankStatus.TERMINATED}


def test_a_rank_deaf_to_sigterm_is_killed(make_spec, recorded, monkeypatch, survivors):
    monkeypatch.setenv("TEST_DEAF_TO_SIGTERM", "1")

    def interrupt():
        raise KeyboardInterrupt

    recorded.act = interrupt
    with pytest.raises(KeyboardInterrupt):
        run_job(make_spec("waiting_job", "process"), workers=ONE, progress=recorded)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nobody_survives_a_supervisor_that_is_killed(tmp_path, job_modules, survivors, number):
    supervisor = subprocess.Popen([sys.executable, "-m", "supervising", str(tmp_path)])
    progress = tmp_path / "scratch" / "job" / "progress.jsonl"
    ranks = tmp_path / "scratch" / "job" / "ranks"
    assert wait_until(lambda: progress.exists() and len(read_records(ranks)) == 2, 60)
    assert len(survivors()) >= 5  # supervisor, guard, launcher, two ranks, grandchild
    supervisor.send_signal(number)
    supervisor.wait()
    assert wait_until(lambda: not survivors(), 8)


def test_nobody_survives_a_guard_that_is_killed(make_spec, recorded):
    def kill_the_guard():
        for child in psutil.Process().children():
            if "lib.workers.guard" in " ".join(child.cmdline()):
                child.kill()

    recorded.act = kill_the_guard
    with pytest.raises(JobError, match="waiting_job"):
        run_job(make_spec("waiting_job"), workers=TWO, progress=recorded)


def test_the_same_job_does_not_run_twice_at_once(make_spec, recorded, monkeypatch):
    monkeypatch.setattr("lib.workers.supervise.LOCK_WITHIN_S", 0.3)
    spec = make_spec("waiting_job", "process")
    seen: list[str] = []

    def try_again():
        with pytest.raises(JobError, match="already running") as caught:
            run_job(spec, workers=ONE, progress=Silent())
        seen.append(caught.value.what)
        raise KeyboardInterrupt

    recorded.act = try_again
    with pytest.raises(KeyboardInterrupt):
        run_job(spec, workers=ONE, progress=recorded)
    assert seen == ["The same job is already running."]


def test_a_second_attempt_forgets_the_ranks_of_the_first_and_keeps_what_was_saved(make_spec, recorded, monkeypatch):
    monkeypatch.setenv("TEST_ENDING", "ValueError")
    spec = make_spec("dying_job", "process")
    with pytest.raises(JobError):
        run_job(spec, workers=ONE, progress=Silent())
    monkeypatch.setenv("TEST_ENDING", "none")
    with pytest.raises(JobError, match="Default process group"):  # its barrier without a group, not the old error
        run_job(spec, workers=ONE, progress=recorded)
    assert (spec.scratch / "step_00003").is_dir()


def test_a_job_runs_from_a_thread_and_keeps_its_parent_death_signal(make_spec, recorded):
    errors: list[BaseException] = []

    def run():
        try:
            run_job(make_spec("plain_job", "process"), workers=ONE, progress=recorded)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert errors == []
    assert recorded.updates == [(1, 1, "rank 0 of 1")]


def test_a_rank_stuck_in_native_code_still_leaves_on_sigterm(make_spec, recorded, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    recorded.act = interrupt
    spec = make_spec("native_job", "process")
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_job(spec, workers=ONE, progress=recorded)
    assert time.monotonic() - started < 60
    assert read_records(spec.files.ranks)[0].status is RankStatus.TERMINATED
    assert os.path.exists(spec.files.log)


def test_a_rank_that_is_told_to_end_many_times_says_so_once(make_spec):
    """The guard tells all processes to end, and the launcher its ranks once more."""
    spec = make_spec("waiting_job", "process")
    spec.files.ranks.mkdir(parents=True)
    spec.files.spec.write_text(spec.to_json())
    line = [sys.executable, "-m", spec.module, "--job", str(spec.files.spec)]
    with subprocess.Popen(line) as rank:
        deadline = time.monotonic() + 60
        while not spec.files.progress.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        while rank.poll() is None:
            rank.terminate()
    assert read_records(spec.files.ranks)[0].status is RankStatus.TERMINATED
