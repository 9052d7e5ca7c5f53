"""Runs a job: a job spec in, an artifact laid out in its `out`, or one readable error.

However the supervisor ends (success, error, Ctrl-C, SIGTERM, SIGKILL), no process of the job survives it: it
ends them itself when it can, and the guard does when it cannot.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

from lib.errors import JobError
from lib.progress import Progress
from lib.settings.learning import WorkerSettings
from lib.workers.diagnosis import job_error
from lib.workers.guard import GRACE_S
from lib.workers.job import JobFiles, JobResult, JobSpec
from lib.workers.launch import launch_command, launch_environment, world_size
from lib.workers.oom_kills import count_oom_kills
from lib.workers.process_tree import kill_marked
from lib.workers.watch import JobWatch, wait_until

# The guard of a supervisor that was just killed needs at most its grace to end its job.
LOCK_WITHIN_S = 3 * GRACE_S


def run_job(spec: JobSpec, *, workers: WorkerSettings, progress: Progress) -> JobResult:
    """Starts the job's processes, follows them and returns what they cost.

    Several machines (a hostfile) must see `spec.scratch`, `spec.inputs` and `spec.out` under the same paths.

    Raises:
        JobError: a rank failed, was killed, hangs or never started, or the job already runs elsewhere.
        OutOfMemoryError: a rank failed or was killed because memory ran out.
    """
    files, started = spec.files, time.monotonic()
    num_ranks = world_size(spec, workers)
    files.folder.mkdir(parents=True, exist_ok=True)
    with _locked(files) as lock:
        _write_files(spec)
        log_start = files.log.stat().st_size if files.log.exists() else 0
        oom_kills = count_oom_kills()
        with _processes(spec, workers, lock) as guard:
            watch = JobWatch(files, num_ranks=num_ranks, workers=workers, guard=guard, progress=progress)
            trouble = watch.until_ended()
    if trouble is not None:
        raise job_error(
            dataclasses.replace(trouble, num_oom_kills=count_oom_kills() - oom_kills),
            spec,
            num_ranks=num_ranks,
            silence_s=workers.silence_timeout_s,
            peak_memory_mb=watch.peak_memory_mb,
            log_start=log_start,
        )
    return JobResult(time.monotonic() - started, watch.peak_memory_mb)


@contextlib.contextmanager
def _locked(files: JobFiles) -> Iterator[int]:
    """Holds the job's lock, which its guard inherits: free means that no process of an earlier attempt lives."""
    lock = os.open(files.lock, os.O_RDWR | os.O_CREAT)
    try:
        if not wait_until(lambda: _try_lock(lock), LOCK_WITHIN_S):
            raise JobError(
                "The same job is already running.",
                where=str(files.folder),
                next_step="wait for the other run to end, or stop it",
            )
        yield lock
    finally:
        os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_files(spec: JobSpec) -> None:
    """The spec, and nothing left of an earlier attempt but its log and what the job saved."""
    files = spec.files
    shutil.rmtree(files.ranks, ignore_errors=True)
    files.ranks.mkdir()
    files.progress.unlink(missing_ok=True)
    spec.out.mkdir(parents=True, exist_ok=True)
    files.spec.write_text(spec.to_json())


@contextlib.contextmanager
def _processes(spec: JobSpec, workers: WorkerSettings, lock: int) -> Iterator[subprocess.Popen]:
    """The job's processes in a session of their own, behind their guard; none is left afterwards."""
    marker = uuid.uuid4().hex
    environment = launch_environment(spec, workers, marker)
    command = [sys.executable, "-m", "lib.workers.guard", str(os.getpid()), *launch_command(spec, workers)]
    with spec.files.log.open("ab") as log:
        guard = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock,),
        )
    try:
        yield guard
    finally:
        try:
            guard.terminate()
            wait_until(lambda: guard.poll() is not None, 2 * GRACE_S)
        finally:
            kill_marked(marker)
            guard.wait()
