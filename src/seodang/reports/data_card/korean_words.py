"""Tags and word lists of the rules for Korean roots. kiwipiepy uses the tags of the Sejong corpus."""

from __future__ import annotations

import re
from typing import Final

NOUN_TAGS: Final = frozenset({"NNG", "NNP", "XSN", "XPN", "XR", "SL", "SH"})
COUNTER_TAGS: Final = frozenset({"NNB", "MM", "NR", "SN", "W_SERIAL"})
PUNCTUATION_TAGS: Final = frozenset({"SSO", "SSC", "SS", "SP", "SF", "SE", "SO", "SW", "SB"})
ENDING_TAGS: Final = frozenset({"EP", "EF", "EC", "ETN", "ETM", "JX", "JKO", "JC", "MAG", "IC"}) | PUNCTUATION_TAGS
PREDICATE_TAGS: Final = frozenset({"VV", "VA", "XSV", "XSA", "VCP", "VCN"})
VERB_TAGS: Final = frozenset({"VV", "XSV"})
# Verbs without an object: a noun with 을/를 before them is the object of a later verb.
INTRANSITIVE_VERBS: Final = frozenset(
    {"되", "주어지", "지", "있", "없", "어울리", "맞", "따르", "나오", "살", "생기", "일어나"}
)
# Predicates that only state a means or a topic: "X를 사용하여", "X를 바탕으로 하여", "X를 위한".
MEANS_VERBS: Final = frozenset(
    {
        "사용하다",
        "이용하다",
        "활용하다",
        "위하다",
        "통하다",
        "대하다",
        "관하다",
        "참고하다",
        "참조하다",
        "포함하다",
        "기반하다",
        "가지다",
        "시키다",
        "고려하다",
    }
)
# Nouns of an action: an instruction may end with one ("보고서 작성", "뜻 찾기").
ACTION_NOUNS: Final = frozenset(
    "작성 제공 설명 생성 요약 분류 번역 비교 분석 계산 추천 제안 설계 개발 정의 나열 수정"
    " 변환 구성 식별 확인 평가 예측 추출 선택 정리 묘사 서술 해석 제작 소개 조사 검색 완성"
    " 편집 토론 논의 결정 구현 디자인 구축 재작성 표시 추가 삭제 제거 교정".split()
)
GERUND_VERBS: Final = {
    "쓰기": "쓰다",
    "읽기": "읽다",
    "말하기": "말하다",
    "만들기": "만들다",
    "찾기": "찾다",
    "고르기": "고르다",
    "그리기": "그리다",
    "바꾸기": "바꾸다",
    "답하기": "답하다",
}
MAKE: Final = "만들"  # Kiwi sometimes tags it as an auxiliary
EMPTY_NOUNS: Final = frozenset("것 데 바 때 줄 중 등 거".split())
PLURALS: Final = frozenset({"들"})
REQUEST_ENDINGS: Final = re.compile(r"(세요|시오|십시오|어라|아라|라|자|죠|까|나|가|지|니|습니까|ᆸ니까|어|아)$")
