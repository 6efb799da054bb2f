"""registry/history.jsonl: every promotion and rollback with who, when and why. Lines are added, never changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from seodang.errors import ArtefactError
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import json_line
from seodang.registry.champion import Champion, Version

Action = Literal["promote", "rollback"]


class Move(Champion):
    """The champion that a move made, and the one before it."""

    action: Action
    previous: Version | None


def read_history(path: Path) -> list[Move]:
    """Return every move, the first one first; none when nothing was ever promoted.

    Raises:
        ArtefactError: If a line is damaged.
    """
    try:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [Move.model_validate(json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, ValidationError) as error:
        raise ArtefactError(
            f"{path} cannot be read ({error}); restore it: git checkout -- registry / 이력을 읽을 수 없습니다"
        ) from error


def add_move(path: Path, move: Move) -> None:
    """Add one line; the file is whole at any moment."""
    before = path.read_text("utf-8") if path.exists() else ""
    write_atomically(
        path, [before, json_line({"action": move.action, "previous": move.previous, **champion_of(move).model_dump()})]
    )


def champion_of(move: Move) -> Champion:
    """Return the champion that a move made."""
    return Champion(**{name: getattr(move, name) for name in Champion.model_fields})


def version_with(history: list[Move], weights_sha256: str) -> Move | None:
    """Return the newest move of the version with these served weights: weights are registered once."""
    return next((move for move in reversed(history) if move.weights_sha256 == weights_sha256), None)


def version_named(history: list[Move], version: str) -> Move | None:
    """Return the newest move of a version."""
    return next((move for move in reversed(history) if move.version == version), None)


def before(history: list[Move], version: str) -> str | None:
    """Return the version that was champion when `version` was first promoted: rollback upon rollback goes further back."""
    return next((move.previous for move in history if move.version == version and move.action == "promote"), None)
