"""A layered drawing in which nothing overlaps."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from lib.report.lineage_graph import BOX_HEIGHT, BOX_WIDTH, lay_out


@st.composite
def lineages(draw):
    count = draw(st.integers(1, 9))
    items = []
    for i in range(count):
        inputs = draw(st.lists(st.integers(0, i - 1), unique=True, max_size=4)) if i else []
        sources = [{"stage": f"s{j}", "digest": f"d{j}"} for j in inputs]
        items.append({"stage": f"s{i}", "kind": "k", "digest": f"d{i}", "rows": i, "inputs": sources})
    return items


@given(lineages())
def test_boxes_lie_apart_inside_the_drawing_and_right_of_their_inputs(lineage):
    drawing = lay_out(lineage)
    boxes = {box.stage: box for box in drawing.boxes}
    assert len(boxes) == len(lineage)
    for first, second in combinations(drawing.boxes, 2):
        assert abs(first.x - second.x) >= BOX_WIDTH or abs(first.y - second.y) >= BOX_HEIGHT
    for box in drawing.boxes:
        assert 0 <= box.x <= drawing.width - BOX_WIDTH and 0 <= box.y <= drawing.height - BOX_HEIGHT
    for item in lineage:
        assert all(boxes[source["stage"]].x + BOX_WIDTH < boxes[item["stage"]].x for source in item["inputs"])
    assert len(drawing.curves) == sum(len(item["inputs"]) for item in lineage)


def test_the_drawing_does_not_depend_on_the_order_of_the_items(run):
    forwards, backwards = lay_out(run.lineage), lay_out(run.lineage[::-1])
    assert {box.stage: box for box in forwards.boxes} == {box.stage: box for box in backwards.boxes}


def test_no_lineage_gives_an_empty_drawing():
    assert lay_out([]).boxes == []
