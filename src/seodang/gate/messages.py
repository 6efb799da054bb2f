"""What the gate found, in words: each rule with its numbers, in Korean and English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seodang.gate.rules import Test

VERDICTS = {"promote": "승격 / promote", "reject": "반려 / reject", "inconclusive": "보류 / inconclusive"}
"""What a terminal calls a verdict."""
MARKS = {True: "[v]", False: "[x]", None: "[?]"}
"""What a terminal puts before a reason that is met, not met, not told."""
_ENOUGH_KO = {True: "충족", False: "미달", None: "판단 불가"}
_ENOUGH_EN = {True: "met", False: "not met", None: "not told"}
_KINDS = {"base": ("베이스", "base"), "champion": ("챔피언", "champion")}


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule with what was found, in both languages."""

    passed: bool | None  # None: the data don't tell
    ko: str
    en: str


def of_test(test: Test, confidence: float, minimum_items: int) -> Reason:
    """Return what a test found, and if it doesn't tell, what would."""
    of = f" [{test.of}]" if test.of else ""
    interval = "" if test.low is None or test.high is None else f" [{test.low:+.4f}, {test.high:+.4f}]"
    asked_ko = (
        f"{test.margin:g} 초과로 나아야 함" if test.ask == "better" else f"{test.margin:g} 넘게 나빠지지 않아야 함"
    )
    asked_en = (
        f"must be better by more than {test.margin:g}"
        if test.ask == "better"
        else f"may be worse by {test.margin:g} at the most"
    )
    share = f"{confidence:.0%}"
    ko = (
        f"{test.metric}{of} {_ENOUGH_KO[test.passed]}: {test.against} {test.reference:.4f} → 후보 {test.candidate:.4f}, 차이 {test.difference:+.4f}, "
        f"{share} 구간{interval or ' 없음'}, 보정한 p {_p(test.p_holm)}, 문항 {test.items}개 ({asked_ko})"
    )
    en = (
        f"{test.metric}{of} {_ENOUGH_EN[test.passed]}: {test.against} {test.reference:.4f} → candidate {test.candidate:.4f}, difference {test.difference:+.4f}, "
        f"{share} interval{interval or ' none'}, corrected p {_p(test.p_holm)}, {test.items} items ({asked_en})"
    )
    if test.passed is None:
        more_ko, more_en = _missing(test, minimum_items)
        ko, en = f"{ko}. {more_ko}", f"{en}. {more_en}"
    return Reason(test.passed, ko, en)


def _missing(test: Test, minimum_items: int) -> tuple[str, str]:
    """Return how many items would decide the test."""
    if test.needed is None:
        return (
            "차이가 기준과 같아 문항을 늘려도 가려지지 않습니다",
            "The difference stands at the bound itself: no number of items would tell",
        )
    least = (
        (f" (최소 {minimum_items}개 필요)", f" ({minimum_items} are the least)")
        if test.items < minimum_items
        else ("", "")
    )
    return f"약 {test.needed}개 문항이면 가려집니다{least[0]}", f"About {test.needed} items would decide it{least[1]}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def of_floor(metric: str, found: float, minimum: float, items: int) -> Reason:
    """Return whether the candidate's mean reaches its floor."""
    passed = found >= minimum
    return Reason(
        passed,
        f"{metric} {_ENOUGH_KO[passed]}: 후보 {found:.4f} (하한 {minimum:g}, 문항 {items}개)",
        f"{metric} {_ENOUGH_EN[passed]}: candidate {found:.4f} (floor {minimum:g}, {items} items)",
    )


def no_reference(kind: str) -> Reason:
    """Return that the rules against a model that doesn't exist are void."""
    ko, en = _KINDS[kind]
    return Reason(
        True, f"{ko} 없음: 이 비교 규칙은 적용하지 않습니다", f"there is no {en}: the rules against it do not apply"
    )
