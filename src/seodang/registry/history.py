"""Read and extend registry/history.jsonl: every promotion and rollback with author, time and message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from seodang.config.validation_errors import describe_read_error
from seodang.errors import ArtifactError
from seodang.i18n import _
from seodang.io.atomic import write_atomically
from seodang.io.jsonl import format_json_line
from seodang.registry.champion import Champion, Version

Action = Literal["promote", "rollback"]


class RegistryEvent(Champion):
    """A promotion or a rollback: the new champion and the previous one."""

    action: Action
    previous: Version | None
    best: Annotated[list[Version], Field(default_factory=list)]
    """Earlier champions that candidates are compared with from then on."""


def read_history(path: Path) -> list[RegistryEvent]:
    """Return all events, oldest first; an empty list before the first promotion.

    Raises:
        ArtifactError: If a line is damaged.
    """
    try:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [RegistryEvent.model_validate(json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, ValidationError) as error:
        raise ArtifactError(
            _(
                "{file} cannot be read ({error}); restore it: git checkout -- registry/history.jsonl",
                file=path,
                error=describe_read_error(error),
            )
        ) from error


def append_event(path: Path, event: RegistryEvent) -> None:
    """Append one line; the file is replaced atomically."""
    content = path.read_text("utf-8") if path.exists() else ""
    fields = {"action": event.action, "previous": event.previous, **get_champion(event).model_dump()}
    write_atomically(path, [content, format_json_line({**fields, "best": event.best} if event.best else fields)])


def get_champion(event: RegistryEvent) -> Champion:
    """Return the champion of an event."""
    return Champion(**{name: getattr(event, name) for name in Champion.model_fields})


def find_event_by_weights(history: list[RegistryEvent], weights_sha256: str) -> RegistryEvent | None:
    """Return the newest event of the version with these served weights; weights have one version."""
    return next((event for event in reversed(history) if event.weights_sha256 == weights_sha256), None)


def find_event_by_version(history: list[RegistryEvent], version: str) -> RegistryEvent | None:
    """Return the newest event of a version."""
    return next((event for event in reversed(history) if event.version == version), None)


def find_previous_version(history: list[RegistryEvent], version: str) -> str | None:
    """Return the champion before the first promotion of a version, so that repeated rollbacks go further back."""
    return next((event.previous for event in history if event.version == version and event.action == "promote"), None)
