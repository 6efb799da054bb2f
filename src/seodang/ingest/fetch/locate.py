"""Locate the files of a source: on this machine, tracked by DVC, at a URL or on the hub.

Fetched files are kept in the download cache (safe to delete) and are not fetched again while they are unchanged.
Credentials come from the environment only. No message, manifest or cache name holds them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from seodang.config import SourceParams
from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.fetch.archives import expand_archives
from seodang.ingest.fetch.files import LocalFile, has_password, redact_url
from seodang.ingest.fetch.fsspec_stores import fetch_remote_files
from seodang.ingest.fetch.http import fetch_web_file
from seodang.ingest.fetch.hub import fetch_hub_files
from seodang.ingest.fetch.local import find_local_files, format_location, match_names, walk_files
from seodang.ingest.fetch.splits import mark_held_out_files
from seodang.io.atomic import compute_sha256
from seodang.io.names import find_path

logger = logging.getLogger(__name__)


def locate_files(source: SourceParams, root: Path, cache: Path, others: Sequence[SourceParams] = ()) -> list[LocalFile]:
    """Return the source's files in a stable order and fetch them if needed; none for the primer or an empty folder.

    Args:
        source: Source whose `path` is a file, folder, glob or URL.
        root: Project folder; relative paths start there.
        cache: Folder of the downloads.
        others: All sources of the run. A folder excludes the files that another source names more specifically, by
            file, glob or subfolder.

    Raises:
        SourceError: If a file is missing, cannot be fetched or has another sha256; the message says what to do.

    """
    if source.kind != "file" or source.path is None:
        return []
    files = (
        _fetch_files(source.path, source.sha256, root, cache)
        if "://" in source.path
        else find_local_files(source.path, root)
    )
    if source.sha256 is not None and not source.path.startswith(("http://", "https://")):
        _check_sha256(files, source.sha256, redact_url(source.path))
    excluded = _find_files_of_others(others, source, root)
    files = [file for file in files if _normalize_path(file.path) not in excluded]
    return mark_held_out_files(expand_archives(files, cache))


def _fetch_files(url: str, sha256: str | None, root: Path, cache: Path) -> list[LocalFile]:
    """Return the files at a URL, and fetch them if needed."""
    if has_password(url):
        logger.warning(
            _(
                "{url}: the URL holds a password, and params.yaml is in git; write ${{NAME}} instead, for an environment"
                " variable",
                url=redact_url(url),
            )
        )
    try:
        return _fetch_by_scheme(url, sha256, root, cache)
    except OSError as error:
        raise SourceError(
            _(
                "{url} cannot be stored in {folder} ({reason}); free some space there, or make the folder writable",
                url=redact_url(url),
                folder=format_location(cache, root),
                reason=error.strerror,
            )
        ) from error


def _fetch_by_scheme(url: str, sha256: str | None, root: Path, cache: Path) -> list[LocalFile]:
    match url.split("://", maxsplit=1)[0].lower():
        case "http" | "https":
            if sha256 is None:
                raise SourceError(
                    _("{url} needs sha256: the file at a URL may change; add its sha256", url=redact_url(url))
                )
            return [fetch_web_file(url, sha256, cache)]
        case "hf":
            return fetch_hub_files(url, cache)
        case "file":
            return find_local_files(unquote(urlsplit(url).path), root)
        case _:
            return fetch_remote_files(url, cache)


def _check_sha256(files: Sequence[LocalFile], expected: str, path: str) -> None:
    if len(files) != 1:
        raise SourceError(
            _(
                "sha256 checks one file, but {path} matches {count}; name one file, or leave sha256 empty",
                path=path,
                count=len(files),
            )
        )
    if (digest := compute_sha256(files[0].path)) != expected:
        raise SourceError(
            _(
                "{path} has another sha256 than params.yaml: expected {expected}, found {found}; if the change is intended,"
                " write the new sha256 into params.yaml; else restore the old file",
                path=files[0].location,
                expected=expected,
                found=digest,
            )
        )


def _find_files_of_others(others: Sequence[SourceParams], source: SourceParams, root: Path) -> frozenset[Path]:
    """Return the files in the source's folder that another source names more specifically."""
    folder = find_path(root / str(source.path))
    if not folder.is_dir():
        return frozenset()
    specific_paths = [
        str(other.path)
        for other in others
        if other.path
        and other.path != source.path
        and "://" not in other.path
        and _is_more_specific(find_path(root / other.path), folder)
    ]
    return frozenset(_normalize_path(path) for text in specific_paths for path in resolve_paths(text, root))


def _is_more_specific(path: Path, folder: Path) -> bool:
    return not path.is_dir() or folder.resolve() in path.resolve().parents


def resolve_paths(path_text: str, root: Path) -> list[Path]:
    """Return the files that a local path names, data files or not; none for a missing one."""
    path = find_path(root / path_text)
    if path.is_dir():
        return list(walk_files(path, root))
    return [path] if path.exists() else [Path(name) for name in match_names(path_text, root)]


def _normalize_path(path: Path) -> Path:
    """Return an absolute path without "..", so that two spellings of one file are equal.

    Links are not resolved: DVC may link two equal files to one.
    """
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links
