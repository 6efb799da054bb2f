"""Notice that data of a source changed, and report it once: after the changes have stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import requests
from pydantic import BaseModel, ConfigDict

from seodang.config import IngestParams
from seodang.config.load import load_params
from seodang.errors import SourceError, describe_error
from seodang.i18n import _
from seodang.ingest.fetch.files import expand_environment, redact_url
from seodang.ingest.fetch.fsspec_stores import read_remote_versions
from seodang.ingest.preferences import add_preference_sources
from seodang.io.atomic import write_atomically
from seodang.paths import Paths
from seodang.stages.inputs import compute_checksums, iter_source_files

logger = logging.getLogger(__name__)

_FILE: Final = Path(".seodang", "watched-sources.json")
_TIMEOUT: Final = 20.0  # seconds, for each request
_VERSION_HEADERS: Final = ("ETag", "Last-Modified", "Content-Length")
_LONGEST_WAIT: Final = 10  # times the quiet time: data that change all the time are reported all the same

Versions = Mapping[str, str]


class WatchState(BaseModel):
    """What the last look at the sources found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reported: dict[str, str]
    """Version by file, as of the last report."""
    current: dict[str, str]
    first_change: datetime | None = None
    """Since when `current` differs from `reported`."""
    last_change: datetime | None = None


def update_state(
    state: WatchState | None, versions: Versions, now: datetime, quiet_seconds: float
) -> tuple[WatchState, list[str]]:
    """Return the next state, and the names of changed files if they are to be reported now.

    Args:
        state: None at the first look, which reports nothing.
        versions: By name of the file, as found now.
        now: Time of the look.
        quiet_seconds: The sources must not change for this long before a report.
    """
    found = dict(versions)
    if state is None or found == state.reported:
        return WatchState(reported=found, current=found), []
    first = min(state.first_change or now, now)  # min: somebody may have set the clock back
    last = now if found != state.current else min(state.last_change or now, now)
    quiet, waited = (now - last).total_seconds(), (now - first).total_seconds()
    if quiet < quiet_seconds and waited < _LONGEST_WAIT * quiet_seconds:
        return WatchState(reported=state.reported, current=found, first_change=first, last_change=last), []
    names = state.reported.keys() | found.keys()
    changed = sorted(name for name in names if state.reported.get(name) != found.get(name))
    return WatchState(reported=found, current=found), changed


def watch(project: Path, quiet_seconds: float, report: Callable[[list[str]], None]) -> list[str]:
    """Look at the sources of params.yaml once; return the names of changed files if they are to be reported now.

    Args:
        project: Folder of the project.
        quiet_seconds: The sources must not change for this long before a report.
        report: Gets the names. If it fails, or the process is killed, the next look reports them again.

    Raises:
        ParamsError: If params.yaml cannot be used.
    """
    file = project / _FILE
    state = WatchState.model_validate_json(file.read_text("utf-8")) if file.is_file() else None
    params = load_params(Paths(project).params)
    ingest = add_preference_sources(params.ingest, params.align)
    versions = read_versions(ingest, project, state.current if state else {})
    state, changed = update_state(state, versions, datetime.now(UTC), quiet_seconds)
    if changed:
        report(changed)
    write_atomically(file, [state.model_dump_json()])
    return changed


def read_versions(ingest: IngestParams, project: Path, last: Versions) -> dict[str, str]:
    """Return the version of each file of all sources: its checksum, or what a server names (ETag, date).

    Args:
        ingest: The sources. Those of the Hugging Face hub name a commit, which cannot change.
        project: Folder of the project.
        last: Versions of the last look; a server that does not answer keeps its version.
    """
    versions = compute_checksums(dict(iter_source_files(ingest, project)), Paths(project))
    for url in (source.path for source in ingest.sources if source.path and "://" in source.path):
        if url.startswith(("file://", "hf://")):
            continue
        try:
            is_web = url.startswith(("http://", "https://"))
            versions |= _read_web_version(url) if is_web else read_remote_versions(url)
        except (SourceError, requests.RequestException) as error:
            text = str(error) if isinstance(error, SourceError) else describe_error(error)
            logger.warning(_("{url}: {error}; its version counts as unchanged", url=redact_url(url), error=text))
            kept = {name: version for name, version in last.items() if name.startswith(redact_url(url))}
            versions = kept | versions  # another source may have a longer address, and an answer
    return versions


def _read_web_version(url: str) -> dict[str, str]:
    response = requests.head(expand_environment(url), timeout=_TIMEOUT, allow_redirects=True)
    response.raise_for_status()
    return {redact_url(url): next((value for name in _VERSION_HEADERS if (value := response.headers.get(name))), "")}
