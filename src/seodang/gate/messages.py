"""What the gate found, in words: each rule with its numbers, in Korean and English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seodang.gate.rules import RuleResult

VERDICTS = {"promote": "승격 / promote", "reject": "반려 / reject", "inconclusive": "보류 / inconclusive"}
"""What a terminal calls a verdict."""
MARKS = {True: "[v]", False: "[x]", None: "[?]"}
"""What a terminal puts before a reason that is met, not met, not told."""
_STATUS_KO = {True: "충족", False: "미달", None: "판단 불가"}
_STATUS_EN = {True: "met", False: "not met", None: "not told"}
_KINDS = {"base": ("베이스", "base"), "champion": ("챔피언", "champion")}


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule with what was found, in both languages."""

    passed: bool | None  # None: the data don't tell
    ko: str
    en: str


def build_rule_reason(result: RuleResult, confidence: float, minimum_items: int) -> Reason:
    """Return what a test found, and if it doesn't tell, what would."""
    group = f" [{result.group}]" if result.group else ""
    interval = "" if result.low is None or result.high is None else f" [{result.low:+.4f}, {result.high:+.4f}]"
    requirement_ko = (
        f"{result.margin:g} 초과로 나아야 함"
        if result.test == "superiority"
        else f"{result.margin:g} 넘게 나빠지지 않아야 함"
    )
    requirement_en = (
        f"must be better by more than {result.margin:g}"
        if result.test == "superiority"
        else f"may be worse by {result.margin:g} at the most"
    )
    level = f"{confidence:.0%}"
    ko = (
        f"{result.metric}{group} {_STATUS_KO[result.passed]}: {result.against} {result.reference:.4f} → 후보 {result.candidate:.4f}, 차이 {result.difference:+.4f}, "
        f"{level} 구간{interval or ' 없음'}, 보정한 p {_format_p(result.p_holm)}, 문항 {result.items}개 ({requirement_ko})"
    )
    en = (
        f"{result.metric}{group} {_STATUS_EN[result.passed]}: {result.against} {result.reference:.4f} → candidate {result.candidate:.4f}, difference {result.difference:+.4f}, "
        f"{level} interval{interval or ' none'}, corrected p {_format_p(result.p_holm)}, {result.items} items ({requirement_en})"
    )
    if result.passed is None:
        more_ko, more_en = _describe_required_items(result, minimum_items)
        ko, en = f"{ko}. {more_ko}", f"{en}. {more_en}"
    return Reason(result.passed, ko, en)


def _describe_required_items(result: RuleResult, minimum_items: int) -> tuple[str, str]:
    """Return how many items would decide the test."""
    if result.required_items is None:
        return (
            "차이가 기준과 같아 문항을 늘려도 가려지지 않습니다",
            "The difference stands at the bound itself: no number of items would tell",
        )
    minimum_notes = (
        (f" (최소 {minimum_items}개 필요)", f" ({minimum_items} are the least)")
        if result.items < minimum_items
        else ("", "")
    )
    return (
        f"약 {result.required_items}개 문항이면 가려집니다{minimum_notes[0]}",
        f"About {result.required_items} items would decide it{minimum_notes[1]}",
    )


def _format_p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def build_minimum_reason(metric: str, mean: float, minimum: float, items: int) -> Reason:
    """Return whether the candidate's mean reaches its floor."""
    passed = mean >= minimum
    return Reason(
        passed,
        f"{metric} {_STATUS_KO[passed]}: 후보 {mean:.4f} (하한 {minimum:g}, 문항 {items}개)",
        f"{metric} {_STATUS_EN[passed]}: candidate {mean:.4f} (floor {minimum:g}, {items} items)",
    )


def build_missing_reference_reason(kind: str) -> Reason:
    """Return that the rules against a model that doesn't exist are void."""
    ko, en = _KINDS[kind]
    return Reason(
        True, f"{ko} 없음: 이 비교 규칙은 적용하지 않습니다", f"there is no {en}: the rules against it do not apply"
    )
