"""Texts of the data, made fit to be shown: short, in one line, without personal data."""

from __future__ import annotations

from typing import Any, Final

from seodang.ingest.rows import shorten
from seodang.validation.checks import pii

HEAD_CHARACTERS: Final = 140  # characters of a text that the card shows
WITHHELD: Final = "[가림 · withheld]"

_PERSONAL: Final = frozenset(rule.id for rule in pii.RULES)
_MARGIN: Final = 3  # what is masked before it is cut, in heads: half a number at the cut would not be known as one


def is_personal(rule: str) -> bool:
    """Return whether what a rule finds is personal data; nothing of a row that breaks it is shown."""
    return rule in _PERSONAL


def format_head(value: Any, characters: int = HEAD_CHARACTERS) -> str:
    """Return the first characters of a value in one line, personal data and keys as stars."""
    text = pii.mask_personal_data(shorten(value, _MARGIN * characters))
    return shorten(" ".join(text.split()), characters)
