"""Follows a running job from outside: forwards its progress, samples its memory, notices trouble.

Looks at three things only: the records that ranks write, whether their processes live, and the guard that
stands for the launcher. Ranks on other machines are known by their records alone.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from lib.progress import Progress
from lib.settings.learning import WorkerSettings
from lib.workers.diagnosis import Trouble, TroubleKind, exit_code_of_launcher
from lib.workers.job import JobFiles
from lib.workers.process_tree import exit_code_of_zombie, is_alive, memory_mb
from lib.workers.rank_record import RankRecord, RankStatus, read_records

POLL_S = 0.05
MEMORY_EVERY_S = 0.5
# The launcher looks at its ranks once a second and gives the others a second to leave.
LAUNCHER_NOTICES_WITHIN_S = 4.0
# Time for interpreters to shut down after every rank has said that it is done.
EXIT_WITHIN_S = 30.0


class JobWatch:
    def __init__(
        self, files: JobFiles, *, num_ranks: int, workers: WorkerSettings, guard: subprocess.Popen, progress: Progress
    ):
        self._files, self._num_ranks, self._workers, self._guard = files, num_ranks, workers, guard
        self._progress = ProgressFollower(files.progress, progress)
        self._started = self._last_sign = time.monotonic()
        self._last_sample = 0.0
        self._num_records = 0
        self.peak_memory_mb = 0.0

    def until_ended(self) -> Trouble | None:
        """Blocks until the job has ended or must be ended; returns what is wrong, or None when all is well."""
        while True:
            ended = self._guard.poll() is not None
            self._sample_memory()
            if self._progress.forward():
                self._last_sign = time.monotonic()
            records = read_records(self._files.ranks)
            if self._all_done(records):
                self._wait_for_the_end(records)
                self._progress.forward()
                return None
            trouble = self._failure(records) or (self._launcher_ended() if ended else self._timeout(records))
            if trouble is not None:
                return trouble
            time.sleep(POLL_S)

    def _all_done(self, records: dict[int, RankRecord]) -> bool:
        done = [record for record in records.values() if record.status is RankStatus.DONE]
        return len(done) == self._num_ranks

    def _wait_for_the_end(self, records: dict[int, RankRecord]) -> None:
        """Until every process is gone, which the launcher itself notices only a second or two later."""

        def all_gone() -> bool:
            return all(record.host == socket.gethostname() and not is_alive(record.pid) for record in records.values())

        wait_until(lambda: self._guard.poll() is not None or all_gone(), EXIT_WITHIN_S)

    def _failure(self, records: dict[int, RankRecord]) -> Trouble | None:
        """The first cause: a rank that vanished makes the others fail, so it counts before them."""
        vanished = [rank for rank, record in records.items() if self._has_vanished(record)]
        if vanished:
            return Trouble(TroubleKind.VANISHED, records[vanished[0]], code=self._code_of(records[vanished[0]]))
        failed = [record for record in records.values() if record.status is RankStatus.FAILED]
        if failed:
            return Trouble(TroubleKind.FAILED, min(failed, key=lambda record: record.time))
        return None

    def _has_vanished(self, record: RankRecord) -> bool:
        if record.status.is_final or record.host != socket.gethostname() or is_alive(record.pid):
            return False
        # It may have written its last record between our reading and our looking.
        return not read_records(self._files.ranks)[record.rank].status.is_final

    def _code_of(self, record: RankRecord) -> int | None:
        code = exit_code_of_zombie(record.pid)
        if code is None and self._wait_for_guard(LAUNCHER_NOTICES_WITHIN_S):
            code = exit_code_of_launcher(self._guard.returncode)
        return code

    def _launcher_ended(self) -> Trouble:
        return Trouble(TroubleKind.LAUNCHER_ENDED, code=exit_code_of_launcher(self._guard.returncode))

    def _timeout(self, records: dict[int, RankRecord]) -> Trouble | None:
        now = time.monotonic()
        if len(records) > self._num_records:
            self._num_records, self._last_sign = len(records), now
        if len(records) < self._num_ranks:
            late = now - self._started > self._workers.start_timeout_s
            return Trouble(TroubleKind.NOT_STARTED, num_started=len(records)) if late else None
        if now - self._last_sign > self._workers.silence_timeout_s:
            self._ask_for_tracebacks(records)
            return Trouble(TroubleKind.SILENT)
        return None

    def _ask_for_tracebacks(self, records: dict[int, RankRecord]) -> None:
        """Ranks answer SIGUSR1 with the stack of every thread, in a file of their own."""
        for record in records.values():
            if record.host == socket.gethostname() and not record.status.is_final and is_alive(record.pid):
                os.kill(record.pid, signal.SIGUSR1)
        time.sleep(0.3)

    def _wait_for_guard(self, seconds: float) -> bool:
        return wait_until(lambda: self._guard.poll() is not None, seconds)

    def _sample_memory(self) -> None:
        if time.monotonic() - self._last_sample >= MEMORY_EVERY_S:
            self.peak_memory_mb = max(self.peak_memory_mb, memory_mb(self._guard.pid))
            self._last_sample = time.monotonic()


class ProgressFollower:
    """Forwards the lines that a job appends to its progress file."""

    def __init__(self, path: Path, progress: Progress):
        self._path, self._progress, self._offset = path, progress, 0

    def forward(self) -> bool:
        """Forwards what is new; returns whether there was anything."""
        if not self._path.exists():
            return False
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole_lines = file.read().rpartition(b"\n")[0]
        for line in whole_lines.splitlines():
            update = json.loads(line)
            self._progress.update(update["done"], update["total"], update["note"])
        self._offset += len(whole_lines) + bool(whole_lines)
        return bool(whole_lines)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
