"""Fetch files from any store that fsspec supports (s3, gs, abfs, sftp, memory, ...), each version once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seodang.errors import SourceError, describe_error
from seodang.i18n import N_, _
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
# Names that stores use for the version of a file.
_VERSION_KEYS = ("ETag", "etag", "md5Hash", "content_md5", "checksum", "generation", "VersionId")
_CREDENTIALS = {
    "s3": N_(
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE), AWS_ENDPOINT_URL for a store other than Amazon's,"
        " FSSPEC_S3_ANON=true for a public bucket"
    ),
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "abfs": N_("AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
}


def fetch_remote_files(url: str, cache: Path) -> list[LocalFile]:
    """Return the sorted files of a URL: one file, those below a folder, or those that a glob matches.

    Args:
        url: URL of any protocol that fsspec supports; ${NAME} stands for an environment variable.
        cache: Folder of the downloads. A file is kept there by URL and version, so that it is fetched only once.

    Raises:
        SourceError: If the store cannot be reached or has no such file; the message says what to do.

    """
    display_url = redact_url(url)
    address = expand_environment(url)
    with _translate_errors(display_url):
        system, pattern = _open_filesystem(address, display_url)
        names = _list_files(system, pattern)
        if not names:
            raise SourceError(_("{url} matches no data file; check bucket, path and glob", url=display_url))
        return [
            _fetch(system, name, _build_file_url(name, display_url) if name != pattern else display_url, cache)
            for name in names
        ]


def read_remote_versions(url: str) -> dict[str, str]:
    """Return the version of each file of a URL, by its address without secrets. No file is downloaded.

    Args:
        url: As in `fetch_remote_files`.

    Raises:
        SourceError: If the store cannot be reached or has no such file.
    """
    display_url = redact_url(url)
    with _translate_errors(display_url):
        system, pattern = _open_filesystem(expand_environment(url), display_url)
        return {
            _build_file_url(name, display_url): hashlib.md5(
                _get_version(system, name).encode(), usedforsecurity=False
            ).hexdigest()
            for name in _list_files(system, pattern)
        }


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
            _(
                "{url} needs a package that is not installed: {command}",
                url=display_url,
                command=_format_install_command(scheme),
            )
        ) from None
    except ValueError:
        if scheme in known_implementations:
            raise SourceError(_("{url} is not a valid URL; check its syntax", url=display_url)) from None
        raise SourceError(
            _(
                "{url} has an unknown scheme; expected http(s), hf, s3, gs, abfs or another that fsspec supports",
                url=display_url,
            )
        ) from None
    system.invalidate_cache()  # fsspec caches listings for the lifetime of the process
    return system, str(pattern)


def _format_install_command(scheme: str) -> str:
    """Return the command that installs the package of a protocol and keeps the installed fsspec version."""
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
                raise SourceError(_("{url} changed during the download; run the same command again", url=display_url))
            part.replace(target)
    return LocalFile(target, display_url, display_url)


def _get_version(system: AbstractFileSystem, name: str) -> str:
    """Return a text that changes with the file's content."""
    system.invalidate_cache()  # a cached listing entry has other fields than a new request
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
    """Raise a SourceError for any error of a driver. The driver's message is dropped, as it may hold a secret."""
    hint = _format_credentials_hint(display_url.split("://", maxsplit=1)[0])
    try:
        yield
    except SourceError:
        raise
    except FileNotFoundError:
        raise SourceError(_("{url} does not exist; check bucket and path", url=display_url)) from None
    except PermissionError:
        raise SourceError(_("{url}: access is denied; check the credentials", url=display_url) + hint) from None
    except Exception as error:
        if "Credential" in type(error).__name__:
            raise SourceError(_("{url}: no credentials found; set them", url=display_url) + hint) from None
        message = _(
            "{url} cannot be fetched ({reason}); check the URL, the network and the credentials",
            url=display_url,
            reason=describe_error(error),
        )
        raise SourceError(message + hint) from None


def _format_credentials_hint(scheme: str) -> str:
    names = _CREDENTIALS.get(scheme)
    return _("; they are read from the environment: {names}", names=_(names)) if names else ""
