"""The small world on disk, made once a session."""

from __future__ import annotations

import pytest

from tests import small_images, small_world


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


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """The artifact of a small set of images."""
    return small_images.write_shapes(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def seeing_policy(tmp_path_factory, shapes):
    return small_images.write_seeing_policy(tmp_path_factory.mktemp("seeing"), shapes)
