"""The resolved parameters, each with the file and line that its value comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from seodang.config.load import DEFAULTS, ITEM_DEFAULTS, METHOD_DEFAULTS, name_method, read_params, resolve_params


def list_parameters(path: Path) -> Iterator[tuple[str, Any, str]]:
    """Yield each parameter's dotted name, its value, and its origin such as "params.yaml:23".

    Args:
        path: params.yaml of the project.

    Raises:
        ParamsError: If it is not readable or has an old name.
    """
    resolved = resolve_params(read_params(path))
    yaml = YAML()
    own, defaults = yaml.load(path.read_text("utf-8")), YAML().load(DEFAULTS.read_text("utf-8"))
    section, values = METHOD_DEFAULTS
    chosen = (section, values, name_method(resolved[section]))
    for name, value in _iter_leaves(resolved):
        of_method = _find_line(defaults, (*chosen, *name[1:])) if name[0] == section else None
        yield ".".join(map(str, name)), value, _find_origin(name, own, defaults, path.name, of_method)


def _iter_leaves(content: Any, name: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield the values of nested mappings and of lists of mappings; other lists are values themselves."""
    if isinstance(content, Mapping) and content:
        for key, value in content.items():
            yield from _iter_leaves(value, (*name, key))
    elif isinstance(content, list) and content and all(isinstance(item, Mapping) for item in content):
        for index, item in enumerate(content):
            yield from _iter_leaves(item, (*name, index))
    else:
        yield name, content


def _find_origin(name: tuple[str | int, ...], own: Any, defaults: Any, file: str, of_method: int | None) -> str:
    if (line := _find_line(own, name)) is not None:
        return f"{file}:{line}"
    if (line := of_method or _find_line(defaults, name)) is not None:
        return f"{DEFAULTS.name}:{line}"
    section, list_name, *_, key = name  # an item of a list that does not set the key
    defaults_name, _section = ITEM_DEFAULTS.get((str(section), str(list_name)), ("", None))
    line = _find_line(defaults, (*defaults_name.split("."), key))
    return f"{DEFAULTS.name}:{line}" if line is not None else DEFAULTS.name


def _find_line(content: Any, name: tuple[str | int, ...]) -> int | None:
    """Return the line of a key, counted from 1; None where the file does not set it."""
    for key in name[:-1]:
        try:
            content = content[key]
        except (KeyError, IndexError, TypeError):
            return None
    if not isinstance(content, CommentedMap) or name[-1] not in content:
        return None
    try:
        return int(content.lc.key(name[-1])[0]) + 1
    except (AttributeError, KeyError):  # a key of a flow mapping has no line of its own
        return int(content.lc.line) + 1
