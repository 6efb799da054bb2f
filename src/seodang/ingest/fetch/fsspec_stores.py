"""Fetch files from any store that fsspec knows (s3, gs, abfs, sftp, memory, ...), once for each of their versions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seodang.errors import SourceError, describe_error
from seodang.ingest.fetch.files import (
    GLOB_CHARACTERS,
    LocalFile,
    build_file_name,
    expand_environment,
    is_auxiliary_file,
    is_data_file,
    redact_url,
)

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


_BLOCK = 1 << 20  # bytes
_VERSION_KEYS = (
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
    display_url = redact_url(url)
    address = expand_environment(url)
    with _translate_errors(display_url):
        system, pattern = _open_filesystem(address, display_url)
        names = _list_files(system, pattern)
        if not names:
            raise SourceError(f"{display_url} names no data file; check bucket, path and glob")
        return [
            _fetch(system, name, _build_file_url(name, display_url) if name != pattern else display_url, cache)
            for name in names
        ]


def _build_file_url(name: str, display_url: str) -> str:
    """Return the URL of one of the files that a URL names."""
    first, *chain = display_url.split("::")
    return "::".join([f"{first.split('://', maxsplit=1)[0]}://{name.lstrip('/')}", *chain])


def _open_filesystem(url: str, display_url: str) -> tuple[AbstractFileSystem, str]:
    from fsspec.core import url_to_fs
    from fsspec.registry import known_implementations

    scheme = url.split("://", maxsplit=1)[0]
    try:
        system, pattern = url_to_fs(url)
    except ImportError:
        raise SourceError(
            f"{display_url} needs a package that is not installed: {_format_install_command(scheme)}"
        ) from None
    except ValueError:
        known = (
            "expected http(s), hf, s3, gs, abfs or another that fsspec knows"
            if scheme not in known_implementations
            else "check its form"
        )
        raise SourceError(f"{display_url} is no address that can be used: {known}") from None
    system.invalidate_cache()  # fsspec keeps listings as long as the process lives
    return system, str(pattern)


def _format_install_command(scheme: str) -> str:
    """Return the line that installs what a protocol needs, and keeps the fsspec that is here."""
    import fsspec
    from fsspec.registry import known_implementations

    known: dict[str, Any] = known_implementations.get(scheme, {})
    package = str(known.get("class", "")).split(".", maxsplit=1)[0]
    if package in {"", "fsspec"}:
        return str(known.get("err", scheme))
    return f'python -m pip install {package} "fsspec=={fsspec.__version__}"'


def _list_files(system: AbstractFileSystem, pattern: str) -> list[str]:
    if GLOB_CHARACTERS & set(pattern):
        entries = system.glob(pattern, detail=True)
    elif system.info(pattern)["type"] != "directory":
        return [pattern]
    else:
        entries = {name: info for name, info in system.find(pattern, detail=True).items() if is_data_file(name)}
    return sorted(
        name
        for name, info in entries.items()
        if info["type"] == "file" and not is_auxiliary_file(name.rsplit("/", maxsplit=1)[-1])
    )


def _fetch(system: AbstractFileSystem, name: str, display_url: str, cache: Path) -> LocalFile:
    from filelock import FileLock

    version = _get_version(system, name)
    target = cache / "remote" / hashlib.sha256(f"{display_url}\n{version}".encode()).hexdigest() / build_file_name(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(".lock")):
        if not target.is_file():
            part = target.with_name(".part")
            with part.open("wb") as file:
                _copy(system, name, file)
            if _get_version(system, name) != version:
                part.unlink()
                raise SourceError(f"{display_url} changed while it was fetched; run the same command again")
            part.replace(target)
    return LocalFile(target, display_url, display_url)


def _get_version(system: AbstractFileSystem, name: str) -> str:
    """Return what changes when the file's content does."""
    system.invalidate_cache()  # an answer kept from a listing has other fields than one asked for anew
    info = system.info(name)
    versions = {key: str(info[key]) for key in _VERSION_KEYS if info.get(key)}
    return str([*sorted(versions.items()), ("size", info.get("size"))]) if versions else str(system.ukey(name))


def _copy(system: AbstractFileSystem, name: str, file: BinaryIO) -> None:
    from tqdm import tqdm

    size = system.info(name).get("size")
    bar = tqdm(total=size, unit="B", unit_scale=True, desc=build_file_name(name), leave=False, disable=None)
    with system.open(name, "rb") as source, bar:
        while block := source.read(_BLOCK):
            file.write(block)
            bar.update(len(block))


@contextmanager
def _translate_errors(display_url: str) -> Iterator[None]:
    """Turn a driver's errors into ours. Each driver has its own, and their words, which may hold a secret, are not passed on."""
    hint = _format_credentials_hint(display_url.split("://", maxsplit=1)[0])
    try:
        yield
    except SourceError:
        raise
    except FileNotFoundError:
        raise SourceError(f"{display_url} does not exist; check bucket and path") from None
    except PermissionError:
        raise SourceError(f"{display_url}: access is denied; check the credentials{hint}") from None
    except Exception as error:
        if "Credential" in type(error).__name__:
            raise SourceError(f"{display_url}: there are no credentials{hint}") from None
        raise SourceError(
            f"{display_url} cannot be fetched ({describe_error(error)}); check address, network and credentials{hint}"
        ) from None


def _format_credentials_hint(scheme: str) -> str:
    names = _CREDENTIALS.get(scheme)
    return f"; they are taken from the environment: {names}" if names else ""
