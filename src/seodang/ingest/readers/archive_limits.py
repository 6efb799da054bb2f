"""Refuse a zip file that expands to far more than data would: it could exhaust disk and memory."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

from seodang.errors import SourceError
from seodang.html import format_size
from seodang.i18n import _

_MAX_RATIO: Final = 200  # of text; deflate reaches 1,032 with constant bytes
_HARMLESS_BYTES: Final = 2**28  # up to this size the ratio does not matter
_MAX_BYTES: Final = 2**36


def check_expansion(path: Path, location: str) -> None:
    """Raise a SourceError if the members of a zip file are larger than the limits; zipfile reads no more of them.

    Raises:
        SourceError: If the archive expands to too much.
        zipfile.BadZipFile: If it is damaged.

    """
    with zipfile.ZipFile(path) as archive:
        expanded = sum(member.file_size for member in archive.infolist())
    size = path.stat().st_size
    if expanded > _MAX_BYTES or (expanded > _HARMLESS_BYTES and expanded > _MAX_RATIO * size):
        raise SourceError(
            _(
                "{path} expands from {size} to {expanded}: this looks like a decompression bomb; extract it"
                " yourself and name the files in it",
                path=location,
                size=format_size(size),
                expanded=format_size(expanded),
            )
        )
