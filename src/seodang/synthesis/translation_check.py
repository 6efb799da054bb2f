"""Whether a translation kept what must not change: numbers, code, addresses, placeholders. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from seodang.records import Language, detect_language

# A Korean particle may follow what is marked ($HOME을, %s를), so no name goes on with Hangul, and no address ends in
# the punctuation of its sentence.
_MARKED: Final = re.compile(
    r"```.*?```|`[^`\n]+`"  # code
    r"|https?://[^\s<>\"'가-힣]*[^\s<>\"'가-힣.,;:!?)\]]"  # addresses
    r"|(?<![\w.+-])[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
    r"|\{\{[^{}\n]*\}\}|\{[A-Za-z_][\w.]*\}|</?[A-Za-z][^<>\n]*>"  # placeholders
    r"|%(?:\(\w+\))?[sdf](?![A-Za-z0-9_])|\$\{[A-Za-z_]\w*\}|\$[A-Za-z_][A-Za-z0-9_]*",
    re.DOTALL,
)
_NUMBER: Final = re.compile(
    r"(\d{1,3}(?:,\d{3})+(?!\d)|\d+)(\.\d+)?"
    r"(?:\s?(?P<english>thousand|million|billion|trillion)|(?P<korean>[십백천]?[만억조]|[십백천]))?",
    re.IGNORECASE,
)
_ENGLISH_UNITS: Final = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_KOREAN_UNITS: Final = {"십": 10, "백": 10**2, "천": 10**3, "만": 10**4, "억": 10**8, "조": 10**12}
_GAPS: Final = ("", " ")  # within a number of several parts
_MIN_LETTERS: Final = 4  # fewer letters, such as a formula or an abbreviation, have no language


def find_lost(source: str, translation: str) -> str:
    """Return a part of the source that the translation lacks: code, an address, a placeholder or a number; "" for none.

    A number may have another form: 12,000, 1.2만 and 1만 2천 are equal. A translation may have more numbers, because a
    word may become one (three, 3).
    """
    lost: Counter[str] = Counter(_MARKED.findall(source)) - Counter(_MARKED.findall(translation))
    if lost:
        return next(iter(lost))
    found: Counter[Decimal] = Counter()
    for parts in _read_numbers(_MARKED.sub(" ", translation)):
        found.update({_add(parts), *parts})
    for parts in _read_numbers(_MARKED.sub(" ", source)):
        values = [_add(parts)] if found[_add(parts)] > 0 else parts
        if any(found[value] <= 0 for value in values):
            text = f"{_add(parts):f}"
            return text.rstrip("0").rstrip(".") if "." in text else text
        found.subtract(values)
    return ""


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


def _read_numbers(text: str) -> list[list[Decimal]]:
    """Return the numbers of a text; a Korean one has a part for each unit: 3만 5천, 1억 2천만."""
    numbers: list[list[Decimal]] = []
    end, bound = 0, 0  # of the number before, and the unit that the next part must stay below
    for match in _NUMBER.finditer(text):
        unit = _read_unit(match)
        value = Decimal(match[1].replace(",", "") + (match[2] or ""))
        value = value if unit == 1 else value * unit  # a product has 28 digits at most
        if numbers and value < bound and text[end : match.start()] in _GAPS:
            numbers[-1].append(value)
        else:
            numbers.append([value])
        end, bound = match.end(), unit if match["korean"] else 0
    return numbers


def _read_unit(match: re.Match[str]) -> int:
    if match["english"]:
        return _ENGLISH_UNITS[match["english"].lower()]
    is_article = match["korean"] == "조" and match.string[: match.start()].endswith("제")  # 제12조 of a law
    return 1 if is_article else math.prod(_KOREAN_UNITS[syllable] for syllable in match["korean"] or "")


def _add(parts: Sequence[Decimal]) -> Decimal:
    return sum(parts[1:], parts[0])
