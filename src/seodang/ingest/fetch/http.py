"""Fetch one file over http(s), by its sha256: streamed, resumed where it broke off, kept in the download cache."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from seodang.errors import SourceError, SourceUnreachable
from seodang.ingest.fetch.files import LocalFile, file_name, shown_url, with_environment
from seodang.io.atomic import sha256_of

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

_BLOCK = 1 << 20  # bytes
_TIMEOUTS = (10.0, 60.0)  # seconds to connect; seconds without a byte
_PAUSES = (1.0, 3.0, 9.0)  # seconds before each further try
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSED = {
    401: "asks for credentials; write https://${USER_VARIABLE}:${PASSWORD_VARIABLE}@..., or put them into ~/.netrc",
    403: "does not allow it; check the address and the credentials",
    404: "has no such file; check the address",
    410: "no longer has the file; check the address",
}


class _TryAgainError(Exception):
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

    shown = shown_url(url)
    place = cache / "web" / sha256 / file_name(unquote(urlsplit(url).path))
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(".lock")):
        if not (place.is_file() and sha256_of(place) == sha256):
            _fetch(with_environment(url), shown, sha256, place)
    return LocalFile(place, shown, shown)


def _fetch(url: str, shown: str, sha256: str, place: Path) -> None:
    part = place.with_name(".part")
    resumed = part.exists()
    _download(url, shown, part)
    found = sha256_of(part)
    if found != sha256 and resumed:  # what was fetched before may be of another version of the file
        part.unlink()
        _download(url, shown, part)
        found = sha256_of(part)
    if found == sha256:
        part.replace(place)
        return
    size = part.stat().st_size
    part.unlink()
    raise SourceError(
        f"{shown} is not the file that sha256 names: expected {sha256}, found {found} ({size:,} bytes); "
        "if the file was meant to change, look at it and write the hash found into params.yaml; else use an address that keeps the old one"
    )


def _download(url: str, shown: str, part: Path) -> None:
    """Fetch all of the file into `part`, going on where it ends; try again what may pass."""
    for number, pause in enumerate((*_PAUSES, None), start=1):
        try:
            return _stream(url, shown, part)
        except _TryAgainError as error:
            if pause is None:
                raise SourceUnreachable(
                    f"{shown}: {error}; {number} tries; check the address and the network, then run the same command again: it goes on where it was"
                ) from None
            logger.warning("%s: %s; trying again in %.0f s", shown, error, pause)
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _stream(url: str, shown: str, part: Path) -> None:
    import requests
    import urllib3

    held = part.stat().st_size if part.exists() else 0
    # identity: a body that is packed for the way would have another hash, and no place to go on from
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={held}-"} if held else {})}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUTS) as answer:
            if answer.status_code == 416:  # nothing follows: it is whole, or was of a longer file; the hash will tell
                return
            _check_status(answer.status_code, shown)
            goes_on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {held}-")
            if answer.status_code == 206 and not goes_on:
                part.unlink(missing_ok=True)
                raise _TryAgainError("the server sent another part of the file than was asked for")
            _write(answer, part, held if goes_on else 0, shown)
    # A library's own words may hold the URL with its password: they are not passed on.
    except requests.exceptions.SSLError:
        raise SourceError(
            f"{shown}: the server's certificate cannot be trusted; check the address, or name your own authority in REQUESTS_CA_BUNDLE"
        ) from None
    except requests.exceptions.TooManyRedirects:
        raise SourceError(f"{shown}: redirected in circles; check the address") from None
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
        raise _TryAgainError("no answer in time") from None
    except (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError) as error:
        raise _TryAgainError(_why(error)) from None
    except (requests.exceptions.RequestException, UnicodeError):
        raise SourceError(f"{shown} is no address that can be asked; expected https://host/path") from None


def _check_status(status: int, shown: str) -> None:
    if status in _PASSING:
        raise _TryAgainError(f"the server answers {status}")
    if status not in {200, 206}:
        raise SourceError(
            f"{shown}: the server answers {status}: it {_REFUSED.get(status, 'does not give the file; check the address')}"
        )


def _write(answer: requests.Response, part: Path, held: int, shown: str) -> None:
    """Append the body to the first `held` bytes of `part`; what arrived stays there when the connection breaks."""
    from tqdm import tqdm

    length = answer.headers.get("Content-Length", "")
    total = held + int(length) if length.isdecimal() else None
    bar = tqdm(total=total, initial=held, unit="B", unit_scale=True, desc=file_name(shown), leave=False, disable=None)
    with bar, part.open("r+b" if held else "wb") as file:
        file.seek(held)
        for block in answer.raw.stream(_BLOCK, decode_content=False):  # as it lies on the server, which the hash is of
            file.write(block)
            bar.update(len(block))
        file.flush()
        os.fsync(file.fileno())
        if total is not None and file.tell() != total:
            raise _TryAgainError(f"the connection ended after {file.tell():,} of {total:,} bytes")


def _why(error: Exception) -> str:
    text = repr(error)  # only looked at
    if "NameResolution" in text or "getaddrinfo" in text or "Name or service" in text:
        return "the host's name is not known (DNS)"
    if "refused" in text:
        return "the host refuses the connection"
    return "the connection broke off"
