"""dvc.lock after a full disk or a power cut: keep the stages that are complete, and let DVC find the others.

DVC writes dvc.lock in place, so a full disk cuts it in the middle of a stage. DVC's run cache still knows the results
of the stages that are lost here: DVC checks them out instead of running these stages again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

_STAGE: Final = re.compile(r"^  \S.*:$")  # the head of a stage: "  train:"
_CONFLICT: Final = re.compile(r"^<<<<<<< ", re.MULTILINE)
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def is_damaged(text: str) -> bool:
    """Return whether DVC would refuse a dvc.lock, or find it cut; a conflict of git is the user's to resolve."""
    if _CONFLICT.search(text):
        return False
    return not text.endswith("\n") or not _has_lock_format(text)


def cut_to_complete_stages(text: str) -> str | None:
    """Return a damaged dvc.lock up to its last complete stage; None if no stage is complete."""
    lines = text.split("\0", 1)[0].splitlines(keepends=True)
    heads = [number for number, line in enumerate(lines) if _STAGE.match(line.rstrip("\n"))]
    for end in reversed(heads):  # the stage that begins here may be incomplete
        kept = "".join(lines[:end])
        if _has_lock_format(kept):
            return kept
    return None


def list_stages(text: str) -> list[str]:
    """Return the names of the stages of a dvc.lock that is not damaged."""
    return list(_parse(text).get("stages") or {})


def read_lock_file(file: Path) -> str | None:
    """Return the text of a dvc.lock; None if there is none. Bytes that are no UTF-8 become replacement characters."""
    try:
        return file.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _has_lock_format(text: str) -> bool:
    try:
        content = _parse(text)
    except (yaml.YAMLError, ValueError):
        return False
    stages = content.get("stages")
    return "schema" in content and isinstance(stages, dict) and all(_is_stage(stage) for stage in stages.values())


def _is_stage(stage: object) -> bool:
    return isinstance(stage, dict) and "cmd" in stage and all(_is_listed(stage, name) for name in ("deps", "outs"))


def _is_listed(stage: Mapping[str, Any], name: str) -> bool:
    files = stage.get(name, [])
    return isinstance(files, list) and all(isinstance(file, dict) and "path" in file for file in files)


def _parse(text: str) -> Mapping[str, Any]:
    content = yaml.load(text, _Loader)
    if not isinstance(content, dict):
        raise ValueError(text)
    return content
