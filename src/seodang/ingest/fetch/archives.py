"""Read the data files in a zip archive like those in a folder: extract them once into the download cache.

Names and sizes in an archive are not trusted. Each file is copied in blocks to a name of our own. An archive that
expands to far more than data would is refused.
"""

from __future__ import annotations

import logging
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.fetch.files import LocalFile, build_file_name, is_auxiliary_file, is_data_file
from seodang.ingest.readers.archive_limits import check_expansion
from seodang.ingest.readers.unsupported import ZIP
from seodang.ingest.rows import shorten
from seodang.io.atomic import compute_sha256, replace_folder

logger = logging.getLogger(__name__)

_OFFICE_PARTS: Final = frozenset(("[Content_Types].xml", "mimetype"))  # a workbook or another Office file
_ENCRYPTED: Final = 0x1  # bit of a member's flags
_WINDOWS_NAMES: Final = "cp949"  # of names that are not marked as UTF-8: Korean Windows writes them


def expand_archives(files: Sequence[LocalFile], cache: Path) -> list[LocalFile]:
    """Return the files, with each zip archive replaced by the data files in it.

    Raises:
        SourceError: If an archive is damaged, encrypted, too large or without a data file.

    """
    return [inner for file in files for inner in (_expand(file, cache) if _is_zip(file.path) else [file])]


def _is_zip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(ZIP)) == ZIP
    except OSError:  # the reader reports it
        return False


def _expand(file: LocalFile, cache: Path) -> list[LocalFile]:
    try:
        with _open_archive(file.path) as archive:
            if _OFFICE_PARTS & {*archive.namelist()}:
                return [file]
            check_expansion(file.path, file.location)
            return _extract(archive, file, cache / "archives" / compute_sha256(file.path))
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise _describe_damage(file, error) from error
    except NotImplementedError as error:  # of zipfile: another compression, such as Deflate64, or a newer format
        raise SourceError(
            _(
                "{path} is a zip archive that cannot be read here ({reason}); extract it and name the files in it, or "
                "compress it again with Deflate",
                path=file.location,
                reason=shorten(str(error)),
            )
        ) from error
    except OSError as error:
        if error.errno is None:  # of bz2: the data are no bzip2 stream
            raise _describe_damage(file, error) from error
        raise SourceError(
            _(
                "{path} cannot be extracted into {folder} ({reason}); free some space there, or make the folder writable",
                path=file.location,
                folder=cache,
                reason=error.strerror or error,
            )
        ) from error


def _describe_damage(file: LocalFile, error: Exception) -> SourceError:
    return SourceError(
        _(
            "{path} is a zip archive, and truncated or damaged ({reason}); fetch or compress it again",
            path=file.location,
            reason=shorten(str(error)),
        )
    )


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path, metadata_encoding=_WINDOWS_NAMES)
    except UnicodeDecodeError:
        return zipfile.ZipFile(path)


def _extract(archive: zipfile.ZipFile, file: LocalFile, folder: Path) -> list[LocalFile]:
    """Return the data files of an archive, extracted into a folder; an existing folder is complete."""
    members = _list_data_members(archive, file.location)
    names = [_build_safe_path(member.filename) for member in members]
    if not folder.is_dir():
        with replace_folder(folder) as target:
            for member, name in zip(members, names, strict=True):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, (target / name).open("wb") as copy:
                    shutil.copyfileobj(source, copy)
    if len(names) == 1:  # like a compressed file
        return [replace(file, path=folder / names[0])]
    return [
        LocalFile(folder / name, f"{file.location}/{member.filename}", file.url)
        for member, name in zip(members, names, strict=True)
    ]


def _list_data_members(archive: zipfile.ZipFile, location: str) -> list[zipfile.ZipInfo]:
    """Return the data files of an archive by name; its only file, whatever its name."""
    members = [member for member in archive.infolist() if not member.is_dir() and not _is_hidden(member.filename)]
    candidates = [member for member in members if not is_auxiliary_file(PurePosixPath(member.filename).name)]
    data = candidates if len(candidates) == 1 else [member for member in candidates if is_data_file(member.filename)]
    if any(member.flag_bits & _ENCRYPTED for member in data):
        raise SourceError(
            _("{path} is a zip archive with a password; extract it and name the files in it", path=location)
        )
    if not data:
        names = shorten(", ".join(member.filename for member in members)) or _("(none)")
        raise SourceError(
            _("{path} is a zip archive without a data file; its files: {names}", path=location, names=names)
        )
    for member in candidates:
        if member not in data:
            logger.warning(
                _("{path} was ignored: its name is not that of a data file", path=f"{location}/{member.filename}")
            )
    return sorted(data, key=lambda member: member.filename)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _build_safe_path(name: str) -> Path:
    """Return a relative path whose parts are safe file names; ".." and drive letters are no part of it."""
    return Path(*(build_file_name(part) for part in PurePosixPath(name.replace("\\", "/")).parts if part.strip("./")))
