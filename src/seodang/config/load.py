"""Read params.yaml, laid over defaults.yaml: parsed once, with all errors in one message."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from seodang.config import (
    DefaultRuleParams,
    DefaultThresholdParams,
    Params,
    RuleParams,
    Section,
    SourceParams,
    ThresholdParams,
)
from seodang.config.migration import PARAMS_RENAMES, Rename, migrate
from seodang.config.validation_errors import format_validation_errors
from seodang.config.yaml_file import read_yaml
from seodang.errors import ParamsError
from seodang.i18n import _

S = TypeVar("S", bound=Section)
DEFAULTS: Final = Path(__file__).with_name("defaults.yaml")
# List -> the mapping with the defaults of its items, as section.name, and the items' section. An item of
# default_rules takes the values of rule_defaults that it has a field for.
METHOD_DEFAULTS: Final = ("align", "method_defaults")  # section, and the values that belong to each of its methods
ITEM_DEFAULTS: Final[Mapping[tuple[str, str], tuple[str, type[Section]]]] = {
    ("ingest", "sources"): ("ingest.source_defaults", SourceParams),
    ("align", "sources"): ("ingest.source_defaults", SourceParams),
    ("gate", "rules"): ("gate.rule_defaults", RuleParams),
    ("gate", "default_rules"): ("gate.rule_defaults", DefaultRuleParams),
    ("gate", "thresholds"): ("gate.threshold_defaults", ThresholdParams),
    ("gate", "default_thresholds"): ("gate.threshold_defaults", DefaultThresholdParams),
}


def load_params(path: Path) -> Params:
    """Return the parameters of a project: its params.yaml laid over defaults.yaml.

    Raises:
        ParamsError: With all errors: old names, unknown names, wrong values, gate rules about task files that
            `evaluate` does not use.
    """
    params = parse_params(resolve_params(read_params(path)), str(path))
    _check_task_files(params, path)
    return params


def read_params(path: Path) -> dict[str, Any]:
    """Return the mapping in a params.yaml, without the defaults.

    Raises:
        ParamsError: If it is not readable, has an old name, or lacks a section, which DVC needs in this file.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ParamsError(_("{path} is no regular file; restore it: git checkout {path}", path=path))
    raw = read_yaml(path)
    check_names(raw, PARAMS_RENAMES, path)
    required = [name for name in Params.model_fields if name not in Params.OPTIONAL_SECTIONS]
    if missing := [name for name in required if not isinstance(raw.get(name), dict)]:
        sections = "\n".join(f"  {name}: {{}}" for name in missing)
        raise ParamsError(
            _("{path} lacks sections that DVC looks for; add these lines:\n{sections}", path=path, sections=sections)
        )
    return raw


def resolve_params(overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters: the defaults with the overlay's values, each list item with the defaults of its list.

    What the overlay does not set in section align has the default of its method, if there is one.
    """
    resolved = _apply_method_defaults(merge_overlay(read_defaults(), overlay), overlay)
    for (section, name), (defaults_name, item_section) in ITEM_DEFAULTS.items():
        content = resolved.get(section)
        items = content.get(name) if isinstance(content, dict) else None
        if isinstance(content, dict) and isinstance(items, list):
            defaults = _select_fields(_get_item_defaults(resolved, defaults_name), defaults_name, item_section)
            content[name] = [{**defaults, **item} if isinstance(item, dict) else item for item in items]
    for defaults_name, _section in ITEM_DEFAULTS.values():
        section, _dot, name = defaults_name.partition(".")
        if isinstance(content := resolved.get(section), dict):
            content.pop(name, None)
    return resolved


def _apply_method_defaults(resolved: dict[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    section, name = METHOD_DEFAULTS
    content, own = resolved.get(section), overlay.get(section)
    values = content.pop(name, {}) if isinstance(content, dict) else {}
    if isinstance(content, dict) and isinstance(values, dict) and isinstance(content.get("method"), str):
        mine = values.get(name_method(content), {})
        own_values = {key: value for key, value in own.items() if key != name} if isinstance(own, dict) else {}
        resolved[section] = merge_overlay(merge_overlay(content, mine), own_values)
    return resolved


def name_method(align: Mapping[str, Any]) -> str:
    """Return the name by which align.method_defaults has the values of a section's method."""
    is_rated = align["method"] == "grpo" and align.get("reward") == "model"
    return "grpo_reward_model" if is_rated else str(align["method"])


def _get_item_defaults(resolved: Mapping[str, Any], defaults_name: str) -> Any:
    section, _dot, name = defaults_name.partition(".")
    content = resolved.get(section)
    return content.get(name, {}) if isinstance(content, dict) else {}


def read_item_defaults(section: str, name: str) -> dict[str, Any]:
    """Return the default values of the items of a list, such as ("ingest", "sources")."""
    defaults_name, item_section = ITEM_DEFAULTS[section, name]
    return _select_fields(_get_item_defaults(read_defaults(), defaults_name), defaults_name, item_section)


def read_defaults() -> dict[str, Any]:
    """Return the content of defaults.yaml, a copy that the caller may change. It is parsed once in a process."""
    return copy.deepcopy(_parse_defaults())


@cache
def _parse_defaults() -> dict[str, Any]:
    return read_yaml(DEFAULTS)


def _select_fields(defaults: object, defaults_name: str, section: type[Section]) -> dict[str, Any]:
    """Return the default values of the fields that a section has; wrong names stay, so that parsing reports them."""
    known = {name for other, each in ITEM_DEFAULTS.values() if other == defaults_name for name in each.model_fields}
    items = defaults.items() if isinstance(defaults, dict) else ()
    return {name: value for name, value in items if name in section.model_fields or name not in known}


def parse_params(raw: object, source: str) -> Params:
    """Return the parsed parameters.

    Args:
        raw: All parameters, as `resolve_params` returns them.
        source: Named in the message, such as "params.yaml".

    Raises:
        ParamsError: With every error: its place, the rule and the value found.
    """
    return parse_section(Params, raw, source)


def parse_section(section: type[S], raw: object, source: str) -> S:
    """Return a mapping parsed as a section; arguments and errors are those of parse_params."""
    try:
        return section.model_validate(raw)
    except ValidationError as error:
        raise ParamsError(
            _(
                "{source} cannot be used:\n{errors}\nCorrect {source} and run again.",
                source=source,
                errors="\n".join(f"  {line}" for line in format_validation_errors(error)),
            )
        ) from error


def check_names(raw: Mapping[str, Any], renames: tuple[Rename, ...], path: Path | str) -> None:
    """Refuse a file with old parameter names.

    Raises:
        ParamsError: With each old name, the new one, and the command that rewrites the file.
    """
    if changes := migrate(copy.deepcopy(raw), renames):
        raise ParamsError(
            _(
                "{path} has names that are now others:\n{changes}\nRewrite it: seodang config migrate {path}",
                path=path,
                changes="\n".join(f"  {change}" for change in changes),
            )
        )


def merge_overlay(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the overlay's values; mappings are merged, all else is replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        nested = merged.get(key)
        merged[key] = merge_overlay(nested, value) if isinstance(nested, dict) and isinstance(value, dict) else value
    return merged


def _check_task_files(params: Params, path: Path) -> None:
    """Refuse gate rules about task files that `evaluate` does not use."""
    lists = [*(rule.tasks for rule in params.gate.rules), *(bound.tasks for bound in params.gate.thresholds)]
    rule_tasks = {task for tasks in lists for task in tasks} - set(params.evaluate.tasks)
    if unused := sorted(task for task in rule_tasks if (path.parent / "tasks" / f"{task}.yaml").exists()):
        raise ParamsError(
            _(
                "{path}: gate names the task files {tasks}, which evaluate.tasks does not; "
                "add them there, or remove their rules",
                path=path,
                tasks=", ".join(unused),
            )
        )
