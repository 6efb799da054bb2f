"""Fetch one file over http(s), by its sha256: streamed, resumed where it broke off, kept in the download cache."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from seodang.errors import SourceError, SourceUnreachable
from seodang.ingest.fetch.files import LocalFile, build_file_name, expand_environment, redact_url
from seodang.io.atomic import sha256_of

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

_BLOCK = 1 << 20  # bytes
_TIMEOUTS = (10.0, 60.0)  # seconds to connect; seconds without a byte
_RETRY_DELAYS = (1.0, 3.0, 9.0)  # seconds before each further try
_RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_STATUS_HINTS = {
    401: "asks for credentials; write https://${USER_VARIABLE}:${PASSWORD_VARIABLE}@..., or put them into ~/.netrc",
    403: "does not allow it; check the address and the credentials",
    404: "has no such file; check the address",
    410: "no longer has the file; check the address",
}


class _RetryableError(Exception):
    """A fault that may pass."""


def fetch_web_file(url: str, sha256: str, cache: Path) -> LocalFile:
    """Return the file at an address, from the cache if it was fetched before.

    Args:
        url: http(s); ${NAME} stands for an environment variable.
        sha256: Of the file. It names the place in the cache.
        cache: The folder of downloads.

    Raises:
        SourceError: If it cannot be fetched, or is not the file that sha256 names.

    """
    from filelock import FileLock

    display_url = redact_url(url)
    target = cache / "web" / sha256 / build_file_name(unquote(urlsplit(url).path))
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(".lock")):
        if not (target.is_file() and sha256_of(target) == sha256):
            _fetch(expand_environment(url), display_url, sha256, target)
    return LocalFile(target, display_url, display_url)


def _fetch(url: str, display_url: str, sha256: str, target: Path) -> None:
    part = target.with_name(".part")
    is_resumed = part.exists()
    _download(url, display_url, part)
    digest = sha256_of(part)
    if digest != sha256 and is_resumed:  # what was fetched before may be of another version of the file
        part.unlink()
        _download(url, display_url, part)
        digest = sha256_of(part)
    if digest == sha256:
        part.replace(target)
        return
    size = part.stat().st_size
    part.unlink()
    raise SourceError(
        f"{display_url} is not the file that sha256 names: expected {sha256}, found {digest} ({size:,} bytes); "
        "if the file was meant to change, look at it and write the hash found into params.yaml; else use an address that keeps the old one"
    )


def _download(url: str, display_url: str, part: Path) -> None:
    """Fetch all of the file into `part`, going on where it ends; try again what may pass."""
    for attempt, delay in enumerate((*_RETRY_DELAYS, None), start=1):
        try:
            return _stream(url, display_url, part)
        except _RetryableError as error:
            if delay is None:
                raise SourceUnreachable(
                    f"{display_url}: {error}; {attempt} tries; check the address and the network, then run the same command again: it goes on where it was"
                ) from None
            logger.warning("%s: %s; trying again in %.0f s", display_url, error, delay)
            time.sleep(delay)
    raise AssertionError("the last try returns or raises")


def _stream(url: str, display_url: str, part: Path) -> None:
    import requests
    import urllib3

    offset = part.stat().st_size if part.exists() else 0
    # identity: a body that is packed for the way would have another hash, and no place to go on from
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUTS) as response:
            if response.status_code == 416:  # nothing follows: it is whole, or was of a longer file; the hash will tell
                return
            _check_status(response.status_code, display_url)
            is_resumed = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
                f"bytes {offset}-"
            )
            if response.status_code == 206 and not is_resumed:
                part.unlink(missing_ok=True)
                raise _RetryableError("the server sent another part of the file than was asked for")
            _write(response, part, offset if is_resumed else 0, display_url)
    # A library's own words may hold the URL with its password: they are not passed on.
    except requests.exceptions.SSLError:
        raise SourceError(
            f"{display_url}: the server's certificate cannot be trusted; check the address, or name your own authority in REQUESTS_CA_BUNDLE"
        ) from None
    except requests.exceptions.TooManyRedirects:
        raise SourceError(f"{display_url}: redirected in circles; check the address") from None
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
        raise _RetryableError("no answer in time") from None
    except (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError) as error:
        raise _RetryableError(_describe_connection_error(error)) from None
    except (requests.exceptions.RequestException, UnicodeError):
        raise SourceError(f"{display_url} is no address that can be asked; expected https://host/path") from None


def _check_status(status: int, display_url: str) -> None:
    if status in _RETRYABLE_STATUSES:
        raise _RetryableError(f"the server answers {status}")
    if status not in {200, 206}:
        raise SourceError(
            f"{display_url}: the server answers {status}: it {_STATUS_HINTS.get(status, 'does not give the file; check the address')}"
        )


def _write(response: requests.Response, part: Path, offset: int, display_url: str) -> None:
    """Append the body to the first `held` bytes of `part`; what arrived stays there when the connection breaks."""
    from tqdm import tqdm

    length = response.headers.get("Content-Length", "")
    total = offset + int(length) if length.isdecimal() else None
    bar = tqdm(
        total=total,
        initial=offset,
        unit="B",
        unit_scale=True,
        desc=build_file_name(display_url),
        leave=False,
        disable=None,
    )
    with bar, part.open("r+b" if offset else "wb") as file:
        file.seek(offset)
        for block in response.raw.stream(
            _BLOCK, decode_content=False
        ):  # as it lies on the server, which the hash is of
            file.write(block)
            bar.update(len(block))
        file.flush()
        os.fsync(file.fileno())
        if total is not None and file.tell() != total:
            raise _RetryableError(f"the connection ended after {file.tell():,} of {total:,} bytes")


def _describe_connection_error(error: Exception) -> str:
    text = repr(error)  # only looked at
    if "NameResolution" in text or "getaddrinfo" in text or "Name or service" in text:
        return "the host's name is not known (DNS)"
    if "refused" in text:
        return "the host refuses the connection"
    return "the connection broke off"
