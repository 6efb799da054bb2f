"""Checks of Python, of the installed packages and of the folder for temporary files."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from seodang.doctor.findings import Finding
from seodang.i18n import _, ngettext

_OLDEST_PYTHON: Final = (3, 11)
_SHOWN_PACKAGES: Final = ("dvc", "prefect", "bentoml", "great-expectations", "transformers", "torch")
_PINNED: Final = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
_MAX_NAMES: Final = 5  # in a message


def check_python() -> Iterator[Finding]:
    """Check the version of Python and that its scripts can be found."""
    found = ".".join(map(str, sys.version_info[:3]))
    oldest = ".".join(map(str, _OLDEST_PYTHON))
    if sys.version_info < _OLDEST_PYTHON:
        text = _("{found}, but {oldest} or newer is needed", found=found, oldest=oldest)
        yield Finding(_("Python"), "error", text, f"make setup PYTHON=python{oldest}")
        return
    scripts = Path(sys.executable).parent
    missing = [name for name in ("dvc", "bentoml", "seodang") if not (scripts / name).exists()]
    if missing:
        text = _("{found} in {folder}, without {programs}", found=found, folder=scripts, programs=", ".join(missing))
        yield Finding(_("Python"), "error", text, "make setup")
    elif shutil.which("dvc") is None:
        text = _("{found}; {folder} is not on PATH, so `dvc` alone is not found", found=found, folder=scripts)
        yield Finding(_("Python"), "warning", text, f". {shlex.quote(str(scripts / 'activate'))}")
    else:
        yield Finding(_("Python"), "ok", _("{found} in {folder}", found=found, folder=scripts))


def check_packages(root: Path) -> Iterator[Finding]:
    """Compare the installed packages with requirements.lock."""
    names = [f"{name} {_get_version(name) or '-'}" for name in ("seodang", *_SHOWN_PACKAGES)]
    lock = root / "requirements.lock"
    wrong = list(_iter_wrong_packages(lock.read_text("utf-8"))) if lock.is_file() else []
    if not wrong:
        yield Finding(_("packages"), "ok", ", ".join(names))
        return
    text = ngettext(
        "{count} package differs from requirements.lock: {names}",
        "{count} packages differ from requirements.lock: {names}",
        len(wrong),
        names=", ".join(wrong[:_MAX_NAMES]) + (", ..." if len(wrong) > _MAX_NAMES else ""),
    )
    yield Finding(_("packages"), "warning", text, "rm -f .venv/seodang-setup.sha256 && make setup")


def _iter_wrong_packages(lock: str) -> Iterator[str]:
    """Yield the packages of a lock that are missing or have another version; a local suffix (+cpu) is no difference."""
    for match in filter(None, map(_PINNED.match, lock.splitlines())):
        found = _get_version(match["name"])
        if found is None:
            yield _("{name} is missing", name=match["name"])
        elif found.partition("+")[0] != match["version"].partition("+")[0]:
            yield _("{name} {found} instead of {wanted}", name=match["name"], found=found, wanted=match["version"])


def _get_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_temporary_folder() -> Iterator[Finding]:
    """Check that temporary files can be written."""
    try:
        with tempfile.TemporaryFile():
            folder = tempfile.gettempdir()
    except OSError as error:
        text = _("cannot be written ({reason})", reason=error.strerror or error)
        yield Finding(_("temporary files"), "error", text, "export TMPDIR=FOLDER")
        return
    set_by = " (TMPDIR)" if os.environ.get("TMPDIR") else ""
    yield Finding(_("temporary files"), "ok", f"{folder}{set_by}")
