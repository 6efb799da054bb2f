"""Checksums of a packaged model: written when it is packaged, verified before it is served.

The file has the format of `sha256sum`, so that `sha256sum --check SHA256SUMS` checks a folder without Seodang.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.io.atomic import compute_sha256, write_atomically
from seodang.io.file_digests import compute_known_sha256

CHECKSUMS_NAME: Final = "SHA256SUMS"
_STORE_FILE: Final = "model.yaml"  # BentoML's store writes it beside the files of a model
_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_MAX_NAMES: Final = 3  # of each kind in a message, which is one line


def write_checksums(folder: Path) -> None:
    """Write the sha256 of every file of a model folder; the last step of packaging, because it covers all others."""
    lines = [f"{compute_sha256(folder / name)}  {name}\n" for name in sorted(_list_files(folder))]
    write_atomically(folder / CHECKSUMS_NAME, lines)


def verify_checksums(folder: Path) -> Mapping[str, str]:
    """Return the sha256 of each file by its name, after comparing all files of a packaged model.

    Hidden files do not count, because no reader of a model opens them.

    Raises:
        ModelError: One line that names the files that are changed, missing, or not packaged.
    """
    expected = _read_checksums(folder)
    present = set(_list_files(folder))
    changed = [name for name in expected if name in present and _compute_sha256(folder / name) != expected[name]]
    differences = [
        _("changed: {names}", names=_join_names(changed)) if changed else "",
        _("missing: {names}", names=_join_names(missing)) if (missing := sorted(expected.keys() - present)) else "",
        _("not packaged: {names}", names=_join_names(added)) if (added := sorted(present - expected.keys())) else "",
    ]
    if any(differences):
        raise ModelError(
            _(
                "the model in {folder} is not the one that was packaged ({differences}); package it again: dvc repro --force"
                " package",
                folder=folder,
                differences="; ".join(filter(None, differences)),
            )
        )
    return expected


def has_checksums(folder: Path) -> bool:
    """Return whether a model was packaged with checksums; those of older versions were not."""
    return (folder / CHECKSUMS_NAME).is_file()


def _read_checksums(folder: Path) -> dict[str, str]:
    path = folder / CHECKSUMS_NAME
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError as error:
        raise ModelError(
            _(
                "{file} is missing: an older version of Seodang packaged this model, or the file was deleted; package the"
                " model again: dvc repro --force package",
                file=path,
            )
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(_("{file} cannot be read ({error})", file=path, error=type(error).__name__)) from error
    matches = [_LINE.fullmatch(line) for line in lines]
    if not matches or None in matches:
        raise ModelError(
            _(
                "{file} is damaged: it is no list of checksums; package the model again: dvc repro --force package",
                file=path,
            )
        )
    return {match[2]: match[1] for match in matches if match is not None}


def _list_files(folder: Path) -> Iterator[str]:
    """Yield the names of all files of a model folder, relative to it."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in name.parts)
        if not is_hidden and name.as_posix() not in (CHECKSUMS_NAME, _STORE_FILE) and not path.is_dir():
            yield name.as_posix()


def _compute_sha256(path: Path) -> str | None:
    try:
        return compute_known_sha256(path) if path.is_file() else None
    except OSError:  # for example without permission
        return None


def _join_names(names: Sequence[str]) -> str:
    shown = ", ".join(ascii(name)[1:-1] if not name.isprintable() else name for name in names[:_MAX_NAMES])
    return (
        shown if len(names) <= _MAX_NAMES else _("{names} and {count} more", names=shown, count=len(names) - _MAX_NAMES)
    )
