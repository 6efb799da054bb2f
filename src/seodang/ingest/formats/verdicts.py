"""Parse verdicts about an answer: true or false, 1 or 0, and words such as good, reject or 나쁨.

It is the only parser of such values: KTO's labels, the status of a record and the loss flags of a message use it.
"""

from __future__ import annotations

import math
import re
from typing import Final

_GOOD: Final = frozenset(
    (
        *("true", "t", "yes", "y", "ok", "okay", "1", "+1", "on"),
        *(
            "good",
            "great",
            "correct",
            "right",
            "valid",
            "positive",
            "pos",
            "desirable",
            "desired",
            "preferred",
            "chosen",
        ),
        *(
            "accept",
            "accepted",
            "approve",
            "approved",
            "pass",
            "passed",
            "keep",
            "kept",
            "use",
            "success",
            "win",
            "winner",
        ),
        *("like", "liked", "upvote", "up", "thumbs up", "thumbsup", "helpful", "high", "high quality"),
        *("👍", "👍️", "✅", "✔", "✔️", "o", "⭕", "◯"),
        *(
            "참",
            "예",
            "네",
            "좋음",
            "좋아요",
            "좋은",
            "양호",
            "우수",
            "정답",
            "맞음",
            "옳음",
            "적합",
            "선호",
            "바람직",
            "바람직함",
        ),
        *("채택", "승인", "합격", "통과", "정상", "유효", "사용"),
    )
)
_BAD: Final = frozenset(
    (
        *("false", "f", "no", "n", "0", "-1", "off"),
        *("bad", "poor", "terrible", "incorrect", "wrong", "invalid", "negative", "neg", "undesirable", "undesired"),
        *(
            "reject",
            "rejected",
            "disapproved",
            "declined",
            "fail",
            "failed",
            "drop",
            "dropped",
            "loss",
            "loser",
            "not ok",
        ),
        *("dislike", "disliked", "downvote", "down", "thumbs down", "thumbsdown", "unhelpful", "low", "low quality"),
        *(
            "harmful",
            "unsafe",
            "not good",
            "not correct",
            "unacceptable",
            "unusable",
            "do not use",
            "👎",
            "👎️",
            "❌",
            "x",
        ),
        *(
            "거짓",
            "아니요",
            "아니오",
            "나쁨",
            "나빠요",
            "싫어요",
            "나쁜",
            "불량",
            "미흡",
            "오답",
            "틀림",
            "그름",
            "부적합",
            "부적절",
        ),
        *(
            "비선호",
            "바람직하지 않음",
            "기각",
            "반려",
            "거절",
            "거부",
            "불합격",
            "탈락",
            "무효",
            "미사용",
            "사용 안 함",
            "사용안함",
        ),
    )
)
_SEPARATOR: Final = re.compile(r"[\s_-]+")
_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d*)?")
_VALUES: Final = {1.0: True, 0.0: False, -1.0: False}


def parse_verdict(value: object) -> bool | None:
    """Return whether a value says good or bad; None if it says neither.

    Numbers are 1 for good, and 0 or -1 for bad; the type of the number and the case of a word do not matter.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _VALUES.get(float(value)) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    text = normalize_word(value)
    if _NUMBER.fullmatch(text):
        return _VALUES.get(float(text))
    return True if text in _GOOD else False if text in _BAD else None


def normalize_word(text: str) -> str:
    """Return a word in lower case, with a blank for each underscore, dash or run of blanks inside it."""
    text = text.strip().lower()
    if text[:1] in ("+", "-") and text[1:2].isdigit():
        return text
    return _SEPARATOR.sub(" ", text).strip()
