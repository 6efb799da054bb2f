"""The grammar of an answer that may or must call tools."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from seodang.i18n import _
from seodang.inference.engine.contract import GuideFailed
from seodang.inference.guides.grammars import build_schema_body, quote
from seodang.service.tools.call_format import ID, ID_LENGTH, ToolFormat
from seodang.service.tools.requests import Tool, get_parameters

_CALLS = "calls"


def build_tool_rules(
    format: ToolFormat, tools: Sequence[Tool], *, is_parallel: bool, controls: Mapping[str, int]
) -> dict[str, str]:
    """Return the rules of calls, by name; `calls` is all calls of an answer without the trigger of the first one.

    Args:
        format: How the model writes calls.
        tools: Those that may be called.
        is_parallel: Whether an answer may have several calls.
        controls: Control tokens by their text.

    Raises:
        GuideFailed: If the schema of a function's arguments is not supported.
    """
    rest = format.begin.removeprefix(format.find_trigger(controls))
    more = f" (({write(format.separator, controls)}) call)*" if is_parallel and format.separator else ""
    rules = {
        _CALLS: f"{write(rest, controls)} call{more} {write(format.end, controls)}",
        "call": " | ".join(f"call_{index}" for index in range(len(tools))),
    }
    for index, tool in enumerate(tools):
        rules[f"call_{index}"] = f"{quote(tool.function.name)} {write(format.middle, controls)} arguments_{index}"
        try:
            rules[f"arguments_{index}"] = build_schema_body(get_parameters(tool))
        except GuideFailed as error:
            raise GuideFailed(str(error), f"tools.{index}.function.parameters") from error
    return rules


def build_required_body(format: ToolFormat, controls: Mapping[str, int]) -> str:
    """Return the rule of an answer that calls a tool."""
    return f"{write(format.find_trigger(controls), controls)} {_CALLS}"


def build_auto_body(format: ToolFormat, controls: Mapping[str, int], form: str | None) -> tuple[str, dict[str, str]]:
    """Return the rule of an answer that may call a tool, and the rules that it refers to.

    Args:
        format: How the model writes calls.
        controls: Control tokens by their text.
        form: Rule of an answer without a call; None: any text.

    Raises:
        GuideFailed: If a call looks like an answer of this form.
    """
    calls, trigger = build_required_body(format, controls), format.find_trigger(controls)
    readable = strip_controls(format, controls)
    if form is not None:
        if not readable.has_marker:
            raise GuideFailed(
                _("this model's calls of tools look like other JSON; leave out the tools, or require one")
            )
        return f"{calls} | form", {"form": form}
    if not readable.has_marker:  # the text of an answer that begins with this brace is read as a call
        return f"{calls} | TEXT?", {"TEXT": rf"/[^{re.escape(readable.begin[:1])}](?s:.*)/"}
    if trigger in controls:
        return f"{calls} | TEXT", {"TEXT": "/(?s:.*)/"}
    trigger = re.escape(trigger).replace("/", r"\/")
    return f"opening {_CALLS} | TEXT", {
        "opening[lazy]": rf"/(?s:.*){trigger}/",
        "TEXT": rf"/(?s:.*)/ & ~/(?s:.*){trigger}(?s:.*)/",
    }


def write(text: str, controls: Mapping[str, int]) -> str:
    """Return the literal of a text, in which control tokens stand as tokens."""
    if not text:
        return '""'
    pattern = "|".join(map(re.escape, [*sorted(controls, key=len, reverse=True), ID]))
    return " ".join(_write_part(part, controls) for part in re.split(f"({pattern})", text) if part)


def _write_part(part: str, controls: Mapping[str, int]) -> str:
    if part == ID:
        return f"/[a-zA-Z0-9]{{{ID_LENGTH}}}/"
    return f"<[{controls[part]}]>" if part in controls else quote(part)


def strip_controls(format: ToolFormat, controls: Mapping[str, int]) -> ToolFormat:
    """Return a format without control tokens, which the text of an answer does not have."""

    def strip(text: str) -> str:
        for control in controls:
            text = text.replace(control, "")
        return text

    separator = None if format.separator is None else strip(format.separator)
    return ToolFormat(strip(format.begin).lstrip(), strip(format.middle), separator, strip(format.end).rstrip())
