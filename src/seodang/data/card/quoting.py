"""Texts of the data, made fit to be shown: short, in one line, without personal data."""

from __future__ import annotations

import re
from typing import Any, Final

from seodang.data.rows import shown

HEAD: Final = 140  # characters of a text that the card shows
WITHHELD: Final = "[가림 · withheld]"

# Rules that find personal data: what they found is never shown, nor is the row it stood in.
_PERSONAL_RULE: Final = re.compile(r"personal|resident|phone|e-?mail|credit|card-number|secret|credential|api-key|access-token|private|pii|address")
# A second line of defence for every text that is shown: addresses, numbers long enough to reach or to name somebody, keys.
_MASKS: Final = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "[e-mail]"),
    (re.compile(r"\b(?:sk|pk|ghp|gho|xox[abp]|AKIA|AIza|hf)[-_]?[A-Za-z0-9_-]{12,}"), "[key]"),
    (re.compile(r"(?<![\d.])\+?\d{2,4}(?:[-. ]\d{2,4}){2,3}(?![\d.])|(?<!\d)\d{6}-\d{7}(?!\d)|(?<![\d.])\d{9,19}(?![\d.])"), "[number]"),
)


def is_personal(rule: str) -> bool:
    """Return whether what a rule finds is personal data, by the rule's id."""
    return bool(_PERSONAL_RULE.search(rule))


def head(value: Any, characters: int = HEAD) -> str:  # noqa: ANN401 - whatever stands in a field
    """Return the first characters of a value in one line, with e-mail addresses, long numbers and keys masked."""
    text = shown(value, 3 * characters)
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return shown(" ".join(text.split()), characters)
