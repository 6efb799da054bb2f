"""Define the names of a source's files: on disk, in messages, and whether a name is that of a data file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from seodang.errors import SourceError
from seodang.i18n import _

DATA_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
_SUFFIXES = (*DATA_SUFFIXES, ".arrow", ".txt", ".xlsx", ".xlsm", ".zip")
_COMPRESSIONS = (".gz", ".zst", ".bz2", ".xz")
GLOB_CHARACTERS = frozenset("*?[")  # a path with one of these is a glob
_DOC_NAME = re.compile(r"(readme|licen[cs]es?|copying|notice|changelog|citation)([.\-_ ].*)?", re.IGNORECASE)
_DOC_SUFFIXES = (".dvc", ".md", ".rst", ".lock")
# Files that describe the data beside them: of the datasets library, LLaMA-Factory, Croissant, Frictionless and Spark.
_DESCRIPTIONS = re.compile(
    r"dataset_infos?\.json|dataset_dict\.json|state\.json|schema\.json|croissant\.json|datapackage\.json|features\.json"
    r"|dataset[-_]metadata\.json|kaggle-metadata\.json|data_args\.json|_success|_metadata|_common_metadata"
    r"|cache-[0-9a-f]{16}(?:_.*)?\.arrow|tmp[0-9a-z_]{8}\.arrow",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?<=://)[^/?#]*@")
_UNSAFE = re.compile(r"[^\w.\-]")
_MAX_NAME_CHARACTERS = 60  # of at most four bytes each; most file systems allow 255 bytes
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_VALUE = re.compile(r"(?<==)[^&#]+")


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file of a source, readable on this machine."""

    path: Path
    location: str  # name in rows and messages; without credentials
    url: str | None  # source URL with the exact version if known, without credentials; None for a local file
    is_held_out: bool = False  # the file is a test or validation split of its data set


def is_data_file(name: str, suffixes: tuple[str, ...] = _SUFFIXES) -> bool:
    """Return whether a file's name is that of a data file."""
    lower = name.lower()
    compression = next((suffix for suffix in _COMPRESSIONS if lower.endswith(suffix)), "")
    return lower.removesuffix(compression).endswith(suffixes)


def is_auxiliary_file(name: str) -> bool:
    """Return whether a file accompanies the data: a hidden file, a .dvc file, a README, a licence or a description."""
    if name.startswith(".") or name.lower().endswith(_DOC_SUFFIXES) or is_description(name):
        return True
    # notice.jsonl may be data
    return _DOC_NAME.fullmatch(name) is not None and (name.lower().endswith(".txt") or not is_data_file(name))


def is_description(name: str) -> bool:
    """Return whether a file describes the data beside it, such as dataset_info.json, or is a cache of them."""
    return _DESCRIPTIONS.fullmatch(name) is not None


def build_file_name(path: str) -> str:
    """Return the last part of a path or URL as a safe file name; it keeps the suffixes, which the reader uses."""
    name = path.split("?")[0].rstrip("/").rsplit("/", maxsplit=1)[-1]
    return _UNSAFE.sub("_", name)[-_MAX_NAME_CHARACTERS:].lstrip(".") or "file"


def expand_environment(url: str) -> str:
    """Return a URL with each ${NAME} replaced by the percent-encoded environment variable.

    Raises:
        SourceError: If a variable is not set.

    """

    def expand(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise SourceError(
                _(
                    "{url}: the environment variable {name} is not set; export it, or correct its name in params.yaml",
                    url=redact_url(url),
                    name=match[1],
                )
            )
        return quote(os.environ[match[1]], safe="")

    return _VARIABLE.sub(expand, url)


def has_password(url: str) -> bool:
    """Return whether a URL holds a literal password, which git would then keep."""
    return any(
        ":" in user and not _VARIABLE.fullmatch(user.rstrip("@").split(":", maxsplit=1)[1])
        for user in _USERINFO.findall(url)
    )


def redact_url(url: str) -> str:
    """Return a URL without user, password and query values, any of which may be secret."""
    if "://" not in url:
        return url
    return "::".join(_redact_part(part) for part in url.split("::"))  # fsspec chains URLs with ::


def _redact_part(url: str) -> str:
    scheme = url.split("://", maxsplit=1)[0]
    try:
        urlsplit(url).port  # noqa: B018 - the property raises
    except ValueError:  # "user:pa/ss@host": the user part that is removed below is not the complete secret
        return f"{scheme}://..."
    before, mark, query = _USERINFO.sub("", url).partition("?")
    return before + mark + _VALUE.sub("...", query)
