"""The stages of a run as a layered graph, drawn as SVG.

In: lineage items ``{stage, kind, digest, rows, inputs: [{stage, digest}]}``. Out: boxes and curves
with coordinates, which the page's template draws. A box stands one column right of its last input.
An edge that skips columns passes through a free place in each of them, so that it crosses no box;
edges from one box share their places, as one line that branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import networkx as nx

COLUMN, ROW = 172, 70  # distance of box corners
BOX_WIDTH, BOX_HEIGHT = 132, 50
MARGIN = 12
SWEEPS = 8  # passes of the barycentre ordering; small graphs settle within four


@dataclass(frozen=True)
class Box:
    stage: str
    kind: str
    digest: str
    rows: int | None
    x: float
    y: float
    origin: str = ""  # where an artifact comes from that no stage of the run made


@dataclass(frozen=True)
class LineageDrawing:
    boxes: list[Box] = field(default_factory=list)
    curves: list[str] = field(default_factory=list)  # SVG path data
    width: float = 0.0
    height: float = 0.0


def lay_out(lineage: Sequence[dict]) -> LineageDrawing:
    """Coordinates of every box and edge."""
    if not lineage:
        return LineageDrawing()
    graph = nx.DiGraph()
    graph.add_nodes_from(item["stage"] for item in lineage)
    graph.add_edges_from((source["stage"], item["stage"]) for item in lineage for source in item["inputs"])
    columns = {node: depth for depth, layer in enumerate(nx.topological_generations(graph)) for node in sorted(layer)}
    chains = {edge: _with_places(edge, columns) for edge in sorted(graph.edges)}
    rows = _order(columns, chains)
    places = {node: (MARGIN + COLUMN * columns[node], MARGIN + ROW * rows[node]) for node in rows}
    known = {item["stage"]: item for item in lineage}
    boxes = [
        Box(
            stage=node,
            kind=str(known.get(node, {}).get("kind", "")),
            digest=str(known.get(node, {}).get("digest", ""))[:8],
            rows=known.get(node, {}).get("rows"),
            x=places[node][0],
            y=places[node][1],
            origin=str(known.get(node, {}).get("origin", "")),
        )
        for node in graph.nodes
    ]
    return LineageDrawing(
        boxes,
        [_curve(chain, places) for chain in chains.values()],
        width=max(x for x, _ in places.values()) + BOX_WIDTH + MARGIN,
        height=max(y for _, y in places.values()) + BOX_HEIGHT + MARGIN,
    )


def _with_places(edge: tuple[str, str], columns: dict) -> list:
    """The edge's ends and a place in each column between them, which is added to ``columns``."""
    start, end = edge
    between = [(start, column) for column in range(columns[start] + 1, columns[end])]
    columns.update({place: place[1] for place in between})
    return [start, *between, end]


def _order(columns: dict, chains: dict) -> dict:
    """A row for every box and place: sorted, back and forth, by the mean row of the neighbours."""
    neighbours: dict = {node: [] for node in columns}
    for left, right in dict.fromkeys(pair for chain in chains.values() for pair in pairwise(chain)):
        neighbours[left].append(right)
        neighbours[right].append(left)
    layers: dict[int, list] = {}
    for node, column in columns.items():
        layers.setdefault(column, []).append(node)
    tallest = max(map(len, layers.values()))
    rows = {node: place for layer in layers.values() for place, node in enumerate(layer)}
    for sweep in range(SWEEPS):
        for column in sorted(layers, reverse=sweep % 2 == 1):
            means = {n: sum(rows[m] for m in neighbours[n]) / max(1, len(neighbours[n])) for n in layers[column]}
            top = (tallest - len(layers[column])) / 2
            for place, node in enumerate(sorted(layers[column], key=lambda n: (means[n], str(n)))):
                rows[node] = top + place
    return rows


def _curve(chain: list, places: dict) -> str:
    """A path from the right side of the first box to the left side of the last, level at every place."""
    x, y = places[chain[0]]
    x, y = x + BOX_WIDTH, y + BOX_HEIGHT / 2
    path = f"M{x:.0f} {y:.0f}"
    for node in chain[1:]:
        to_x, to_y = places[node][0], places[node][1] + BOX_HEIGHT / 2
        middle = (x + to_x) / 2
        path += f" C{middle:.0f} {y:.0f} {middle:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
        x, y = to_x, to_y
        if node != chain[-1]:
            x += BOX_WIDTH
            path += f" H{x:.0f}"
    return path
