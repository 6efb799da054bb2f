"""Parse a section that is a whole YAML file, and give each error with its line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from seodang.config.section import Section
from seodang.config.validation_errors import format_validation_errors
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
        places = [detail["loc"] for detail in error.errors(include_url=False)]
        errors = [
            _("line {line}: {error}", line=find_line(content, place), error=text)
            for place, text in zip(places, format_validation_errors(error), strict=True)
        ]
        raise ParamsError(
            _(
                "{source} cannot be used:\n{errors}\nCorrect {source} and run again.",
                source=path,
                errors="\n".join(f"  {line}" for line in errors),
            )
        ) from error


def find_line(content: object, place: Sequence[int | str]) -> int:
    """Return the line, from 1, of the innermost key of a place that the file has.

    A field that is missing has the line of the mapping that lacks it. The name of a kind in the place of an error is no
    key of the file.
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
