"""Limits of each key: requests per minute, and requests at the same time. Every process counts for itself."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from seodang.errors import SeodangError
from seodang.i18n import _, ngettext
from seodang.service.http.api_error import ApiError

PER_MINUTE: Final = "SEODANG_REQUESTS_PER_MINUTE"
CONCURRENT: Final = "SEODANG_CONCURRENT_REQUESTS"
_SECONDS: Final = 60.0
_EPSILON: Final = 1e-6  # a sum of parts of a token is not exact


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a key may still do; OpenAI's clients read it from the headers."""

    limit: int
    """Requests per minute."""
    remaining: int
    """Requests that may be sent at once now."""
    reset_seconds: float
    """Time until `remaining` is `limit` again."""

    def format_headers(self) -> dict[str, str]:
        """Return the headers of an answer."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": f"{self.reset_seconds:.3f}s",
        }


class TokenBucket:
    """A bucket of `limit` tokens that fills within a minute; a request takes one."""

    def __init__(self, limit: int, now: float) -> None:
        self.limit = limit
        self._tokens = float(limit)
        self._updated = now

    def take(self, now: float) -> float:
        """Take a token; return 0, or the seconds until there is one."""
        self._tokens = min(self.limit, self._tokens + (now - self._updated) * self.limit / _SECONDS)
        self._updated = now
        if self._tokens < 1 - _EPSILON:
            return (1 - self._tokens) * _SECONDS / self.limit
        self._tokens = max(self._tokens - 1, 0.0)
        return 0.0

    def describe(self) -> Allowance:
        """Return what is left after the last request."""
        missing = self.limit - self._tokens
        return Allowance(self.limit, int(self._tokens + _EPSILON), missing * _SECONDS / self.limit)


class RateLimits:
    """The limits of all keys, from SEODANG_REQUESTS_PER_MINUTE and SEODANG_CONCURRENT_REQUESTS; unset: no limit."""

    def __init__(
        self, environment: Mapping[str, str] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the limits.

        Args:
            environment: The variables; None: of the process.
            clock: Seconds.

        Raises:
            SeodangError: If a variable is no positive number.
        """
        environment = os.environ if environment is None else environment
        self._per_minute = _read_count(environment, PER_MINUTE)
        self._concurrent = _read_count(environment, CONCURRENT)
        self._clock = clock
        self._buckets: dict[str | None, TokenBucket] = {}
        self._running: Counter[str | None] = Counter()

    def take(self, key: str | None, limit: int | None = None) -> Allowance | None:
        """Count a request; return what the key may still do, None without a limit.

        Args:
            key: Name of the key; None where the service has no keys: all clients share one limit.
            limit: Requests per minute of this key; None: of all keys.

        Raises:
            ApiError: With the status 429, and the time after which the request is accepted.
        """
        limit = self._per_minute if limit is None else limit
        if limit is None:
            return None
        bucket, now = self._buckets.get(key), self._clock()
        if bucket is None or bucket.limit != limit:
            bucket = self._buckets[key] = TokenBucket(limit, now)
        if wait := bucket.take(now):
            raise ApiError(
                429,
                ngettext(
                    "this key may send {count} request per minute; send the request again later",
                    "this key may send {count} requests per minute; send the request again later",
                    limit,
                ),
                code="rate_limit_exceeded",
                retry_seconds=math.ceil(wait),
                headers=bucket.describe().format_headers(),
            )
        return bucket.describe()

    @contextmanager
    def hold(self, key: str | None) -> Iterator[None]:
        """Count a request as running.

        Raises:
            ApiError: With the status 429, if as many requests of the key are running as it may have.
        """
        if self._concurrent is not None and self._running[key] >= self._concurrent:
            raise ApiError(
                429,
                ngettext(
                    "this key may have {count} request at the same time; send the request again later",
                    "this key may have {count} requests at the same time; send the request again later",
                    self._concurrent,
                ),
                code="too_many_concurrent_requests",
            )
        self._running[key] += 1
        try:
            yield
        finally:
            self._running[key] -= 1


def _read_count(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text[:10]) < 10**9):
        raise SeodangError(_("{variable} must be a number above 0, not {text!r}", variable=name, text=text))
    return int(text)
