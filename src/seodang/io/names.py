"""Find a file by the name on the disk: macOS writes Hangul as separate letters (NFD), keyboards as syllables."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path


def find_path(path: Path) -> Path:
    """Return the existing path that differs from `path` only in the Unicode normalization of names, else `path`."""
    if str(path).isascii() or os.path.lexists(path) or path == path.parent:
        return path
    parent = find_path(path.parent)
    if os.path.lexists(parent / path.name):
        return parent / path.name
    try:
        names = sorted(entry.name for entry in parent.iterdir() if is_same_name(entry.name, path.name))
    except OSError:
        names = []
    return parent / (names[0] if names else path.name)


def is_same_name(first: str, second: str) -> bool:
    """Return whether two names are equal after normalization."""
    return unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)
