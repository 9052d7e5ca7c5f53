"""Calls are read as written, and what is wrong with a malformed one is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.environments.environment import ToolCall
from lib.policy.tool_calls import MalformedCall, parse_tool_calls, render_tool_call


@given(st.text(min_size=1, max_size=20), st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=3))
def test_a_rendered_call_is_read_back(name, arguments):
    if "tool_call>" in f"{name}{arguments}":
        return
    assert parse_tool_calls(render_tool_call(name, arguments)) == [ToolCall(name, arguments)]


def test_text_without_a_call_has_none():
    assert parse_tool_calls("The answer is near.") == []


def test_several_calls_keep_their_order():
    text = render_tool_call("search", {"query": "a"}) + " and " + render_tool_call("open", {"page": "b"})
    assert [call.name for call in parse_tool_calls(text)] == ["search", "open"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<tool_call>{}", "no matching"),
        ("{}</tool_call>", "no matching"),
        ("</tool_call><tool_call><answer>North</answer>", "no <tool_call> before it"),
        ('</tool_call><tool_call>{"name": "a", "arguments": {}}</tool_call><tool_call>', "no <tool_call> before it"),
        (
            '<tool_call>{"name": "a", "arguments": {"b": "<tool_call>"}}</tool_call></tool_call>',
            "no <tool_call> before",
        ),
        ("<tool_call>search</tool_call>", "not JSON"),
        ("<tool_call>[1]</tool_call>", "not a JSON object"),
        (r'<tool_call>{"name": "search", "arguments": {"query": "\ud83d"}}</tool_call>', "surrogate"),
        ('<tool_call>{"name": "search", "arguments": {"query": ' + "9" * 5000 + "}}</tool_call>", "digits"),
        ("<tool_call>" + "[" * 5000 + "]" * 5000 + "</tool_call>", "deep"),
        ('<tool_call>{"arguments": {}}</tool_call>', '"name"'),
        ('<tool_call>{"name": "search"}</tool_call>', '"arguments"'),
        ('<tool_call>{"name": "search", "arguments": "x"}</tool_call>', '"arguments"'),
    ],
)
def test_a_malformed_call_says_what_is_wrong(text, reason):
    with pytest.raises(MalformedCall, match=reason):
        parse_tool_calls(text)
