"""Calculations whose answer shows no working."""

from __future__ import annotations

import re
from typing import Final

from seodang.data.checks.rule import Rule
from seodang.data.checks.view import Check, Finding, View
from seodang.data.rows import shown

RULES: Final = (
    Rule(
        id="bare-number",
        field="output",
        reason_ko="계산 과제인데 풀이 없이 결과만 있습니다. 이런 답은 자주 틀립니다",
        reason_en="the answer to a calculation is the bare result without any working; such answers are often wrong",
        fix_ko="풀이를 적고 값을 다시 계산하세요",
        fix_en="show the working, and check the result",
    ),
)

_CALCULATE: Final = re.compile(
    r"\b(?:calculat\w*|comput\w*|mean|median|mode|average|sum|total|multiply|product of|divide|quotient|subtract|difference between .*\d|add (?:up|these|\d|the (?:\w+ )?numbers)|area|perimeter|volume|circumference|hypotenuse|probability|percent\w*|square root|cube|factorial|solve|equation|convert|how (?:many|much|long|far|old|tall)"
    r"|(?:next|missing|\w+th|third) (?:term|number|element)\w*|range of|standard deviation|variance|interest|gcd|lcm|greatest common|least common|prime|remainder|fraction|decimal|binary|hexadecimal|simplify|evaluate|slope|derivative|integral|distance between|speed|temperature|predict the (?:output|result))\b"
    r"|계산|평균|중앙값|중간값|최빈값|합계|합을|총합|곱하|곱을|나누|빼기|더하|넓이|면적|둘레|부피|확률|백분율|퍼센트|제곱근|방정식|풀어|푸세요|변환|몇 ?(?:개|명|번|시간|미터|킬로|도)?|수열|순열|표준 ?편차|이자|최대공약수|최소공배수|나머지|분수|소수|이진|온도|거리|속도|값을 구|구하"
)
_NUMBER: Final = re.compile(r"\d")
_WORKING: Final = re.compile(
    r"\d[^.\n]{0,30}[-+*/×÷=^]\s*[-(]?\s*[\d(a-z√]|because|since|therefore|first|then|so the|by adding|by dividing|divid|왜냐|따라서|먼저|나누|더하|곱하|이므로|때문|뺀|곱한|나눈|더한",
    re.IGNORECASE,
)
_FACT: Final = re.compile(
    r"\bcountr|\bpeople|\bstates?\b|\bplanets?|population|capital|world|year|born|invent|history|legs|bones|continent|season|player|letters?|words?\b|syllable|vowel|sentence|array\b|codes?\b|snippet|\brgb\b|colou?r|나라|국가|사람|인구|수도|세계|년도|역사|대륙|글자|단어|문장|음절"
)


def find_bare_number(view: View) -> Finding | None:
    """Return an answer of at most `max_bare_answer_characters` with a number and no working, to a calculation with numbers."""
    text = view.answer
    if not text or len(text) > view.limits.max_bare_answer_characters or view.labelled or not _NUMBER.search(text):
        return None
    if not _NUMBER.search(view.asked) or not _CALCULATE.search(view.request) or _FACT.search(view.request):
        return None
    return None if _WORKING.search(text) or view.code_answer else Finding("output", shown(text))


CHECKS: Final[dict[str, Check]] = {"bare-number": find_bare_number}
