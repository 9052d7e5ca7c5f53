"""Turns cut into pieces that can be coloured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.report.readable_episodes import Piece, split_turn


def test_thought_call_and_answer_are_told_apart():
    text = 'First this.\n<tool_call>{"name": "search", "arguments": {"query": "Oslo"}}</tool_call><|im_end|>'
    assert list(split_turn("assistant", text)) == [Piece("text", "First this."), Piece("call", "search(query: Oslo)")]
    assert list(split_turn("assistant", "<answer>Oslo</answer>")) == [Piece("answer", "Oslo")]
    assert list(split_turn("tool", "<answer>not an answer</answer>"))[0].kind == "observation"


@pytest.mark.parametrize("call", ["{not json", '{"name": 3}', "[]", '{"name": "x", "arguments": "y"}'])
def test_a_malformed_call_is_shown_as_it_is(call):
    assert list(split_turn("assistant", f"<tool_call>{call}</tool_call>")) == [Piece("call", call)]


def test_a_tag_that_never_closes_runs_to_the_end():
    assert list(split_turn("assistant", "a <answer>Os")) == [Piece("text", "a"), Piece("answer", "Os")]


@given(st.text(alphabet="ab <>/\n", max_size=60))
def test_no_word_is_lost(text):
    shown = "".join(piece.text for piece in split_turn("assistant", text))
    assert "".join(shown.split()) == "".join(text.split())
