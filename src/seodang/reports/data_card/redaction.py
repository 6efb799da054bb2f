"""Shorten texts of the data to one line and mask personal data in them."""

from __future__ import annotations

import re
from typing import Any, Final

from seodang.i18n import Message
from seodang.ingest.rows import shorten
from seodang.validation.checks import pii

HEAD_CHARACTERS: Final = 140  # maximum length of a text on the card
WITHHELD: Final = Message("[withheld]")

Text = str | Message
"""A text of the data, or a message that is translated where it is shown."""

_PERSONAL: Final = frozenset(rule.id for rule in pii.RULES)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_MARGIN: Final = 3  # masked length in multiples of the shown one: half a phone number at the cut would not be detected


def is_personal(rule: str) -> bool:
    """Return whether a rule detects personal data; the card shows no text of a row that violates such a rule."""
    return rule in _PERSONAL


def format_head(value: Any, characters: int = HEAD_CHARACTERS) -> str:
    """Return the beginning of a value in one line, with personal data and secret keys masked.

    Control characters are left out, so that no text of the data steers the terminal that shows it.
    """
    text = pii.mask_personal_data(shorten(value, _MARGIN * characters))
    return shorten(_CONTROL.sub("", " ".join(text.split())), characters)
