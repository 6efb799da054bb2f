"""Which models are served beside the packaged one: adapters, and the base that they belong to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from seodang.config import PromptFormat
from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.prompting import PROMPT_TEMPLATES

ADAPTERS: Final = "SEODANG_ADAPTERS"
BASE_MODEL: Final = "SEODANG_BASE_MODEL"
BASE_FORMAT: Final = "SEODANG_BASE_FORMAT"
BASE_NAME: Final = "base"
"""Name under which requests find the base."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ModelSources:
    """Folders of the models beside the packaged one."""

    base: Path | None = None
    """Checkpoint of the base; None: only the packaged model is served."""
    base_format: PromptFormat | None = None
    """Prompt format of the base; None: the best one of the evaluation beside it, else its chat template, or `plain`."""
    adapters: Mapping[str, Path] = field(default_factory=dict)
    """Folder of each adapter by its name."""


def read_model_sources(environment: Mapping[str, str] | None = None) -> ModelSources:
    """Return the models that the environment names.

    SEODANG_BASE_MODEL is the folder of the base, and SEODANG_ADAPTERS is `NAME=FOLDER,NAME=FOLDER`. SEODANG_BASE_FORMAT
    is the prompt format of the base.

    Raises:
        SeodangError: With every error of the three variables.
    """
    environment = os.environ if environment is None else environment
    problems: list[str] = []
    adapters = parse_adapters(filter(None, map(str.strip, environment.get(ADAPTERS, "").split(","))), problems)
    base, format = environment.get(BASE_MODEL, "").strip(), environment.get(BASE_FORMAT, "").strip()
    if adapters and not base:
        problems.append(_("{variable}: adapters need the folder of their base", variable=BASE_MODEL))
    if format and format not in PROMPT_TEMPLATES:
        problems.append(
            _(
                "{variable}: there is no prompt format {format!r}; the formats are {formats}",
                variable=BASE_FORMAT,
                format=format,
                formats=", ".join(PROMPT_TEMPLATES),
            )
        )
    raise_problems(problems)
    return ModelSources(Path(base) if base else None, cast(PromptFormat, format) if format else None, adapters)


def parse_adapters(entries: Iterable[str], problems: list[str]) -> dict[str, Path]:
    """Return the folder of each adapter by its name.

    Args:
        entries: NAME=FOLDER.
        problems: Gets the errors.
    """
    adapters: dict[str, Path] = {}
    for entry in entries:
        name, _separator, folder = entry.partition("=")
        name, folder = name.strip(), folder.strip()
        if not _NAME.fullmatch(name) or not folder:
            problems.append(
                _(
                    "{entry!r} is not NAME=FOLDER; a name has up to 64 letters, digits, dots, dashes or underscores",
                    entry=entry,
                )
            )
        elif name == BASE_NAME or name in adapters:
            problems.append(_("{name}: another model has this name; choose a different one", name=name))
        else:
            adapters[name] = Path(folder)
    return adapters


def raise_problems(problems: Sequence[str]) -> None:
    """Raise one error with all problems, if there are any.

    Raises:
        SeodangError: With one line for each problem.
    """
    if problems:
        raise SeodangError("\n".join([_("the models beside the packaged one cannot be served:"), *problems]))
