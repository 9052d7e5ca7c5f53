"""The small world on disk, made once a session."""

from __future__ import annotations

import subprocess

import pytest

from tests import small_world


@pytest.fixture(scope="session")
def world_graph(tmp_path_factory):
    return small_world.write_graph(tmp_path_factory.mktemp("world") / "graph")


@pytest.fixture(scope="session")
def world_questions(tmp_path_factory):
    return small_world.write_questions(tmp_path_factory.mktemp("world") / "questions")


@pytest.fixture(scope="session")
def world_policy(tmp_path_factory, world_graph):
    return small_world.write_policy(tmp_path_factory.mktemp("world") / "policy", world_graph)


@pytest.fixture(scope="session")
def chat(world_policy):
    return small_world.chat_of(world_policy)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two megabytes."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip(f"no right to mount: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)
