"""How a free answer is matched with its reference, where a task file says so. Pure.

Source: lm-evaluation-harness, the filter `regex`, and the metric exact_match with its arguments.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator

from seodang.config import Section
from seodang.evaluation.tasks.math_answers import is_equal_math_answer
from seodang.i18n import _

_NO_MATCH = "[invalid]"  # the answer of the harness where its pattern matches nothing
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def _validate_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(_("is not a regular expression: {problem}", problem=error)) from error
    return pattern


Pattern = Annotated[str, AfterValidator(_validate_pattern)]


class Matching(Section):
    """Extraction and comparison of a free answer."""

    rule: Literal["text", "math"]
    """text: equal texts; math: equal numbers or formulas, the one in \\boxed{} first (HRM8K)."""
    pattern: Pattern | None
    """The first match, or its first group, is the answer; without a match the answer is wrong. null: all of it."""
    ignore_case: bool
    ignore_punctuation: bool
    """ASCII punctuation."""
    ignore: list[Pattern]
    """Matches are removed from answer and reference before they are compared."""


def extract_answer(matching: Matching, answer: str) -> str:
    """Return the part of an answer that is compared."""
    if matching.pattern is None:
        return answer
    matches = re.findall(matching.pattern, answer)
    if not matches:
        return _NO_MATCH
    groups = matches[0] if isinstance(matches[0], tuple) else (matches[0],)
    return next(filter(None, groups), _NO_MATCH if len(groups) > 1 else "").strip()


def is_match(matching: Matching, answer: str, reference: str) -> bool:
    """Return whether an answer matches the reference."""
    extracted = extract_answer(matching, answer)
    if matching.rule == "math":
        return is_equal_math_answer(extracted, reference)
    return _normalize(matching, extracted) == _normalize(matching, reference)


def _normalize(matching: Matching, text: str) -> str:
    for pattern in matching.ignore:
        text = re.sub(pattern, "", text)
    text = text.lower() if matching.ignore_case else text
    return text.translate(_WITHOUT_PUNCTUATION) if matching.ignore_punctuation else text


def truncate_raw_answer(answer: str, until: Sequence[str]) -> str:
    """Return an answer up to the first stop text, blanks included: a stop text at its beginning leaves nothing."""
    ends = [position for text in until if (position := answer.find(text)) >= 0]
    return answer[: min(ends, default=len(answer))]
