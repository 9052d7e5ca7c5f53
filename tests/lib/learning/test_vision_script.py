"""The oracle looks closer where it has to, notes what it sees, and answers."""

from __future__ import annotations

import json

import pytest

from lib.learning.oracle import NOTHING
from lib.learning.vision_script import Observation, VisionScript
from lib.policy.tool_calls import parse_tool_calls

SMALL = Observation("Picture 2: red 7", (0, 50, 50, 100))
PLAIN = (Observation("Picture 1: 3", None), SMALL, Observation("Picture 3: 5", None))


def play(sights, *, detour_share=0.0, miss_share=0.0, max_calls=6, seed=0):
    shares = {"detour_share": detour_share, "miss_share": miss_share}
    script = VisionScript(sights, "2", **shares, max_calls=max_calls, seed=seed)
    turns = []
    while not turns or "<answer>" not in turns[-1]:
        turns.append(script.next_turn("shown"))
        assert len(turns) < 12
    return turns


def calls_of(turns):
    return [call for turn in turns for call in parse_tool_calls(turn)]


def test_what_is_plain_is_noted_at_once():
    (turn,) = play((PLAIN[0], PLAIN[2]))
    assert turn == "Picture 1: 3\nPicture 3: 5\n<answer>2</answer>"


def test_what_is_small_is_looked_at_before_it_is_noted():
    first, second = play(PLAIN)
    assert first.startswith("Picture 1: 3\nPicture 2: small, bottom left\n<tool_call>")
    (call,) = parse_tool_calls(first)
    assert (call.name, call.arguments) == ("look_again", {"image": 2, "box": [0, 50, 50, 100]})
    assert second == "Picture 2: red 7\nPicture 3: 5\n<answer>2</answer>"


def test_a_detour_looks_again_or_has_its_note_confirmed():
    names = set()
    for seed in range(20):
        turns = play(PLAIN, detour_share=1.0, seed=seed)
        calls = calls_of(turns)
        assert len(calls) == 2 and turns[-1].endswith("<answer>2</answer>")
        names |= {call.name for call in calls}
        text = "\n".join(turns)
        assert all(text.count(f"\n{sight.fact}\n") + text.startswith(sight.fact) >= 1 for sight in PLAIN)
    assert names == {"look_again", "confirm"}


@pytest.mark.parametrize(("sights", "max_calls"), [((), 6), ((SMALL,) * 3, 2)])
def test_what_cannot_be_seen_in_time_is_not_demonstrated(sights, max_calls):
    assert (
        VisionScript(sights, "2", detour_share=0.0, miss_share=0.0, max_calls=max_calls, seed=0).next_turn("")
        == NOTHING
    )


def test_a_detour_never_takes_the_last_call_that_is_needed():
    for seed in range(20):
        assert len(calls_of(play((SMALL, SMALL, PLAIN[0]), detour_share=1.0, max_calls=2, seed=seed))) == 2


def test_a_miss_is_noted_and_the_next_look_goes_elsewhere():
    seen = set()
    for seed in range(40):
        turns = play((SMALL, PLAIN[0]), miss_share=0.5, seed=seed)
        boxes = [tuple(call.arguments["box"]) for call in calls_of(turns)]
        assert boxes[-1] == SMALL.box and len(set(boxes)) == len(boxes)
        assert turns[-1].startswith("Picture 2: red 7")
        for before, turn in zip(boxes, turns[1:-1], strict=False):
            row, column = ("bottom" if before[1] else "top"), ("right" if before[0] else "left")
            assert turn.startswith(f"Picture 1: nothing {row} {column}; small, ")
        seen.add(len(boxes))
    assert seen == {1, 2, 3, 4}


def test_misses_leave_the_calls_that_are_needed():
    for seed in range(40):
        calls = calls_of(play((SMALL, SMALL), miss_share=0.9, detour_share=1.0, max_calls=3, seed=seed))
        assert len(calls) <= 3 and [tuple(call.arguments["box"]) for call in calls].count(SMALL.box) == 2


def test_sights_come_out_of_evidence():
    step = {"fact": "Picture 1: 3", "query": json.dumps([0, 25, 50, 75]), "value": "yes"}
    assert Observation.of(step) == Observation("Picture 1: 3", (0, 25, 50, 75), "yes")
    assert Observation.of(step | {"query": ""}).box is None


def test_what_follows_is_noted_behind_what_is_seen():
    sights = (Observation("Picture 1: 3", None, "yes"), Observation("Picture 2: 5", None, "no"))
    script = VisionScript(sights, "1", conclusion="1 of 2", detour_share=0.0, miss_share=0.0, max_calls=6, seed=0)
    assert script.next_turn("") == "Picture 1: 3; yes\nPicture 2: 5; no\n1 of 2\n<answer>1</answer>"
