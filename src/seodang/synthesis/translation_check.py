"""Whether a translation kept what must not change: numbers, code, addresses, placeholders. Pure."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import Final

from seodang.records import Language, detect_language

_MARKED: Final = re.compile(
    r"```.*?```|`[^`\n]+`"  # code
    r"|https?://[^\s<>\"'가-힣]+|[\w.+-]+@[\w-]+\.[\w.]+"  # addresses
    r"|\{\{[^{}\n]*\}\}|\{[A-Za-z_][\w.]*\}|</?[A-Za-z][^<>\n]*>|%(?:\(\w+\))?[sdf]\b|\$\{?[A-Za-z_]\w*\}?",  # placeholders
    re.DOTALL,
)
_NUMBER: Final = re.compile(
    r"(\d[\d,]*(?:\.\d+)?)\s?(thousand|million|billion|천만|백만|십만|만|천|억|조)?", re.IGNORECASE
)
_UNITS: Final = {
    **{"thousand": 10**3, "million": 10**6, "billion": 10**9},
    **{"천": 10**3, "만": 10**4, "십만": 10**5, "백만": 10**6, "천만": 10**7, "억": 10**8, "조": 10**12},
}
_MIN_LETTERS: Final = 4  # fewer letters, such as a formula or an abbreviation, have no language


def find_lost(source: str, translation: str) -> str:
    """Return a part of the source that the translation lacks: code, an address, a placeholder or a number; "" for none.

    A number may have another form: 12,000 and 1.2만 are equal. A translation may have more numbers, because a word may
    become one (three, 3).
    """
    lost: Counter[str] = Counter(_MARKED.findall(source)) - Counter(_MARKED.findall(translation))
    if lost:
        return next(iter(lost))
    numbers = _read_numbers(_MARKED.sub(" ", source)) - _read_numbers(_MARKED.sub(" ", translation))
    return f"{next(iter(numbers)):f}" if numbers else ""


def is_translated(source: str, translation: str, language: Language) -> bool:
    """Return whether a text is in the target language; a source without words of its language needs no translation.

    An empty source stays empty: any other text would be invented.
    """
    if not source.strip() or not translation.strip():
        return source.strip() == translation.strip()
    words = _MARKED.sub(" ", source)
    if sum(map(str.isalpha, words)) < _MIN_LETTERS or detect_language(words) == language:
        return True
    return detect_language(_MARKED.sub(" ", translation)) == language


def _read_numbers(text: str) -> Counter[Decimal]:
    numbers: Counter[Decimal] = Counter()
    for match in _NUMBER.finditer(text):
        value = Decimal(match[1].replace(",", "")) * _UNITS.get((match[2] or "").lower(), 1)
        numbers[value.normalize()] += 1
    return numbers
