"""The key of a service's API, from the environment."""

from __future__ import annotations

import os
from typing import Final

from seodang.errors import SeodangError
from seodang.i18n import _

KEY_VARIABLE: Final = "SEODANG_API_KEY"


def read_key() -> str:
    """Return the key; "" for none.

    Raises:
        SeodangError: If no header can hold it.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()  # a key from a file ends with a line break
    check_key(key)
    return key


def check_key(key: str, variable: str = KEY_VARIABLE) -> None:
    """Check that a header can hold a key; an HTTP client's own message would show it.

    Args:
        key: From the environment.
        variable: That holds it.

    Raises:
        SeodangError: If it cannot.
    """
    if not (key.isascii() and key.isprintable()):
        raise SeodangError(_("{name} has a character that no key has; copy the key again", name=variable))
