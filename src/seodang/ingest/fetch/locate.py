"""Find the files of a source, wherever it lies: here, under DVC, at a URL or on the hub.

A file that must be fetched is kept in the download cache (safe to delete) and is not
fetched again while it is the same. Credentials come from the environment only and stand
in no message, no manifest and no name in the cache.
"""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from seodang.config import SourceParams
from seodang.errors import SourceError
from seodang.ingest.fetch.files import (
    GLOB_CHARACTERS,
    LocalFile,
    has_password,
    is_auxiliary_file,
    is_data_file,
    redact_url,
)
from seodang.ingest.fetch.fsspec_stores import fetch_remote_files
from seodang.ingest.fetch.http import fetch_web_file
from seodang.ingest.fetch.hub import fetch_hub_files
from seodang.io.atomic import sha256_of

logger = logging.getLogger(__name__)

_REPORT_FILES = {"quarantine.jsonl", "summary.json"}  # what `seodang check --report` writes, among others


def locate_files(source: SourceParams, root: Path, cache: Path, others: Sequence[SourceParams] = ()) -> list[LocalFile]:
    """Return the source's files in a stable order, fetched if need be; none for the primer or an empty folder.

    Args:
        source: What `path` says: file, folder, glob, or URL.
        root: The project's folder; a relative path is seen from it.
        cache: Where fetched files are kept.
        others: All sources of the run. A folder leaves to them the files that they name more closely (file, glob, folder inside).

    Raises:
        SourceError: If there is no such file, it cannot be fetched, or it is not the one that sha256 names; with what to do.

    """
    if source.kind == "primer" or source.path is None:
        return []
    files = (
        _fetch_files(source.path, source.sha256, root, cache)
        if "://" in source.path
        else _find_files(source.path, root)
    )
    if source.sha256 is not None and not source.path.startswith(("http://", "https://")):
        _check_sha256(files, source.sha256, redact_url(source.path))
    excluded = _find_files_of_others(others, source, root)
    return [file for file in files if _normalise_path(file.path) not in excluded]


def format_location(path: Path, root: Path) -> str:
    """Return a file's name in rows, messages and manifest: from the project's folder, with /."""
    return Path(os.path.relpath(path, root)).as_posix()


def _fetch_files(url: str, sha256: str | None, root: Path, cache: Path) -> list[LocalFile]:
    """Return the files at a URL, fetched if need be."""
    if has_password(url):
        logger.warning(
            "%s: the address spells a password out, and git keeps params.yaml; write ${NAME} in its place, for an environment variable",
            redact_url(url),
        )
    try:
        return _fetch_by_scheme(url, sha256, root, cache)
    except OSError as error:
        raise SourceError(
            f"{redact_url(url)} cannot be kept in {format_location(cache, root)} ({error.strerror}); make room there, or see that it may be written"
        ) from error


def _fetch_by_scheme(url: str, sha256: str | None, root: Path, cache: Path) -> list[LocalFile]:
    match url.split("://", maxsplit=1)[0].lower():
        case "http" | "https":
            if sha256 is None:
                raise SourceError(f"{redact_url(url)} needs sha256: what is at an address may change")
            return [fetch_web_file(url, sha256, cache)]
        case "hf":
            return fetch_hub_files(url, cache)
        case "file":
            return _find_files(unquote(urlsplit(url).path), root)
        case _:
            return fetch_remote_files(url, cache)


def _check_sha256(files: Sequence[LocalFile], expected: str, path: str) -> None:
    if len(files) != 1:
        raise SourceError(
            f"sha256 is that of one file, but {path} names {len(files)}; name one file, or leave sha256 empty"
        )
    if (digest := sha256_of(files[0].path)) != expected:
        raise SourceError(
            f"{files[0].location} is not the file that sha256 names: expected {expected}, found {digest}; "
            "if the file was meant to change, write the hash found into params.yaml; else bring the old one back"
        )


def _find_files(path_text: str, root: Path) -> list[LocalFile]:
    """Return the files that a path on this machine names."""
    path = root / path_text
    if path.is_dir():
        paths = list(_iter_folder(path, root))
    elif path.is_file():
        paths = [path]
    elif path.exists():
        raise SourceError(f"{path_text} is neither a file nor a folder; name a file that can be read again")
    elif GLOB_CHARACTERS & set(path_text):
        paths = _match_glob(path_text, root)
    else:
        raise SourceError(_describe_missing(path, path_text, root))
    return [LocalFile(path, format_location(path, root), None) for path in paths]


def _iter_folder(folder: Path, root: Path) -> Iterator[Path]:
    """Yield the data files below a folder, sorted; say which files were left out."""
    paths = sorted(_walk(folder, root))
    _check_pulled([path for path in paths if path.suffix == ".dvc"], root)
    candidates = [path for path in paths if not is_auxiliary_file(path.name)]
    for path in candidates:
        if is_data_file(path.name):
            yield path
        else:
            logger.warning(
                "%s was left out: its name is not that of a data file (.json, .jsonl, .csv, .tsv, .txt, .parquet, .arrow, also .gz)",
                format_location(path, root),
            )
    if not any(is_data_file(path.name) for path in candidates):
        logger.info("%s holds no data file yet", format_location(folder, root))


def _walk(folder: Path, root: Path) -> Iterator[Path]:
    """Yield all files below a folder, hidden ones left out; links are followed, but none twice."""
    visited: set[str] = set()

    def fail(error: OSError) -> None:
        raise SourceError(
            f"{format_location(Path(error.filename), root)} cannot be read ({error.strerror}); check that you may read it"
        ) from error

    for parent, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = [] if real in visited else [name for name in folders if not name.startswith(".")]
        if set(names) >= _REPORT_FILES:  # what a check rejected must not come back as data
            logger.info("%s was left out: it is a report of seodang check", format_location(Path(parent), root))
            folders[:], names = [], []
        if real not in visited:
            yield from (Path(parent, name) for name in names if not name.startswith("."))
        visited.add(real)


def _match_glob(pattern: str, root: Path) -> list[Path]:
    _check_pulled([Path(name) for name in _glob(f"{pattern}.dvc", root)], root)
    paths = sorted(
        path for name in _glob(pattern, root) if (path := Path(name)).is_file() and not is_auxiliary_file(path.name)
    )
    if not paths:
        fixed = Path(*_iter_fixed_parts(pattern))
        hint = (
            _describe_missing(root / fixed, str(fixed), root)
            if fixed.parts and not (root / fixed).exists()
            else f"seen from {root.resolve()}; correct the path"
        )
        raise SourceError(f"{pattern} matches no file: {hint}")
    return paths


def _glob(pattern: str, root: Path) -> list[str]:
    # Path.glob takes no absolute pattern, and matches hidden files.
    return glob.glob(str(Path(glob.escape(str(root))) / pattern), recursive=True)  # noqa: PTH207


def _iter_fixed_parts(pattern: str) -> Iterator[str]:
    """Yield the parts of a glob before the first wild one."""
    for part in Path(pattern).parts:
        if GLOB_CHARACTERS & set(part):
            return
        yield part


def _check_pulled(pointers: Sequence[Path], root: Path) -> None:
    """Refuse to go on while a file that DVC tracks here is missing: its records would be silently left out."""
    missing = [out for pointer in sorted(pointers) for out in _list_tracked_files(pointer) if not out.exists()]
    if missing:
        names = " ".join(format_location(out, root) for out in missing)
        raise SourceError(f"{names}: tracked by DVC, but not here; fetch with: dvc pull {names}")


def _list_tracked_files(pointer: Path) -> list[Path]:
    """Return what a .dvc file tracks; what its name says if it cannot be read."""
    import yaml

    try:
        return [pointer.parent / out["path"] for out in yaml.safe_load(pointer.read_text("utf-8"))["outs"]]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return [pointer.with_suffix("")]


def _describe_missing(path: Path, path_text: str, root: Path) -> str:
    """Return what to do about a path where nothing lies: fetch it, if DVC tracks it or a folder that it is in."""
    for candidate in (path, *path.parents):
        if candidate.name and candidate.with_name(f"{candidate.name}.dvc").is_file():
            return f"{path_text} is not here, but DVC tracks {format_location(candidate, root)}; fetch with: dvc pull {format_location(candidate, root)}"
        if candidate == root:
            break
    return f"{path_text} does not exist, seen from {root.resolve()}; correct the path, or fetch the file (dvc pull)"


def _find_files_of_others(others: Sequence[SourceParams], source: SourceParams, root: Path) -> frozenset[Path]:
    """Return the files in the source's folder that another source names more closely."""
    folder = root / str(source.path)
    if not folder.is_dir():
        return frozenset()
    closer = [
        str(other.path)
        for other in others
        if other.path
        and other.path != source.path
        and "://" not in other.path
        and _is_closer(root / other.path, folder)
    ]
    return frozenset(_normalise_path(path) for written in closer for path in _resolve_paths(written, root))


def _is_closer(path: Path, folder: Path) -> bool:
    return not path.is_dir() or folder.resolve() in path.resolve().parents


def _resolve_paths(path_text: str, root: Path) -> list[Path]:
    path = root / path_text
    if path.is_dir():
        return list(_walk(path, root))
    return [path] if path.exists() else [Path(name) for name in _glob(path_text, root)]


def _normalise_path(path: Path) -> Path:
    """Return an absolute path without "..": two spellings of one file are equal then. Links stay: DVC may link two equal files to one."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links
