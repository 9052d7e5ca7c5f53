"""Tools as functions with a JSON schema: checked arguments, a time limit, an error in words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from lib.environments.environment import CallResult, CallStatus, Content, ToolCall


class ToolError(Exception):
    """A call that a tool cannot serve, for a reason that helps the policy."""


@dataclass(frozen=True)
class Tool:
    """An asynchronous function whose arguments a pydantic model checks."""

    name: str
    description: str
    arguments: type[BaseModel]
    run: Callable[[BaseModel], Awaitable[Content]]

    @property
    def schema(self) -> dict[str, object]:
        """The function-calling form that chat templates and endpoints take."""
        parameters = self.arguments.model_json_schema()
        parameters.pop("title", None)
        return {
            "type": "function",
            "function": {"name": self.name, "description": self.description, "parameters": parameters},
        }


async def call_tool(tools: Mapping[str, Tool], call: ToolCall, *, timeout_s: float) -> CallResult:
    """Check the arguments, run the tool within its time, and put any failure into words."""
    started = time.perf_counter()

    def result(status: CallStatus, content: Content) -> CallResult:
        return CallResult(call, status, content, time.perf_counter() - started)

    tool = tools.get(call.name)
    if tool is None:
        return result(CallStatus.REFUSED, f"Error: there is no tool {call.name!r}; tools: {', '.join(tools)}")
    try:
        arguments = tool.arguments.model_validate(call.arguments)
    except ValidationError as error:
        return result(CallStatus.REFUSED, f"Error: {call.name}: {_first_fault(error)}")
    try:
        return result(CallStatus.OK, await asyncio.wait_for(tool.run(arguments), timeout_s))
    except ToolError as error:
        return result(CallStatus.REFUSED, f"Error: {error}")
    except TimeoutError:
        return result(CallStatus.FAILED, f"Error: {call.name} gave no result within {timeout_s:g} s")
    except Exception as error:  # boundary: a broken tool is the episode's result, not its end
        return result(CallStatus.FAILED, f"Error: {call.name} failed: {type(error).__name__}")


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    return f"{key}: {fault['msg']}" if key else fault["msg"]
