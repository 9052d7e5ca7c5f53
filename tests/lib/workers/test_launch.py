"""What is started, with which environment."""

from __future__ import annotations

import base64
import json
import os
import stat

import pytest

from lib.errors import JobError
from lib.settings.learning import WorkerSettings
from lib.workers.launch import launch_command, launch_environment, world_size
from lib.workers.supervise import run_job

# Answers the runner's two questions: does the host answer, and what is its address.
STAND_IN_FOR_SSH = """#!/bin/sh
while [ "$1" != localhost ]; do shift; done
[ "$3" = -I ] && echo 127.0.0.1
exit 0
"""


def world_of(command: list[str]) -> dict:
    encoded = next(part for part in command if part.startswith("--world_info=")).partition("=")[2]
    return json.loads(base64.urlsafe_b64decode(encoded))


def test_one_machine_uses_the_node_launcher_with_one_slot_a_rank(make_spec):
    command = launch_command(make_spec("lib.learning.warm_up"), WorkerSettings(ranks=3))
    assert "deepspeed.launcher.launch" in command
    assert world_of(command) == {"localhost": [0, 1, 2]}


def test_a_hostfile_uses_the_runner_and_counts_every_machine(make_spec, tmp_path):
    hostfile = tmp_path / "hosts"
    hostfile.write_text("# ours\nworker-0 slots=4\nworker-1 slots=4\n\n")
    workers = WorkerSettings(ranks=4, hostfile=str(hostfile))
    spec = make_spec("lib.learning.warm_up")
    command = launch_command(spec, workers)
    assert "deepspeed.launcher.runner" in command and f"--hostfile={hostfile}" in command
    assert world_size(spec, workers) == 8


def test_a_missing_hostfile_is_named(make_spec, tmp_path):
    with pytest.raises(JobError, match="hostfile cannot be read") as caught:
        world_size(make_spec("m"), WorkerSettings(hostfile=str(tmp_path / "none")))
    assert caught.value.where == str(tmp_path / "none")


def test_ranks_beyond_the_visible_devices_are_refused(make_spec, monkeypatch):
    monkeypatch.setattr("lib.workers.launch.has_gpu", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-8f0e")
    assert world_of(launch_command(make_spec("m"), WorkerSettings(ranks=2))) == {"localhost": [3, "GPU-8f0e"]}
    with pytest.raises(JobError, match="only 2 devices"):
        launch_command(make_spec("m"), WorkerSettings(ranks=4))


def test_cores_are_shared_by_ranks_unless_threads_are_set(make_spec):
    cores, spec = len(os.sched_getaffinity(0)), make_spec("m")
    shared = launch_environment(spec, WorkerSettings(ranks=cores + 1), "x")
    assert shared["OMP_NUM_THREADS"] == "1"
    assert launch_environment(spec, WorkerSettings(ranks=2, threads=5), "x")["OMP_NUM_THREADS"] == "5"


def test_without_a_gpu_deepspeed_is_told_to_use_the_processor(make_spec, monkeypatch):
    monkeypatch.setattr("lib.workers.launch.has_gpu", lambda: False)
    monkeypatch.delenv("DS_ACCELERATOR", raising=False)
    assert launch_environment(make_spec("m"), WorkerSettings(), "x")["DS_ACCELERATOR"] == "cpu"


def test_the_runner_starts_the_machine_of_a_hostfile(make_spec, tmp_path, monkeypatch, recorded):
    """A stand-in for ssh answers, so that the runner's own checks pass without a network."""
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(STAND_IN_FOR_SSH)
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", os.pathsep.join([str(ssh.parent), os.environ["PATH"]]))
    hostfile = tmp_path / "hosts"
    hostfile.write_text("localhost slots=2\n")
    spec = make_spec("all_reduce_job")
    run_job(spec, workers=WorkerSettings(ranks=2, hostfile=str(hostfile)), progress=recorded)
    assert json.loads((spec.out / "sum.json").read_text())["sum"] == 3.0
