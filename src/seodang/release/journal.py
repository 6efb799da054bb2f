"""The journal of the release or rollback that runs, and the records of those that ended.

The journal shows what a killed command has done, and keeps what a second call could not find out again: the version
and the port that answered before. Each step looks at the state itself, so it may run twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from seodang.errors import ArtifactError
from seodang.i18n import _
from seodang.io.atomic import remove_stale_parts, write_atomically
from seodang.io.jsonl import format_json_line, read_rows
from seodang.io.process_lock import hold_process_lock
from seodang.paths import Paths

Action = Literal["release", "rollback"]
Step = Literal["promote", "build", "traffic", "registry", "start", "smoke", "verify", "watch", "stop", "record"]
Outcome = Literal["released", "rolled_back", "undecided"]
ReportWaiting = Callable[[str], None]
"""Gets the process id and the command of the process that this one waits for."""
_JOURNAL: Final = "journal.json"
_RECORDS: Final = "releases.jsonl"


class Journal(BaseModel):
    """A release or a rollback."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """Unique. A rollback that an event caused has the id of the canary that fell."""
    action: Action
    port: int
    """That clients connect to."""
    started_at: str
    """UTC."""
    reason: str | None = None
    previous: str | None = None
    """Version that was champion before; None if there was none."""
    version: str | None = None
    """Version that is put into service; None before the promotion."""
    model_tag: str | None = None
    live_port: int | None = None
    """Port of the service that answered before; None if none did."""
    steps: dict[str, str] = {}
    """Time at which each step ended, UTC."""
    outcome: Outcome | None = None
    """None while it is not finished."""


def create_journal(action: Action, port: int, reason: str | None, id: str | None = None) -> Journal:
    """Return the journal of a release or rollback that begins now."""
    return Journal(id=id or uuid.uuid4().hex[:12], action=action, port=port, reason=reason, started_at=get_time())


def read_journal(paths: Paths) -> Journal | None:
    """Return the journal of the last release or rollback, finished or not; None before the first one.

    Raises:
        ArtifactError: If it is damaged.
    """
    file = paths.release / _JOURNAL
    try:
        return Journal.model_validate_json(file.read_bytes()) if file.is_file() else None
    except (OSError, ValidationError) as error:
        raise ArtifactError(
            _("{file} cannot be read; remove it: the running services and the registry stay as they are", file=file)
        ) from error


def write_journal(paths: Paths, journal: Journal) -> None:
    """Write the journal; it is on the disk when this function returns."""
    write_atomically(paths.release / _JOURNAL, [journal.model_dump_json(indent=1)])


def record_end(paths: Paths, journal: Journal) -> None:
    """Add a finished release or rollback to the records, once."""
    if not has_record(paths, journal.id, journal.action):
        file = paths.release / _RECORDS
        before = file.read_text("utf-8") if file.is_file() else ""
        write_atomically(file, [before, format_json_line(journal.model_dump())])


def has_record(paths: Paths, id: str, action: Action) -> bool:
    """Return whether a release or rollback has ended."""
    return any(row["id"] == id and row["action"] == action for row in list_records(paths))


def list_records(paths: Paths) -> list[dict[str, Any]]:
    """Return the releases and rollbacks that ended, oldest first."""
    file = paths.release / _RECORDS
    return list(read_rows(file)) if file.is_file() else []


def get_time() -> str:
    """Return the present time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def hold_order(paths: Paths, report_waiting: ReportWaiting) -> Iterator[None]:
    """Let one release follow the other: the lock is held while a canary is watched, too."""
    with hold_process_lock(_get_lock(paths, "release-order"), report_waiting):
        yield


@contextmanager
def hold_service(paths: Paths, report_waiting: ReportWaiting) -> Iterator[None]:
    """Let one process at a time change registry, services and router; a rollback need not wait for a canary's watch."""
    with hold_process_lock(_get_lock(paths, "release"), report_waiting):
        remove_stale_parts(paths.release / _JOURNAL)
        remove_stale_parts(paths.release / _RECORDS)
        yield


def _get_lock(paths: Paths, name: str) -> Path:
    return paths.locks / name
