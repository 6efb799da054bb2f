"""Limits per minute, in any 60 seconds, and pauses that the teacher asks for. Pure but for the clock."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_WINDOW_SECONDS: Final = 60.0
_MAX_BACKOFF_SECONDS: Final = 60.0
_HASH_RANGE: Final = 16**4


@dataclass(slots=True)
class PacedCall:
    """A call that counts in the limits: when it began, and its tokens so far as they are known."""

    time: float
    tokens: int


class Pace:
    """Says when the next call may begin."""

    def __init__(
        self, requests: int | None, tokens: int | None, read_clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Set the limits per minute; None for no limit."""
        self._requests = requests
        self._tokens = tokens
        self._read_clock = read_clock
        self._calls: deque[PacedCall] = deque()
        self._paused_until = 0.0

    def pause(self, seconds: float) -> None:
        """Let no call begin for some seconds: the teacher asked for it."""
        self._paused_until = max(self._paused_until, self._read_clock() + seconds)

    def compute_wait(self, tokens: int) -> float:
        """Return the seconds until a call of so many tokens may begin; 0: now.

        A call with more tokens than a minute allows waits until no other call counts.
        """
        now = self._read_clock()
        while self._calls and self._calls[0].time <= now - _WINDOW_SECONDS:
            self._calls.popleft()
        moments = [now, self._paused_until]
        if self._requests is not None and len(self._calls) >= self._requests:
            moments.append(self._calls[-self._requests].time + _WINDOW_SECONDS)
        if self._tokens is not None:
            moments.append(self._find_room(tokens, self._tokens))
        return max(moments) - now

    def begin(self, tokens: int) -> PacedCall:
        """Count a call that begins now; its tokens may be corrected when they are known."""
        call = PacedCall(self._read_clock(), tokens)
        self._calls.append(call)
        return call

    def _find_room(self, tokens: int, limit: int) -> float:
        """Return the moment from which the calls of the last minute leave room for some tokens."""
        used, moment = sum(call.tokens for call in self._calls), 0.0
        for call in self._calls:
            if used + tokens <= limit:
                break
            used, moment = used - call.tokens, call.time + _WINDOW_SECONDS
        return moment


def compute_backoff(key: str, attempt: int, first: float) -> float:
    """Return the seconds before the next attempt; they differ by call, so that not all come back at once.

    Args:
        key: Of the call.
        attempt: Number of the attempt that failed, from 0.
        first: Seconds after the first attempt; they double with each further one.
    """
    jitter = int(hashlib.sha256(f"{key} {attempt}".encode()).hexdigest()[:4], 16) / _HASH_RANGE
    return min(first * 2.0**attempt, _MAX_BACKOFF_SECONDS) * (0.5 + jitter)
