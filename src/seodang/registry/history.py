"""registry/history.jsonl: every promotion and rollback with who, when and why. Lines are added, never changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from seodang.errors import ArtefactError
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import format_json_line
from seodang.registry.champion import Champion, Version

Action = Literal["promote", "rollback"]


class RegistryEvent(Champion):
    """The champion that a move made, and the one before it."""

    action: Action
    previous: Version | None


def read_history(path: Path) -> list[RegistryEvent]:
    """Return every move, the first one first; none when nothing was ever promoted.

    Raises:
        ArtefactError: If a line is damaged.
    """
    try:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [RegistryEvent.model_validate(json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, ValidationError) as error:
        raise ArtefactError(
            f"{path} cannot be read ({error}); restore it: git checkout -- registry / 이력을 읽을 수 없습니다"
        ) from error


def append_event(path: Path, event: RegistryEvent) -> None:
    """Add one line; the file is whole at any moment."""
    content = path.read_text("utf-8") if path.exists() else ""
    write_atomically(
        path,
        [
            content,
            format_json_line({"action": event.action, "previous": event.previous, **get_champion(event).model_dump()}),
        ],
    )


def get_champion(event: RegistryEvent) -> Champion:
    """Return the champion that a move made."""
    return Champion(**{name: getattr(event, name) for name in Champion.model_fields})


def find_event_by_weights(history: list[RegistryEvent], weights_sha256: str) -> RegistryEvent | None:
    """Return the newest move of the version with these served weights: weights are registered once."""
    return next((move for move in reversed(history) if move.weights_sha256 == weights_sha256), None)


def find_event_by_version(history: list[RegistryEvent], version: str) -> RegistryEvent | None:
    """Return the newest move of a version."""
    return next((move for move in reversed(history) if move.version == version), None)


def find_previous_version(history: list[RegistryEvent], version: str) -> str | None:
    """Return the version that was champion when `version` was first promoted: rollback upon rollback goes further back."""
    return next((move.previous for move in history if move.version == version and move.action == "promote"), None)
