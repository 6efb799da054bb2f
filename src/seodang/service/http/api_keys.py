"""The keys with which clients may use the service."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from seodang.errors import SeodangError
from seodang.i18n import _

VARIABLE: Final = "SEODANG_API_KEYS"
_FILE: Final = "file:"
_MIN_CHARACTERS: Final = 16
_LIMITED: Final = re.compile(r"(.*)/([1-9][0-9]{0,8})", re.ASCII)


class ApiKeys:
    """Keys by name, from SEODANG_API_KEYS: `name:key,name:key`, or `file:PATH` of a file with one `name:key` a line.

    `name/120:key` limits a key to 120 requests per minute.

    The variable and the file are read again for each request, so that a key is replaced without a restart.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._source = ""
        self._digests: dict[str, bytes] = {}
        self._limits: dict[str, int] = {}
        self.load()

    def load(self) -> dict[str, bytes]:
        """Return the digest of each key by its name; empty where the service has no keys.

        Raises:
            SeodangError: If the file cannot be read, or an entry is no name with a key.
        """
        value = self._environment.get(VARIABLE, "")
        source = _read_source(value)
        if value and not source.strip(", "):  # an emptied file must not open the service
            raise SeodangError(_("{variable} is set but has no key; write name:key, or unset it", variable=VARIABLE))
        if source != self._source:
            self._digests, self._limits = _parse_keys(source)
            self._source = source
        return self._digests

    def find_name(self, key: str) -> str | None:
        """Return the name of a key; None if it is unknown. The time does not depend on the key."""
        digest = _digest(key)
        names = [name for name, known in self.load().items() if hmac.compare_digest(known, digest)]
        return names[0] if names else None

    def get_limit(self, name: str | None) -> int | None:
        """Return the requests per minute of a key; None if it has no limit of its own."""
        return None if name is None else self._limits.get(name)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def _read_source(value: str) -> str:
    if not value.startswith(_FILE):
        return value
    path = Path(value.removeprefix(_FILE))
    try:
        return ",".join(path.read_text("utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise SeodangError(
            _("{variable}: {file} cannot be read ({error})", variable=VARIABLE, file=path, error=type(error).__name__)
        ) from error


def _parse_keys(source: str) -> tuple[dict[str, bytes], dict[str, int]]:
    """Return the digest of each key, and the requests per minute of those that have a limit."""
    digests: dict[str, bytes] = {}
    limits: dict[str, int] = {}
    for number, entry in enumerate(filter(None, map(str.strip, source.split(","))), start=1):
        name, _separator, key = entry.partition(":")
        if limited := _LIMITED.fullmatch(name):
            name = limited[1]
            limits[name] = int(limited[2])
        if not name or len(key) < _MIN_CHARACTERS or name in digests:
            raise SeodangError(
                _(
                    "{variable}: entry {number} is not name:key with a name of its own and a key of at least {count}"
                    " characters",
                    variable=VARIABLE,
                    number=number,
                    count=_MIN_CHARACTERS,
                )
            )
        digests[name] = _digest(key)
    return digests, limits


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
