"""The fields of tools in chats."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from seodang.i18n import _
from seodang.service.http.api_error import reject_field
from seodang.service.routes.field_types import OBJECT, TEXT, TEXT_OR_OBJECT, OpenObject, Text

_MAX_TOOLS: Final = 128
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class FunctionDescription(OpenObject):
    """A function that the model may call."""

    name: Name
    description: Text | None = None
    parameters: dict[str, Any] | None = None
    """JSON schema of the arguments; None: no arguments."""
    strict: bool | None = None
    """Changes nothing: all arguments keep the schema."""


class Tool(OpenObject):
    """A tool."""

    type: Literal["function"]
    function: FunctionDescription


class NamedFunction(OpenObject):
    """The name of a function."""

    name: Text


class NamedTool(OpenObject):
    """A tool that the answer must call."""

    type: Literal["function"]
    function: NamedFunction


class FunctionCall(OpenObject):
    """A call of a function."""

    name: Name
    arguments: Text
    """JSON."""


class ToolCall(OpenObject):
    """A call in an earlier answer."""

    id: Text | None = None
    type: Literal["function"] | None = None
    function: FunctionCall


class ToolFields(BaseModel):
    """The fields of a chat that concern tools."""

    tools: Annotated[list[Tool], Field(fail_fast=True, max_length=_MAX_TOOLS)] | None = None
    tool_choice: (
        Annotated[
            Annotated[Literal["none", "auto", "required"], TEXT] | Annotated[NamedTool, OBJECT],
            TEXT_OR_OBJECT,
        ]
        | None
    ) = None
    """Whether the answer calls tools; auto by default."""
    parallel_tool_calls: bool | None = None
    """Whether an answer may have several calls; true by default, where the model's chat template has them."""


def get_parameters(tool: Tool) -> dict[str, Any]:
    """Return the schema of a function's arguments, which are always an object."""
    parameters = tool.function.parameters
    if parameters is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    return parameters if "type" in parameters else {**parameters, "type": "object"}


def describe_tool(tool: Tool) -> dict[str, Any]:
    """Return a tool as chat templates read it."""
    function = tool.function
    described = {"name": function.name, "description": function.description or "", "parameters": get_parameters(tool)}
    return {"type": "function", "function": described}


def read_arguments(call: ToolCall, field: str) -> dict[str, Any]:
    """Return the arguments of a call as an object, as chat templates read them.

    Raises:
        ApiError: If they are no JSON object.
    """
    try:
        arguments = json.loads(call.function.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise reject_field(field, _("the arguments of a call must be a JSON object"))
    return arguments
