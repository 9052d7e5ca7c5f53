"""Real jobs in real processes: the modules of `jobs/`, run by the supervisor."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from lib.settings.settings import Settings
from lib.workers.job import JobSpec
from lib.workers.launch import PROJECT
from lib.workers.process_tree import MARKER

JOBS = Path(__file__).parent / "jobs"


@dataclass
class Recorded:
    """A listener that keeps what it heard, and may act on it."""

    updates: list[tuple[int, int, str]] = field(default_factory=list)
    act: object = None

    def update(self, done: int, total: int, note: str = "") -> None:
        self.updates.append((done, total, note))
        if self.act is not None:
            self.act()


@pytest.fixture
def job_modules(monkeypatch):
    """The environment in which the modules of `jobs/` can be imported by name."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(JOBS), str(PROJECT)]))


@pytest.fixture
def make_spec(tmp_path, job_modules):
    def make(module: str, launcher: str = "deepspeed", **changes) -> JobSpec:
        folders = {"out": tmp_path / "out", "scratch": tmp_path / "scratch"}
        return JobSpec(module, launcher, changes.pop("settings", Settings()), {}, seed=3, **folders)

    return make


@pytest.fixture
def recorded():
    return Recorded()


@pytest.fixture
def survivors(tmp_path):
    """Counts processes that any job of this test left: its scratch or its marker shows in them."""

    def find() -> list[str]:
        return [text for process in psutil.process_iter() if (text := _trace(process, str(tmp_path)))]

    return find


def _trace(process: psutil.Process, folder: str) -> str:
    try:
        if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            return ""
        command = " ".join(process.cmdline())
        here = process.environ().get("TEST_FOLDER") == folder and MARKER in process.environ()
    except psutil.Error:
        return ""
    return command if folder in command or here else ""
