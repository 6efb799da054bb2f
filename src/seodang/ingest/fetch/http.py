"""Fetch one file over http(s) by its sha256: streamed, resumed after a broken connection, kept in the cache."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from seodang.errors import SourceError, SourceUnreachable
from seodang.i18n import N_, Message, _, ngettext
from seodang.ingest.fetch.files import LocalFile, build_file_name, expand_environment, redact_url
from seodang.io.atomic import compute_sha256

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

_BLOCK = 1 << 20  # bytes
_TIMEOUTS = (10.0, 60.0)  # seconds to connect; seconds without a byte
_RETRY_DELAYS = (1.0, 3.0, 9.0)  # seconds before each retry
_RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_STATUS_HINTS = {
    401: N_(
        "the server asks for credentials (status {status}); write https://${{USER_VARIABLE}}:${{PASSWORD_VARIABLE}}@...,"
        " or add them to ~/.netrc"
    ),
    403: N_("the server refuses access (status {status}); check the URL and the credentials"),
    404: N_("the server has no such file (status {status}); check the URL"),
    410: N_("the server no longer has the file (status {status}); check the URL"),
}
_OTHER_STATUS_HINT = N_("the server answers with status {status} instead of the file; check the URL")


class _RetryableError(Exception):
    """A temporary error."""


def fetch_web_file(url: str, sha256: str, cache: Path) -> LocalFile:
    """Return the file at a URL, from the cache if it was fetched before.

    Args:
        url: http(s) URL; ${NAME} stands for an environment variable.
        sha256: Checksum of the file; also the name of its folder in the cache.
        cache: Folder of the downloads.

    Raises:
        SourceError: If the file cannot be fetched or has another sha256.

    """
    from filelock import FileLock

    display_url = redact_url(url)
    target = cache / "web" / sha256 / build_file_name(unquote(urlsplit(url).path))
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(".lock")):
        if not (target.is_file() and compute_sha256(target) == sha256):
            _fetch(expand_environment(url), display_url, sha256, target)
    return LocalFile(target, display_url, display_url)


def _fetch(url: str, display_url: str, sha256: str, target: Path) -> None:
    part = target.with_name(".part")
    is_resumed = part.exists()
    _download(url, display_url, part)
    digest = compute_sha256(part)
    if digest != sha256 and is_resumed:  # the first part may belong to another version of the file
        part.unlink()
        _download(url, display_url, part)
        digest = compute_sha256(part)
    if digest == sha256:
        part.replace(target)
        return
    size = part.stat().st_size
    part.unlink()
    raise SourceError(
        _(
            "{url} has another sha256 than params.yaml: expected {expected}, found {found} ({size}); if the change"
            " is intended, check the file and write the new sha256 into params.yaml; else use a URL that keeps the old file",
            url=display_url,
            expected=sha256,
            found=digest,
            size=ngettext("{count:,} byte", "{count:,} bytes", size),
        )
    )


def _download(url: str, display_url: str, part: Path) -> None:
    """Fetch the file into `part`, resuming at its end; retry after a temporary error."""
    for attempt, delay in enumerate((*_RETRY_DELAYS, None), start=1):
        try:
            return _stream(url, display_url, part)
        except _RetryableError as error:
            if delay is None:
                raise SourceUnreachable(
                    _(
                        "{url}: {problem}, after {count} attempts; check the URL and the network, then run the same command"
                        " again: the download resumes",
                        url=display_url,
                        problem=error,
                        count=attempt,
                    )
                ) from None
            logger.warning(_("{url}: {problem}; retry in {delay:.0f} s", url=display_url, problem=error, delay=delay))
            time.sleep(delay)
    raise AssertionError("the last attempt returns or raises")


def _stream(url: str, display_url: str, part: Path) -> None:
    import requests
    import urllib3

    offset = part.stat().st_size if part.exists() else 0
    # identity: a compressed body would have another hash, and its offset would not match the file
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
    # A library's message may hold the URL with its password: no message below repeats it.
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUTS) as response:
            if (
                response.status_code == 416
            ):  # no byte follows: the part is complete or of a longer file; the hash decides
                return
            _check_status(response.status_code, display_url)
            _write(response, part, _get_start(response, offset, part), display_url)
    except requests.exceptions.SSLError:
        raise SourceError(
            _(
                "{url}: the server's certificate is not trusted; check the URL, or name your certificate authority in"
                " REQUESTS_CA_BUNDLE",
                url=display_url,
            )
        ) from None
    except requests.exceptions.TooManyRedirects:
        raise SourceError(_("{url}: the server redirects in a loop; check the URL", url=display_url)) from None
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
        raise _RetryableError(_("the server did not answer in time")) from None
    except (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError) as error:
        raise _RetryableError(_describe_connection_error(error)) from None
    except (requests.exceptions.RequestException, UnicodeError):
        raise SourceError(_("{url} is not a valid URL; expected https://host/path", url=display_url)) from None


def _get_start(response: requests.Response, offset: int, part: Path) -> int:
    """Return the offset in the file at which the body starts."""
    if response.status_code != 206:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        part.unlink(missing_ok=True)
        raise _RetryableError(_("the server sent another part of the file than requested"))
    return offset


def _check_status(status: int, display_url: str) -> None:
    if status in _RETRYABLE_STATUSES:
        raise _RetryableError(_("the server answers with status {status}", status=status))
    if status not in {200, 206}:
        hint = Message(_STATUS_HINTS.get(status, _OTHER_STATUS_HINT), {"status": status})
        raise SourceError(f"{display_url}: {hint}")


def _write(response: requests.Response, part: Path, offset: int, display_url: str) -> None:
    """Write the body to `part` from `offset` on; received bytes stay there if the connection breaks."""
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
        # decode_content=False: the hash is that of the undecoded bytes
        for block in response.raw.stream(_BLOCK, decode_content=False):
            file.write(block)
            bar.update(len(block))
        file.flush()
        os.fsync(file.fileno())
        if total is not None and file.tell() != total:
            raise _RetryableError(
                _(
                    "the connection ended after {count:,} of {total}",
                    count=file.tell(),
                    total=ngettext("{count:,} byte", "{count:,} bytes", total),
                )
            )


def _describe_connection_error(error: Exception) -> str:
    text = repr(error)  # never shown: it may hold the URL
    if "NameResolution" in text or "getaddrinfo" in text or "Name or service" in text:
        return _("the host name is unknown (DNS)")
    if "refused" in text:
        return _("the host refuses the connection")
    return _("the connection was interrupted")
