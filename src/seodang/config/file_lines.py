"""Parse a section that is a whole YAML file, and give each error with its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from seodang.config.section import Section
from seodang.config.validation_errors import format_error
from seodang.config.yaml_file import read_yaml
from seodang.errors import ParamsError
from seodang.i18n import _

S = TypeVar("S", bound=Section)


def parse_file_section(section: type[S], path: Path) -> S:
    """Return the content of a YAML file as a section.

    Raises:
        ParamsError: With every error: its line, its field, the rule and the value found.
    """
    raw = read_yaml(path)
    try:
        return section.model_validate(raw)
    except ValidationError as error:
        content = YAML(typ="rt").load(path.read_text("utf-8-sig"))
        errors = []
        for detail in error.errors(include_url=False):
            place = drop_tags(raw, detail["loc"])
            text = format_error({**detail, "loc": place})
            errors.append(_("line {line}: {error}", line=find_line(content, place), error=text))
        raise ParamsError(
            _(
                "{source} cannot be used:\n{errors}\nCorrect {source} and run again.",
                source=path,
                errors="\n".join(f"  {line}" for line in errors),
            )
        ) from error


def drop_tags(content: object, place: Sequence[int | str]) -> tuple[int | str, ...]:
    """Return a place without the names of kinds that pydantic adds to it: they are no keys of the file."""
    kept: list[int | str] = []
    for key in place:
        if isinstance(content, Mapping) and key not in content and content.get("kind") == key:
            continue
        kept.append(key)
        if isinstance(content, Mapping):
            content = content.get(key)
        elif isinstance(content, Sequence) and isinstance(key, int) and key < len(content):
            content = content[key]
    return tuple(kept)


def find_line(content: object, place: Sequence[int | str]) -> int:
    """Return the line, from 1, of the innermost key of a place that the file has.

    A field that is missing has the line of the mapping that lacks it.
    """
    line = 0
    for key in place:
        if isinstance(content, CommentedMap) and key in content:
            line = content.lc.key(key)[0]
        elif isinstance(content, CommentedSeq) and isinstance(key, int) and key < len(content):
            line = content.lc.item(key)[0]
        else:
            continue
        content = content[key]
    return line + 1
