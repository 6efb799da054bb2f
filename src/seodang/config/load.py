"""Read params.yaml: parsed once, every fault in one message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from seodang.config import Params, Section
from seodang.errors import ParamsError

S = TypeVar("S", bound=Section)
_PASSWORD = re.compile(r"(?<=://)[^/@\s'\"]*:[^@\s'\"]*@")  # in an address: a message goes into logs


def parse_params(raw: object, source: str) -> Params:
    """Return the parsed parameters.

    Args:
        place: Named in the message, such as "params.yaml".

    Raises:
        ParamsError: Listing every fault with its place, the rule and the value found.
    """
    return parse_section(Params, raw, source)


def parse_section(section: type[S], raw: object, source: str) -> S:
    """Return parameters as a section of a type; arguments and errors are those of parse_params."""
    try:
        return section.model_validate(raw)
    except ValidationError as error:
        raise ParamsError(
            f"{source} cannot be used:\n{_format_errors(error)}\nMend these lines in {source} and run again."
        ) from error


def _format_errors(error: ValidationError) -> str:
    lines = []
    for detail in error.errors():
        location = ".".join(str(part) for part in detail["loc"])
        match detail["type"]:
            case "missing":
                lines.append(f"  {location}: is missing")
            case "extra_forbidden":
                lines.append(f"  {location}: is not a known parameter (got {_format_value(detail['input'])})")
            case _:
                lines.append(f"  {location}: {detail['msg']} (got {_format_value(detail['input'])})")
    return "\n".join(lines)


def _format_value(value: object) -> str:
    text = _PASSWORD.sub("...@", repr(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ParamsError: If the file is missing, is no UTF-8, no YAML, or no mapping.
    """
    try:
        raw = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ParamsError(
            f"{path} does not exist; run from the project's folder, or restore it with git checkout {path}"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} is not readable YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ParamsError(f"{path} holds {type(raw).__name__}, not sections; compare it with the one in git")
    return raw


def load_params(path: Path) -> Params:
    """Return the parsed params.yaml at `path`.

    Raises:
        ParamsError: If a value is faulty, or if the gate asks for a task file that `evaluate` doesn't.
    """
    params = parse_params(read_yaml(path), str(path))
    task_lists = [*(rule.tasks for rule in params.gate.rules), *(floor.tasks for floor in params.gate.thresholds)]
    wanted = {task for tasks in task_lists for task in tasks} - set(params.evaluate.tasks)
    if not_evaluated := sorted(task for task in wanted if (path.parent / "tasks" / f"{task}.yaml").exists()):
        raise ParamsError(
            f"{path}: gate names the task files {', '.join(not_evaluated)}, which evaluate.tasks does not; add them there, or take their rules out / evaluate.tasks에 더하세요"
        )
    return params


def merge_overlay(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the overlay's values; mappings are merged, all else is replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        nested = merged.get(key)
        merged[key] = merge_overlay(nested, value) if isinstance(nested, dict) and isinstance(value, dict) else value
    return merged
