"""What a file of a source is called: on disk, to people, and whether it holds data."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from seodang.errors import SourceError

DATA_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
_SUFFIXES = (*DATA_SUFFIXES, ".arrow", ".txt")
GLOB_CHARACTERS = frozenset("*?[")  # what makes a path a glob
_DOC_NAME = re.compile(r"(readme|licen[cs]es?|copying|notice|changelog|citation)([.\-_ ].*)?", re.IGNORECASE)
_DOC_SUFFIXES = (".dvc", ".md", ".rst", ".lock")
_USERINFO = re.compile(r"(?<=://)[^/?#]*@")
_UNSAFE = re.compile(r"[^\w.\-]")
_MAX_NAME_CHARACTERS = 60  # characters of a file name, of four bytes at the most; most file systems take 255 bytes
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_VALUE = re.compile(r"(?<==)[^&#]+")


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file of a source, readable on this machine."""

    path: Path
    location: str  # its name for people, in rows and messages; no credentials
    url: (
        str | None
    )  # where it was fetched from, at its exact version where that has a name; no credentials; None for a file that was here


def is_data_file(name: str, suffixes: tuple[str, ...] = _SUFFIXES) -> bool:
    """Tell by its name whether a file holds data."""
    return name.lower().removesuffix(".gz").removesuffix(".zst").endswith(suffixes)


def is_auxiliary_file(name: str) -> bool:
    """Tell whether a file lies beside the data: hidden, a .dvc file, a README or a licence."""
    if name.startswith(".") or name.lower().endswith(_DOC_SUFFIXES):
        return True
    return _DOC_NAME.fullmatch(name) is not None and (
        name.lower().endswith(".txt") or not is_data_file(name)
    )  # notice.jsonl may well be data


def build_file_name(path: str) -> str:
    """Return the last part of a path or URL as a safe file name that keeps its suffixes: the reader looks at them."""
    return (
        _UNSAFE.sub("_", path.split("?")[0].rstrip("/").rsplit("/", maxsplit=1)[-1])[-_MAX_NAME_CHARACTERS:].lstrip(".")
        or "file"
    )


def expand_environment(url: str) -> str:
    """Return a URL with each ${NAME} replaced by that environment variable, percent-encoded.

    Raises:
        SourceError: If a variable is not set.

    """

    def expand(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise SourceError(
                f"{redact_url(url)}: the environment variable {found[1]} is not set; export it, or correct its name in params.yaml"
            )
        return quote(os.environ[found[1]], safe="")

    return _VARIABLE.sub(expand, url)


def has_password(url: str) -> bool:
    """Tell whether a URL spells a password out, which git would then keep."""
    return any(
        ":" in user and not _VARIABLE.fullmatch(user.rstrip("@").split(":", maxsplit=1)[1])
        for user in _USERINFO.findall(url)
    )


def redact_url(url: str) -> str:
    """Return a URL as people may see it: without user, password and the values of its query, any of which may be secret."""
    if "://" not in url:
        return url
    return "::".join(_redact_part(part) for part in url.split("::"))  # fsspec chains URLs by ::


def _redact_part(url: str) -> str:
    scheme = url.split("://", maxsplit=1)[0]
    try:
        _ = urlsplit(url).port
    except ValueError:  # "user:pa/ss@host": what would be cut off as user is not all of the secret
        return f"{scheme}://..."
    before, mark, query = _USERINFO.sub("", url).partition("?")
    return before + mark + _VALUE.sub("...", query)
