"""Tools as functions with a JSON schema."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema
from pydantic import BaseModel, RootModel

from lib.environments.environment import Content


class ToolError(Exception):
    """A call that a tool cannot serve, for a reason that helps the policy."""


class SchemaArguments:
    """Arguments that a JSON schema describes; stands where a pydantic model does."""

    def __init__(self, schema: Mapping[str, Any]):
        self._schema = dict(schema)
        self._validator = jsonschema.validators.validator_for(self._schema)(self._schema)

    def model_json_schema(self) -> dict[str, Any]:
        return dict(self._schema)

    def model_validate(self, values: Mapping[str, Any]) -> RootModel[dict[str, Any]]:
        """Raises ToolError for what does not fit."""
        fault = jsonschema.exceptions.best_match(self._validator.iter_errors(dict(values)))
        if fault is not None:
            raise ToolError(": ".join(filter(None, (".".join(map(str, fault.absolute_path)), fault.message))))
        return RootModel[dict[str, Any]](dict(values))


class ToolReport(Exception):  # noqa: N818 - what a tool says, no failure of it
    """What a tool says of a call that it could not serve; an observation that holds for this call alone."""


@dataclass(frozen=True)
class Tool:
    """A function whose arguments are checked first; one that is not asynchronous runs in a thread."""

    name: str
    description: str
    arguments: type[BaseModel] | SchemaArguments
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
