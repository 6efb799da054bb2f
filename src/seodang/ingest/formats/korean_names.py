"""Split a Korean key into its parts: 데이터_적합여부 is the flag 적합, 답변품질평가 a rating, 작업상태 a status."""

from __future__ import annotations

import re
from typing import Final

_BLANK: Final = re.compile(r"[\s_/·().-]+")
_SUBJECT: Final = re.compile(
    r"(?:답변|응답|데이터셋|데이터|라벨링|라벨|번역|문장|질문|최종|1차|2차|전문가|작업자|검수자)(?=.)"
)
_FLAG: Final = re.compile(r"(?:여부|유무|표시|플래그)$")
# Other states and results, such as 주문상태 or 검사결과, are about what the record describes.
_STATUS: Final = re.compile(r"(?:검수|작업|승인|가공|정제|라벨링|품질|검증|검토|평가)(?:진행)?(?:상태|결과|판정|단계)$")
_LEVEL: Final = re.compile(
    r"(?:품질|평가|답변|응답|검수|데이터)(?:등급|점수|평점|평가)$|^(?:만족도|완성도|정확도|유용성|유창성|신뢰도)$"
)
_REASON: Final = re.compile(r"(?:반려|삭제|제외|거절|거부|기각|폐기|탈락|불합격|미채택|부적합|사용불가)사유$")
_NOTE: Final = re.compile(r"(?:비고|메모|의견|코멘트|특이사항|참고사항)$")
_SPLIT: Final = re.compile(r"(?:학습|훈련|데이터|데이터셋|분할|세트)(?:구분|용도)$")
# What a flag (..여부, ..유무) or an adjective (..성) is about.
_GOOD: Final = frozenset(
    (
        *("사용", "활용", "사용가능", "활용가능", "이용가능", "학습", "학습용", "학습가능", "학습사용", "학습활용"),
        *("유효", "적합", "적절", "정확", "정답", "정오", "정오답", "채택", "승인", "합격"),
    )
)
_BAD: Final = frozenset(
    ("삭제", "제외", "폐기", "반려", "오답", "오류", "에러", "중복", "환각", "무효", "불량", "사용불가", "탈락")
)
_CONFIRMED: Final = frozenset(
    (
        "검수",
        "검증",
        "확인",
        "완료",
        "검수완료",
        "작업완료",
        "최종",
        "확정",
        "정제",
        "가공",
        "공개",
        "일치",
        "통과",
        "정상",
    )
)
_DOUBT: Final = frozenset(
    (
        *("개인정보", "개인정보포함", "비공개", "혐오", "혐오표현", "욕설", "비속어", "비윤리", "비윤리적", "유해"),
        *("편향", "선정", "선정적", "폭력", "모호", "보류", "재검수", "재작업", "검토필요", "재검토", "재검수필요"),
    )
)
# Names of mark_words by root.
_ROOTS: Final = {
    **dict.fromkeys(_GOOD, "valid"),
    **dict.fromkeys(_BAD, "invalid"),
    **dict.fromkeys(_CONFIRMED, "verified"),
    **dict.fromkeys(_DOUBT, "needs_review"),
}
# Roots that are names of flags without 여부; 정답 is a column of answers, and 오류 may be the text of an error.
_BARE: Final = (_BAD | _DOUBT | {"사용가능", "활용가능", "이용가능", "학습용", "학습가능", "정오", "정오답"}) - {
    "오류",
    "에러",
    "오답",
}


def normalize_korean_name(name: str) -> str:
    """Return the name of mark_words that a Korean key means; the key without blanks if it means none."""
    plain = _BLANK.sub("", name)
    for candidate in dict.fromkeys((plain, _SUBJECT.sub("", plain, count=1))):
        if found := _find_meaning(candidate):
            return found
    return plain


def _find_meaning(name: str) -> str | None:
    for pattern, meaning in (
        (_REASON, "reject_reason"),
        (_NOTE, "note"),
        (_SPLIT, "split"),
        (_LEVEL, "quality"),
        (_STATUS, "status"),
    ):
        if pattern.search(name):
            return meaning
    root = _FLAG.sub("", name)
    is_flag = root != name
    root = root if root in _ROOTS else root.removesuffix("성")
    found = _ROOTS.get(root)
    return found if is_flag or root != name or root in _BARE else None
