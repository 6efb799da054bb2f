"""Find the files that a local path, folder or glob names, and check that DVC-tracked ones are present."""

from __future__ import annotations

import glob
import logging
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.fetch.files import GLOB_CHARACTERS, LocalFile, is_auxiliary_file, is_data_file
from seodang.io.names import find_path

logger = logging.getLogger(__name__)

_REPORT_FILES = {"quarantine.jsonl", "summary.json"}  # among the files of `seodang check --report`


def format_location(path: Path, root: Path) -> str:
    """Return a file's name in rows, messages and manifest: relative to the project folder, with /."""
    return Path(os.path.relpath(path, root)).as_posix()


def find_local_files(path_text: str, root: Path) -> list[LocalFile]:
    """Return the files that a local path names."""
    path = find_path(root / path_text)
    if path.is_dir():
        paths = list(_iter_folder(path, root))
    elif path.is_file():
        paths = [check_name(path)]
    elif path.exists():
        raise SourceError(_("{path} is neither a regular file nor a folder; name a regular file", path=path_text))
    elif GLOB_CHARACTERS & set(path_text):
        paths = _match_glob(path_text, root)
    else:
        raise SourceError(_describe_missing(path, path_text, root))
    return [LocalFile(path, format_location(path, root), None) for path in paths]


def _iter_folder(folder: Path, root: Path) -> Iterator[Path]:
    """Yield the sorted data files below a folder, and log the other files."""
    paths = sorted(walk_files(folder, root))
    _check_pulled([path for path in paths if path.suffix == ".dvc"], root)
    candidates = [path for path in paths if not is_auxiliary_file(path.name)]
    for path in candidates:
        if is_data_file(path.name):
            yield path
        else:
            logger.warning(
                _(
                    "{path} was ignored: its name is not that of a data file (.json, .jsonl, .csv, .tsv, .txt, .xlsx,"
                    " .parquet, .arrow, .zip, also .gz, .zst, .bz2, .xz)",
                    path=format_location(path, root),
                )
            )
    if not any(is_data_file(path.name) for path in candidates):
        logger.info(_("{folder} holds no data file yet", folder=format_location(folder, root)))


def walk_files(folder: Path, root: Path) -> Iterator[Path]:
    """Yield all files below a folder except hidden ones; each link target is visited once."""
    visited: set[str] = set()

    def fail(error: OSError) -> None:
        raise SourceError(
            _(
                "{path} cannot be read ({reason}); check its permissions",
                path=format_location(Path(error.filename), root),
                reason=error.strerror,
            )
        ) from error

    for parent, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = [] if real in visited else [name for name in folders if not name.startswith(".")]
        if set(names) >= _REPORT_FILES:  # rejected rows of a check must not come back as data
            folder_name = format_location(Path(parent), root)
            logger.info(_("{folder} was ignored: it is a report of seodang check", folder=folder_name))
            folders[:], names = [], []
        if real not in visited:
            yield from (check_name(Path(parent, name)) for name in names if not name.startswith("."))
        visited.add(real)


def check_name(path: Path) -> Path:
    """Return a path whose name is UTF-8, as DVC and reports need it.

    Raises:
        SourceError: If it is not: ZIP files from Korean Windows have names in cp949.
    """
    try:
        path.name.encode()
    except UnicodeEncodeError as error:
        raise SourceError(
            _(
                "the name of {path} is not UTF-8, as in ZIP files from Windows; rename the file, or convert all names:"
                " convmv -f cp949 -t utf-8 -r --notest {folder}",
                path=os.fsencode(path).decode(errors="backslashreplace"),
                folder=path.parent,
            )
        ) from error
    return path


def _match_glob(pattern: str, root: Path) -> list[Path]:
    _check_pulled([Path(name) for name in match_names(f"{pattern}.dvc", root)], root)
    paths = sorted(
        path
        for name in match_names(pattern, root)
        if (path := check_name(Path(name))).is_file() and not is_auxiliary_file(path.name)
    )
    if not paths:
        raise SourceError(_describe_empty_glob(pattern, root))
    return paths


def _describe_empty_glob(pattern: str, root: Path) -> str:
    fixed = Path(*_iter_fixed_parts(pattern))
    if not fixed.parts or (root / fixed).exists():
        return _(
            "{pattern} matches no file, relative to {root}; correct the path", pattern=pattern, root=root.resolve()
        )
    hint = _describe_missing(root / fixed, str(fixed), root)
    return _("{pattern} matches no file: {hint}", pattern=pattern, hint=hint)


def match_names(pattern: str, root: Path) -> list[str]:
    """Return the paths that a glob matches, without hidden files.

    A folder whose real name has brackets, or another Unicode normalization than the pattern, is found too.
    """
    fixed, rest = _split_existing(pattern, root)
    for variant in dict.fromkeys(
        [rest, rest.replace("[", "[[]"), *_normalize(rest), *_normalize(rest.replace("[", "[[]"))]
    ):
        # Path.glob rejects absolute patterns and matches hidden files.
        if names := glob.glob(str(Path(glob.escape(str(fixed)), variant)), recursive=True):  # noqa: PTH207
            return names
    return []


def _split_existing(pattern: str, root: Path) -> tuple[Path, str]:
    """Return the folder that the first parts of a glob name literally, and the other parts."""
    folder, parts = root, Path(pattern).parts
    for index, part in enumerate(parts[:-1]):
        found = find_path(folder / part)
        if not found.is_dir():
            return folder, str(Path(*parts[index:]))
        folder = found
    return folder, parts[-1]


def _normalize(text: str) -> list[str]:
    return [unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)]


def _iter_fixed_parts(pattern: str) -> Iterator[str]:
    """Yield the parts of a glob before the first one with a wildcard."""
    for part in Path(pattern).parts:
        if GLOB_CHARACTERS & set(part):
            return
        yield part


def _check_pulled(pointers: Sequence[Path], root: Path) -> None:
    """Raise a SourceError if a file that DVC tracks is missing: its records would be silently left out."""
    missing = [out for pointer in sorted(pointers) for out in _list_tracked_files(pointer) if not out.exists()]
    if missing:
        names = " ".join(format_location(out, root) for out in missing)
        raise SourceError(
            _("{paths}: tracked by DVC, but not on this machine; fetch with: dvc pull {paths}", paths=names)
        )


def _list_tracked_files(pointer: Path) -> list[Path]:
    """Return the paths that a .dvc file tracks; the path without .dvc if the file cannot be read."""
    import yaml

    try:
        return [pointer.parent / out["path"] for out in yaml.safe_load(pointer.read_text("utf-8"))["outs"]]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return [pointer.with_suffix("")]


def _describe_missing(path: Path, path_text: str, root: Path) -> str:
    """Return the fix for a missing path: `dvc pull` if DVC tracks it or one of its parent folders."""
    for candidate in (path, *path.parents):
        if candidate.name and candidate.with_name(f"{candidate.name}.dvc").is_file():
            return _(
                "{path} is not on this machine, but DVC tracks {tracked}; fetch with: dvc pull {tracked}",
                path=path_text,
                tracked=format_location(candidate, root),
            )
        if candidate == root:
            break
    return _(
        "{path} does not exist, relative to {root}; correct the path, or fetch the file (dvc pull)",
        path=path_text,
        root=root.resolve(),
    )
