"""Fetch files from any store that fsspec knows (s3, gs, abfs, sftp, memory, ...), once for each of their versions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seodang.errors import SourceError, fault_name
from seodang.ingest.fetch.files import WILD, LocalFile, file_name, is_aside, is_data, shown_url, with_environment

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


_BLOCK = 1 << 20  # bytes
_VERSIONS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "checksum",
    "generation",
    "VersionId",
)  # what stores call a file's version
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE), AWS_ENDPOINT_URL for another store than Amazon's, FSSPEC_S3_ANON=true for a public bucket",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "abfs": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


def fetch_remote_files(url: str, cache: Path) -> list[LocalFile]:
    """Return the files that a URL names, sorted: one, those below a folder, or those that a glob matches.

    Args:
        url: Of any protocol that fsspec knows; ${NAME} stands for an environment variable.
        cache: The folder of downloads. A file is kept there under its URL and version, so the same one isn't fetched again.

    Raises:
        SourceError: If the store cannot be asked or holds no such file; with what to do.

    """
    shown = shown_url(url)
    address = with_environment(url)
    with _told(shown):
        system, pattern = _opened(address, shown)
        names = _listed(system, pattern)
        if not names:
            raise SourceError(f"{shown} names no data file; check bucket, path and glob")
        return [_fetch(system, name, _one_of(name, shown) if name != pattern else shown, cache) for name in names]


def _one_of(name: str, shown: str) -> str:
    """Return the URL of one of the files that a URL names."""
    first, *chained = shown.split("::")
    return "::".join([f"{first.split('://', maxsplit=1)[0]}://{name.lstrip('/')}", *chained])


def _opened(url: str, shown: str) -> tuple[AbstractFileSystem, str]:
    from fsspec.core import url_to_fs
    from fsspec.registry import known_implementations

    scheme = url.split("://", maxsplit=1)[0]
    try:
        system, pattern = url_to_fs(url)
    except ImportError:
        raise SourceError(f"{shown} needs a package that is not installed: {_driver(scheme)}") from None
    except ValueError:
        known = (
            "expected http(s), hf, s3, gs, abfs or another that fsspec knows"
            if scheme not in known_implementations
            else "check its form"
        )
        raise SourceError(f"{shown} is no address that can be used: {known}") from None
    system.invalidate_cache()  # fsspec keeps listings as long as the process lives
    return system, str(pattern)


def _driver(scheme: str) -> str:
    """Return the line that installs what a protocol needs, and keeps the fsspec that is here."""
    import fsspec
    from fsspec.registry import known_implementations

    known: dict[str, Any] = known_implementations.get(scheme, {})
    package = str(known.get("class", "")).split(".", maxsplit=1)[0]
    if package in {"", "fsspec"}:
        return str(known.get("err", scheme))
    return f'python -m pip install {package} "fsspec=={fsspec.__version__}"'


def _listed(system: AbstractFileSystem, pattern: str) -> list[str]:
    if WILD & set(pattern):
        found = system.glob(pattern, detail=True)
    elif system.info(pattern)["type"] != "directory":
        return [pattern]
    else:
        found = {name: info for name, info in system.find(pattern, detail=True).items() if is_data(name)}
    return sorted(
        name
        for name, info in found.items()
        if info["type"] == "file" and not is_aside(name.rsplit("/", maxsplit=1)[-1])
    )


def _fetch(system: AbstractFileSystem, name: str, shown: str, cache: Path) -> LocalFile:
    from filelock import FileLock

    version = _version(system, name)
    place = cache / "remote" / hashlib.sha256(f"{shown}\n{version}".encode()).hexdigest() / file_name(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(".lock")):
        if not place.is_file():
            part = place.with_name(".part")
            with part.open("wb") as file:
                _copy(system, name, file)
            if _version(system, name) != version:
                part.unlink()
                raise SourceError(f"{shown} changed while it was fetched; run the same command again")
            part.replace(place)
    return LocalFile(place, shown, shown)


def _version(system: AbstractFileSystem, name: str) -> str:
    """Return what changes when the file's content does."""
    system.invalidate_cache()  # an answer kept from a listing has other fields than one asked for anew
    info = system.info(name)
    named = {key: str(info[key]) for key in _VERSIONS if info.get(key)}
    return str([*sorted(named.items()), ("size", info.get("size"))]) if named else str(system.ukey(name))


def _copy(system: AbstractFileSystem, name: str, file: BinaryIO) -> None:
    from tqdm import tqdm

    size = system.info(name).get("size")
    bar = tqdm(total=size, unit="B", unit_scale=True, desc=file_name(name), leave=False, disable=None)
    with system.open(name, "rb") as source, bar:
        while block := source.read(_BLOCK):
            file.write(block)
            bar.update(len(block))


@contextmanager
def _told(shown: str) -> Iterator[None]:
    """Turn a driver's errors into ours. Each driver has its own, and their words, which may hold a secret, are not passed on."""
    names = _from_environment(shown.split("://", maxsplit=1)[0])
    try:
        yield
    except SourceError:
        raise
    except FileNotFoundError:
        raise SourceError(f"{shown} does not exist; check bucket and path") from None
    except PermissionError:
        raise SourceError(f"{shown}: access is denied; check the credentials{names}") from None
    except Exception as error:
        if "Credential" in type(error).__name__:
            raise SourceError(f"{shown}: there are no credentials{names}") from None
        raise SourceError(
            f"{shown} cannot be fetched ({fault_name(error)}); check address, network and credentials{names}"
        ) from None


def _from_environment(scheme: str) -> str:
    names = _CREDENTIALS.get(scheme)
    return f"; they are taken from the environment: {names}" if names else ""
