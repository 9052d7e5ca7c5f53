"""Tool calls as the policy writes them: JSON in a tag, the format of Hermes and Qwen.

In: the text of one turn. Out: its calls, or what is wrong with it in words that help the policy.
"""

from __future__ import annotations

import json
import re

from lib.environments.environment import ToolCall
from lib.strict_json import load_json

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_BLOCK = re.compile(re.escape(OPEN) + r"(.*?)" + re.escape(CLOSE), re.DOTALL)


class MalformedCall(ValueError):
    """The turn's text is not a sequence of calls; the message says why."""


def parse_tool_calls(text: str) -> list[ToolCall]:
    """All calls of a turn, in order; empty when it makes none. Raises MalformedCall."""
    if text.count(OPEN) != text.count(CLOSE):
        raise MalformedCall(f"a {OPEN} has no matching {CLOSE}")
    calls = [_parse_block(block) for block in _BLOCK.findall(text)]
    if CLOSE in _BLOCK.sub("\n", text):
        # As many of both, so the first that is left over closes nothing.
        raise MalformedCall(f"a {CLOSE} has no {OPEN} before it")
    return calls


def render_tool_call(name: str, arguments: dict[str, object]) -> str:
    """The text that parses back to the call."""
    payload = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"{OPEN}{payload}{CLOSE}"


def _parse_block(block: str) -> ToolCall:
    try:
        payload = load_json(block)
    except ValueError as error:
        raise MalformedCall(f"the call is {error}") from error
    if not isinstance(payload, dict):
        raise MalformedCall("the call is not a JSON object with name and arguments")
    name, arguments = payload.get("name"), payload.get("arguments")
    if not isinstance(name, str) or not name:
        raise MalformedCall('the call has no "name"')
    if not isinstance(arguments, dict):
        raise MalformedCall('the call has no "arguments" object')
    return ToolCall(name=name, arguments=arguments)
