"""Check calculations: answers without steps, and simple results that can be computed again."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Sequence
from typing import Final

from seodang.i18n import Message
from seodang.ingest.rows import shorten
from seodang.validation.checks.row_view import Check, Finding, View
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="bare-number",
        field="output",
        reason=Message("the answer to a calculation is a result without any steps; such answers are often wrong"),
        fix=Message("show the steps, and check the result"),
    ),
    Rule(
        id="wrong-result",
        field="output",
        reason=Message(
            "the computed result differs from the answer (mean, median, sum, product, maximum, minimum, "
            "one operation on two numbers)"
        ),
        fix=Message("correct the result, or delete the row"),
    ),
)

_CALCULATE: Final = re.compile(
    r"\b(?:calculat\w*|comput\w*|mean|median|mode|average|sum|total|multiply|product of|divide|quotient|subtract"
    r"|difference between .*\d|add (?:up|these|\d"
    r"|the (?:\w+ )?numbers)|area|perimeter|volume|circumference|hypotenuse|probability|percent\w*|square root"
    r"|cube|factorial|solve|equation|convert|how (?:many|much|long|far"
    r"|old|tall)"
    r"|(?:next|missing|\w+th|third) (?:term|number|element)\w*|range of|standard deviation|variance|interest|gcd"
    r"|lcm|greatest common|least common|prime|remainder|fraction"
    r"|decimal|binary|hexadecimal|simplify|evaluate|slope|derivative|integral|distance between|speed|temperature"
    r"|predict the (?:output|result))\b"
    r"|계산|평균|중앙값|중간값|최빈값|합계|합을|총합|곱하|곱을|나누|빼기|더하|넓이|면적|둘레|부피|확률|백분율"
    r"|퍼센트|제곱근|방정식|풀어|푸세요|변환|몇 ?(?:개|명|번|시간|미터|킬로|도)?|수열|순열|표준 ?편차|이자"
    r"|최대공약수|최소공배수|나머지|분수|소수|이진|온도|거리|속도|값을 구|구하"
)
_NUMBER: Final = re.compile(r"\d")
_WORKING: Final = re.compile(
    r"\d[^.\n]{0,30}[-+*/×÷=^]\s*[-(]?\s*[\d(a-z√]|because|since|therefore|first|then|so the|by adding"
    r"|by dividing|divid|왜냐|따라서|먼저|나누|더하|곱하|이므로|때문|뺀|곱한|나눈|더한",
    re.IGNORECASE,
)
_FACT: Final = re.compile(
    r"\bcountr|\bpeople|\bstates?\b|\bplanets?|population|capital|world|year|born|invent|history|legs|bones"
    r"|continent|season|player|letters?|words?\b|syllable|vowel|sentence"
    r"|array\b|codes?\b|snippet|\brgb\b|colou?r|나라|국가|사람|인구|수도|세계|년도|역사|대륙|글자|단어|문장|음절"
)


def find_bare_number(view: View) -> Finding | None:
    """Return a short answer that gives a number without steps to a calculation with numbers.

    The answer has at most `max_bare_answer_characters` characters.
    """
    text = view.answer
    if not text or len(text) > view.limits.max_bare_answer_characters or view.has_choices or not _NUMBER.search(text):
        return None
    if not _NUMBER.search(view.task_text) or not _CALCULATE.search(view.request) or _FACT.search(view.request):
        return None
    return None if _WORKING.search(text) or view.has_code_answer else Finding("output", shorten(text))


_LIST: Final = re.compile(
    r"[\[({]?\s*-?\d+(?:\.\d+)?(?:(?:\s*,\s*(?:and )?|\s+and\s+|\s+)-?\d+(?:\.\d+)?)+\s*[\])}]?\.?"
)
_VALUE: Final = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
# One operation each. A task that names two operations, or selects some of the numbers, is not checked.
_OPERATIONS: Final[tuple[tuple[re.Pattern[str], Callable[[Sequence[float]], float]], ...]] = (
    (re.compile(r"\bmedian\b|중앙값|중간값"), statistics.median),
    (re.compile(r"\b(?:mean|average)\b|평균"), statistics.fmean),
    (re.compile(r"\b(?:sum|add)\b|합계|(?<![가-힣])합을|(?<![가-힣])합은|의 합|총합|더하"), math.fsum),
    (re.compile(r"\b(?:product|multiply)\b|곱을|곱은|곱하"), math.prod),
    (re.compile(r"\b(?:largest|maximum|highest|biggest|greatest)\b|최대값|최댓값|가장 큰"), max),
    (re.compile(r"\b(?:smallest|minimum|lowest|least)\b|최소값|최솟값|가장 작은"), min),
)
_COMPLEX_TASK: Final = re.compile(
    r"\b(?:even|odd|primes?|digits?|first|last|second|third|squares?|cubes?|positive|negative|less|fewer"
    r"|weighted|geometric|harmonic|deviation|each|every|between|differen\w+"
    r"|except|index|divid\w*|subtract\w*"
    r"|round\w*|absolute|range|mode|moving|smaller|larger|greater than|given the number|total|tax|percent\w*"
    r"|convert|minimum number|number of|how many|common|subset|pairs?"
    r"|sub\w*|combinations?|closest|target|sequence|series|code|function|program|equation|multiples?|factors?"
    r"|angle)\b"
    r"|짝수|홀수|소수|자릿수|제곱|양수|음수|보다|차이|제외|나누|빼|반올림|절대|범위|몇 개|공약수|공배수|부분|쌍"
    r"|번째|집합|정렬|오름차순|내림차순|퍼센트|변환|어떻게|코드|함수|프로그램|방정식|가중|표준|수열|각도|각각"
)
_REQUEST_PREFIX: Final = (
    r"(?:calculate|compute|evaluate|solve|what is|what's|find|determine|add|multiply|simplify)(?: the)?(?: (?:value"
    r"|result|answer|sum|product|quotient|difference))?(?: (?:of|for|to))?(?: the)?(?: following)?(?: (?:expression"
    r"|equation|problem|calculation))?:? "
)
_EXPRESSION: Final = re.compile(
    rf"(?:{_REQUEST_PREFIX})?(-?\d+(?:\.\d+)?)( ?[+x×*/÷] ?| - | (?:plus|minus|times|multiplied by"
    rf"|divided by) )(\d+(?:\.\d+)?) ?=? ?[?.]?(?:[을를의은는이가]? ?(?:값을 ?|합을 ?|결과를 ?"
    rf"|곱을 ?)?(?:계산|구하|구해|얼마|몇|무엇|풀)[가-힣 ]*[.?]?)?"
)
_VALUE_TASK: Final = re.compile(
    r"\b(?:calculate|compute|evaluate|solve|what|find|determine|add|multiply|simplify)\b|계산|구하|구해|얼마|몇"
    r"|무엇|풀"
)
_OPERATORS: Final[dict[str, Callable[[float, float], float]]] = {
    **dict.fromkeys(("+", "plus"), lambda one, two: one + two),
    **dict.fromkeys(("-", "minus"), lambda one, two: one - two),
    **dict.fromkeys(("x", "×", "*", "times", "multiplied by"), lambda one, two: one * two),
    **dict.fromkeys(("/", "÷", "divided by"), lambda one, two: one / two if two else math.nan),
}
_MAX_LIST_CHARACTERS: Final = 1000
_TOLERANCE: Final = 0.01  # relative; answers are rounded


def compute_result(instruction: str, input: str) -> float | None:
    """Return the result of a simple calculation; None for any other task.

    Args:
        instruction: The instruction in lower case.
        input: The unchanged input.
    """
    if _COMPLEX_TASK.search(instruction):
        return None
    operations = [operate for pattern, operate in _OPERATIONS if pattern.search(instruction)]
    if len(operations) == 1 and "%" not in instruction and "$" not in instruction:
        lists = [match.group() for match in _LIST.finditer(input.strip()[:_MAX_LIST_CHARACTERS] or instruction)]
        if (
            len(lists) == 1
            and (not input.strip() or lists[0] == input.strip())
            and len(_VALUE.findall(instruction if not input.strip() else "")) in {0, len(_VALUE.findall(lists[0]))}
        ):
            return operations[0]([float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", lists[0])])
    text = input.strip().lower() or instruction
    match = _EXPRESSION.fullmatch(text)
    if match and not (input.strip() and _VALUE.search(instruction)) and _VALUE_TASK.search(instruction):
        return _OPERATORS[match[2].strip()](float(match[1]), float(match[3]))
    return None


def find_wrong_result(view: View) -> Finding | None:
    """Return a short answer whose numbers do not include the computed result."""
    text = view.answer
    if (
        not text
        or len(text) > view.limits.max_bare_answer_characters
        or view.has_choices
        or not _NUMBER.search(text)
        or not _NUMBER.search(view.task_text)
    ):
        return None
    value = compute_result(view.request, view.input)
    if value is None or not math.isfinite(value):
        return None
    numbers = [float(number.replace(",", "")) for number in _VALUE.findall(text.replace("−", "-"))]
    is_correct = any(abs(abs(number) - abs(value)) <= max(_TOLERANCE * abs(value), 0.005) for number in numbers)
    return None if is_correct or "/" in text else Finding("output", shorten(text))


CHECKS: Final[dict[str, Check]] = {"bare-number": find_bare_number, "wrong-result": find_wrong_result}
