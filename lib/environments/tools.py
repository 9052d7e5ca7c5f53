"""Tools as functions with a JSON schema."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel

from lib.environments.environment import Content


class ToolError(Exception):
    """A call that a tool cannot serve, for a reason that helps the policy."""


@dataclass(frozen=True)
class Tool:
    """A function whose arguments a pydantic model checks; one that is not asynchronous runs in a thread."""

    name: str
    description: str
    arguments: type[BaseModel]
    run: Callable[[BaseModel], Awaitable[Content] | Content]
    # Equal arguments give equal results, and a call leaves no trace: it may be made again, or spared.
    is_pure: bool = False

    @property
    def schema(self) -> dict[str, object]:
        """The function-calling form that chat templates and endpoints take."""
        parameters = self.arguments.model_json_schema()
        parameters.pop("title", None)
        return {
            "type": "function",
            "function": {"name": self.name, "description": self.description, "parameters": parameters},
        }
