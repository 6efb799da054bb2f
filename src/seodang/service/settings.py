"""Numbers in the environment of the service."""

from __future__ import annotations

import os
from collections.abc import Mapping

from seodang.errors import SeodangError
from seodang.i18n import _


def read_seconds(
    variable: str, *, default: float, minimum: float, maximum: float, environment: Mapping[str, str] | None = None
) -> float:
    """Return the seconds that a variable of the environment sets.

    Args:
        variable: Its name.
        default: Where it is missing or empty.
        minimum: Smallest number.
        maximum: Largest number.
        environment: None: that of the process.

    Raises:
        SeodangError: If it is no such number.
    """
    value = (os.environ if environment is None else environment).get(variable) or str(default)
    try:
        seconds = float(value)
    except ValueError:
        seconds = float("nan")
    if not minimum <= seconds <= maximum:
        raise SeodangError(
            _(
                "{variable} must be a number of seconds from {minimum:g} to {maximum:g}",
                variable=variable,
                minimum=minimum,
                maximum=maximum,
            )
        )
    return seconds
