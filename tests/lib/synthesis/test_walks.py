"""Random walks by many walkers at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lib.sources.graph import Adjacency, build_adjacency
from lib.synthesis.knowledge.walks import walk


def _random_graph(num_nodes: int, num_facts: int, seed: int) -> Adjacency:
    generator = np.random.default_rng(seed)
    heads, tails = generator.integers(0, num_nodes, (2, num_facts)).astype(np.int32)
    relations = generator.integers(0, 3, num_facts).astype(np.int32)
    return build_adjacency(heads, relations, tails, num_nodes, np.array([False, True, False]))


@given(st.integers(2, 30), st.integers(1, 80), st.integers(0, 1000))
def test_walks_follow_edges_and_never_visit_a_node_twice(num_nodes: int, num_facts: int, seed: int) -> None:
    adjacency = _random_graph(num_nodes, num_facts, seed)
    edges = set(zip(adjacency.sources.tolist(), adjacency.steps.tolist(), adjacency.targets.tolist(), strict=True))
    walks = walk(adjacency, np.arange(num_nodes), hops=5, generator=np.random.default_rng(seed))
    for nodes, steps in zip(walks.nodes.tolist(), walks.steps.tolist(), strict=True):
        visited = [node for node in nodes if node >= 0]
        assert len(set(visited)) == len(visited)
        assert steps[len(visited) - 1 :] == [-1] * (6 - len(visited))
        assert all((visited[i], steps[i], visited[i + 1]) in edges for i in range(len(visited) - 1))


def test_a_walker_stops_only_where_no_unvisited_node_is_in_reach() -> None:
    adjacency = _random_graph(25, 60, seed=3)
    walks = walk(adjacency, np.repeat(np.arange(25), 40), hops=6, generator=np.random.default_rng(0))
    for nodes, length in zip(walks.nodes.tolist(), walks.lengths.tolist(), strict=True):
        if length < 6:
            last = nodes[length]
            around = adjacency.targets[adjacency.offsets[last] : adjacency.offsets[last + 1]]
            assert set(around.tolist()) <= set(nodes[: length + 1])


def test_the_choice_among_unvisited_neighbours_is_uniform() -> None:
    star = build_adjacency(
        np.zeros(4, np.int32), np.zeros(4, np.int32), np.arange(1, 5, dtype=np.int32), 5, np.array([False])
    )
    walks = walk(star, np.ones(9000, np.int64), hops=2, generator=np.random.default_rng(1))
    counts = np.bincount(walks.nodes[:, 2], minlength=5)
    assert counts[:2].sum() == 0
    assert np.abs(counts[2:] / 9000 - 1 / 3).max() < 0.02


def test_nodes_outside_the_degree_window_end_a_walk() -> None:
    line = build_adjacency(
        np.arange(3, dtype=np.int32), np.zeros(3, np.int32), np.arange(1, 4, dtype=np.int32), 4, np.array([False])
    )
    may_leave = np.array([True, True, False, True])
    walks = walk(line, np.array([0]), hops=3, generator=np.random.default_rng(0), may_leave=may_leave)
    assert walks.nodes.tolist() == [[0, 1, 2, -1]]


def test_equal_seeds_give_equal_walks() -> None:
    adjacency = _random_graph(50, 300, seed=1)
    first, second = (walk(adjacency, np.arange(50), hops=4, generator=np.random.default_rng(7)) for _ in range(2))
    assert (first.nodes == second.nodes).all() and (first.steps == second.steps).all()


def test_fan_out_counts_the_targets_of_a_step() -> None:
    adjacency = _random_graph(20, 120, seed=5)
    for i in range(len(adjacency.targets)):
        followed = adjacency.follow(int(adjacency.sources[i]), int(adjacency.steps[i]))
        assert len(followed) == adjacency.fan_out[i] == len(set(followed.tolist()))
