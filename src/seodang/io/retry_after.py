"""The header in which a server says how long to wait."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

# Whole seconds by RFC 9110; some gateways send a fraction.
_SECONDS: Final = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


def parse_retry_after(value: str) -> float | None:
    """Return the seconds that a Retry-After header asks to wait: a number or a date; None without a usable one."""
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # a year of ten digits
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
