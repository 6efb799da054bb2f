"""Describe errors of the operating system: what is wrong, where, and what to do. They are no errors of Seodang."""

from __future__ import annotations

import errno
import os
import pwd
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from seodang.i18n import N_, _

_FULL: Final = N_("the disk is full ({place}); free some space, then run the same command again")
_NO_PERMISSION: Final = N_(
    "no permission for {place}, which belongs to {owner}; change that: {command}; or work in a copy of your own"
)
_READ_ONLY: Final = N_("{place} is on a read-only file system; work in a copy on a writable disk")
_TOO_MANY_FILES: Final = N_("too many files are open; raise the limit, then run again: ulimit -n 4096")
_IN_USE: Final = N_("{place} is in use by another program; end it, then run the same command again")
_DISK_ERROR: Final = N_(
    "{place}: the disk or its network share fails ({reason}); check it, then run the same command again"
)
_MISSING: Final = N_("{place} does not exist, or no longer; restore it (git checkout, dvc pull), or correct the path")
_NO_WORKING_FOLDER: Final = N_(
    "the folder of this terminal no longer exists; change into the project's folder again: cd"
)
_NO_TEMPORARY_FOLDER: Final = N_("no folder for temporary files can be written; name one: export TMPDIR=FOLDER")
_REMEDIES: Final[dict[int, str]] = {
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.EROFS: _READ_ONLY,
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: N_("{place} is larger than a file may be here; see: ulimit -f; or use another disk"),
    errno.EMFILE: _TOO_MANY_FILES,
    errno.ENFILE: _TOO_MANY_FILES,
    errno.ENOMEM: N_("memory ran out; end other programs, or use a machine with more of it"),
    errno.ELOOP: N_("{place} is a link that leads back to itself; remove the link"),
    errno.ENAMETOOLONG: N_("the name is too long for this file system: {place}; use shorter names"),
    errno.ENOTDIR: N_("{place}: a part of this path is a file and no folder; move the file away, or correct the path"),
    errno.EISDIR: N_("{place} is a folder, but a file is needed there; move the folder away, or correct the path"),
    errno.EEXIST: N_("{place} is in the way; move it away, then run the same command again"),
    errno.ENOTEMPTY: N_("{place} is in the way; move it away, then run the same command again"),
    errno.EBUSY: _IN_USE,
    errno.ETXTBSY: _IN_USE,
    errno.EIO: _DISK_ERROR,
    errno.ESTALE: _DISK_ERROR,
    errno.ENODEV: _DISK_ERROR,
    errno.ENXIO: _DISK_ERROR,
    errno.ENOENT: _MISSING,
}
_IN_THE_WAY: Final = frozenset({errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})
# Libraries put the system's error into a text: shutil and Python's own format, Rust's, SQLite's.
_TEXTS: Final = (
    (re.compile(r"\[Errno (?P<number>\d+)\][^:'\"]*(?:: ['\"](?P<path>[^'\"]+)['\"])?"), None),
    (re.compile(r"\(os error (?P<number>\d+)\)"), None),
    (re.compile(r"attempt to write a readonly database"), errno.EACCES),
    (re.compile(r"unable to open database file"), errno.EACCES),
    (re.compile(r"database or disk is full"), errno.ENOSPC),
    (re.compile(r"disk I/O error"), errno.EIO),  # SQLite
    (re.compile(r"\d+ requested and \d+ written"), errno.ENOSPC),  # numpy
    (re.compile(r"PytorchStreamWriter failed writing|inline_container\.cc.*unexpected pos"), errno.ENOSPC),  # torch
    *(
        (re.compile(re.escape(os.strerror(number)), re.IGNORECASE), number)
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENOMEM)
    ),
)
_FULL_DISK: Final = (errno.ENOSPC, errno.EDQUOT)
_LITTLE_SPACE: Final = 1 << 20  # bytes; a disk with less of it is the full one
# A temporary file that replaces another one (atomic.py): its name is of no use to a reader.
_PART: Final = re.compile(r"\.(?P<name>.+)\.\d+\.part")


def describe_os_error(error: BaseException) -> str | None:
    """Return the message for an error that the operating system caused; None for any other error."""
    for cause in _iter_causes(error):
        number, path = _parse(cause)
        if number is not None and number in _REMEDIES:
            return _format(number, path, cause)
    return None


def is_disk_full_error(error: BaseException | str) -> bool:
    """Return whether a full disk or a used-up quota caused an error, or is what the output of a program is about."""
    if isinstance(error, str):
        return _parse(RuntimeError(error))[0] in _FULL_DISK
    return any(_parse(cause)[0] in _FULL_DISK for cause in _iter_causes(error))


def describe_os_text(text: str) -> str | None:
    """Return the message for an error of the system in the output of another program; None for any other output.

    Of a missing file, the program itself knows best why it looks for it.
    """
    number, path = _parse(RuntimeError(text))
    is_known = number in _REMEDIES and number != errno.ENOENT
    return _format(number, path, RuntimeError(text)) if number is not None and is_known else None


def _iter_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _parse(error: BaseException) -> tuple[int | None, str | None]:
    """Return number and path of an error; on a full disk, SQLite reports a failure of input or output."""
    number, path = _parse_error(error)
    return (errno.ENOSPC, None) if number == errno.EIO and _find_full_disks() else (number, path)


def _parse_error(error: BaseException) -> tuple[int | None, str | None]:
    if isinstance(error, OSError) and error.errno is not None:
        # A file that cannot be moved to its place is fine; what stands at that place is not.
        in_the_way = error.errno in _IN_THE_WAY and error.filename2 is not None
        path = error.filename2 if in_the_way or error.filename is None else error.filename
        return error.errno, None if path is None or isinstance(path, int) else os.fsdecode(path)
    if isinstance(error, MemoryError):
        return errno.ENOMEM, None
    return _parse_text(str(error))


def _parse_text(text: str) -> tuple[int | None, str | None]:
    for pattern, number in _TEXTS:
        if match := pattern.search(text):
            groups = match.groupdict()
            return number or int(groups["number"]), groups.get("path")
    return None, None


def _format(number: int, path: str | None, error: BaseException) -> str:
    if number == errno.ENOENT and path is None:
        return _(_NO_TEMPORARY_FOLDER) if "temporary directory" in str(error) else _(_NO_WORKING_FOLDER)
    path = path and _get_target(path)
    if path is None and number in _FULL_DISK:
        path = ", ".join(map(str, _find_full_disks())) or None
    place = path or _("a file that the system does not name")
    existing = find_existing_parent(Path(path or "."))
    return _(
        _REMEDIES[number],
        place=place,
        owner=get_owner(existing),
        command=format_access_command({str(existing): existing}),
        reason=os.strerror(number),
    )


def _get_target(path: str) -> str:
    """Return the path that a temporary file or folder will replace; any other path as it is."""
    parts = Path(path).parts
    return str(Path(*(match["name"] if (match := _PART.fullmatch(part)) else part for part in parts)))


def _find_full_disks() -> list[Path]:
    """Return the folders that a run writes and whose disk is full: the project, temporary files, the home folder."""
    variables = ("TMPDIR", "BENTOML_HOME", "HOME")
    folders = [Path(), *(Path(os.environ[name]) for name in variables if os.environ.get(name)), Path("/tmp")]
    return [folder.absolute() for folder in folders if _is_full(folder)]


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(find_existing_parent(folder)).free < _LITTLE_SPACE
    except OSError:
        return False


def format_access_command(paths: Mapping[str, Path]) -> str:
    """Return the command that makes paths writable for this user: chown for those of others, else chmod.

    Args:
        paths: By the name that the command uses.
    """
    own = [name for name, path in paths.items() if get_owner_number(path) == os.geteuid()]
    foreign = [name for name in paths if name not in own]
    commands = [("sudo chown -R $(id -un)", foreign), ("chmod -R u+rwX", own)]
    return " && ".join(" ".join([command, *map(shlex.quote, names)]) for command, names in commands if names)


def find_existing_parent(path: Path) -> Path:
    """Return the path if it exists, else the nearest folder above it that does."""
    try:
        return next(parent for parent in (path, *path.absolute().parents) if os.path.lexists(parent))
    except (OSError, StopIteration):
        return Path("/")


def get_owner(path: Path) -> str:
    """Return the name of a path's owner, or the number of one without a name."""
    number = get_owner_number(path)
    if number is None:
        return "?"
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def get_owner_number(path: Path) -> int | None:
    """Return the number of a path's owner; None if it cannot be read."""
    try:
        return path.lstat().st_uid
    except OSError:
        return None
