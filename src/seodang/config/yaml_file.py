"""Read a YAML file of a user: what is wrong with it, in one message with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from seodang.config.validation_errors import format_value
from seodang.errors import ParamsError
from seodang.i18n import _

_MAX_DEPTH: Final = 50  # levels of nested values; parameters have about 8


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file. It is YAML 1.2, as DVC reads it: 3e-3 is a number, yes and no are text.

    Raises:
        ParamsError: If the file is missing, not UTF-8, not YAML, or not a mapping.
    """
    raw = _parse(path)
    if isinstance(raw, dict):
        return raw
    if raw is None:
        raise ParamsError(_("{path} is empty; restore it: git checkout {path}", path=path))
    raise ParamsError(
        _(
            "{path} has no sections (names with values below them), only {value}; compare it with the file in git",
            path=path,
            value=format_value(raw),
        )
    )


def _parse(path: Path) -> object:
    """Return the value in a YAML file, which is not nested without an end."""
    try:
        text = path.read_text("utf-8-sig")
        check_conflict(text, path)
        raw: object = YAML(typ="safe").load(text)
        if _is_too_deep(raw):
            raise RecursionError
    except FileNotFoundError as error:
        raise ParamsError(
            _(
                "{path} does not exist; run in the folder of the project, or restore the file: git checkout {path}",
                path=path,
            )
        ) from error
    except UnicodeDecodeError as error:
        raise ParamsError(
            _(
                "{path} is not UTF-8 text (byte {position}); save it as UTF-8 in the editor, or convert it: iconv -f"
                " {encoding} -t utf-8",
                path=path,
                position=error.start + 1,
                encoding="utf-16" if error.object[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp949",
            )
        ) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise ParamsError(
            _("{path} is not readable YAML: {error}", path=path, error=_describe_yaml_error(error))
        ) from error
    return raw


def check_conflict(text: str, path: Path) -> None:
    """Refuse a file with the marks of a merge conflict, which YAML and DVC describe as odd syntax.

    Raises:
        ParamsError: With the line of the first mark.
    """
    lines = text.splitlines()
    line = next((number for number, line in enumerate(lines, start=1) if line.startswith("<<<<<<< ")), None)
    if line is not None:
        raise ParamsError(
            _(
                "{path}, line {line}: git left a merge conflict here; edit the file, or take one side of it: git checkout"
                " --ours {path}",
                path=path,
                line=line,
            )
        )


def _is_too_deep(raw: object) -> bool:
    """Return whether values are nested deeper than any parameter, or without an end by an alias."""
    level = [raw]
    for _depth in range(_MAX_DEPTH):
        below = [value for each in level for value in _list_values(each)]
        level = list({id(value): value for value in below if isinstance(value, (dict, list))}.values())
        if not level:
            return False
    return True


def _list_values(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _describe_yaml_error(error: Exception) -> str:
    """Return the problem with its line; ruamel's own text has several lines and an address."""
    if isinstance(error, RecursionError):
        return _("it is nested too deeply, or an alias refers to itself")
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, MarkedYAMLError) or mark is None:
        return str(error).splitlines()[0]
    problem = " ".join(part for part in (error.context, error.problem) if part)
    return _("line {line}, column {column}: {problem}", line=mark.line + 1, column=mark.column + 1, problem=problem)
