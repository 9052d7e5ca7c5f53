"""A disk that fills up under `ropewalk run`: what is told, what is kept, and the run after room was made."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("prefect")]


def ropewalk(server, *arguments) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    environment = os.environ | {"PREFECT_API_URL": server.url}
    return subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, env=environment)


def run_stage(server, store, stage) -> subprocess.CompletedProcess:
    return ropewalk(server, "run", "--profile", "nano", "--only", stage, "--store", store)


def leave_room(disk: Path, num_bytes: int) -> None:
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(disk / "filler", (disk / "filler").stat().st_size - num_bytes)


def is_told(done: subprocess.CompletedProcess) -> bool:
    return done.returncode == 1 and "error: The disk is full." in done.stderr and "Traceback" not in done.stderr


def test_a_full_disk_is_told_finished_stages_stay_and_after_room_is_made_the_run_ends_well(server, small_disk):
    store = small_disk / "store"
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert [run_stage(server, store, stage).returncode for stage in ("source", "databases")] == [0, 0]

    leave_room(small_disk, 1_200_000)  # enough to begin with
    assert is_told(done := run_stage(server, store, "base")), done.stderr
    assert "kept: all published artifacts" in done.stderr
    leave_room(small_disk, 0)
    assert is_told(done := run_stage(server, store, "base")), done.stderr
    swept = ropewalk(server, "gc", "--keep-newer", "1d", "--yes", "--store", store)
    assert swept.returncode == 0, swept.stderr

    (small_disk / "filler").unlink()
    done = ropewalk(server, "plan", "--profile", "nano", "--only", "source", "--store", store, "--json")
    assert [step["action"] for step in json.loads(done.stdout)] == ["cached"]
    assert run_stage(server, store, "base").returncode == 0
