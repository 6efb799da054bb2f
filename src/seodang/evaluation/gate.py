"""The gate: a pure decision from paired per-item scores, with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from seodang.errors import EvaluationError
from seodang.params import GateParams

Verdict = Literal["promote", "reject", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tuned against one way of prompting the base, on the same items."""

    against: str
    items: int
    tuned: float
    base: float
    difference: float
    low: float  # of the interval of the difference
    high: float


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule with what was found, in both languages."""

    passed: bool | None  # None: the data don't tell
    ko: str
    en: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict with everything that it rests on."""

    verdict: Verdict
    reasons: list[Reason]
    comparisons: list[Comparison]
    score: float
    stop_rate: float | None
    items: int


def paired_bootstrap(differences: Sequence[float], *, seed: int, resamples: int, confidence: float) -> tuple[float, float]:
    """Return the percentile interval of the mean paired difference (Efron & Tibshirani 1993, ch. 13).

    Args:
        differences: Tuned minus base, one an item, at least one.
        confidence: Such as 0.95.
    """
    values = np.asarray(differences, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = np.array([values[rng.integers(0, len(values), len(values))].mean() for _ in range(resamples)])
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def compare(tuned: Mapping[str, float], base: Mapping[str, float], against: str, gate: GateParams) -> Comparison:
    """Return the paired comparison of two arms, item id -> score.

    Raises:
        EvaluationError: If they were not asked the same items.
    """
    if tuned.keys() != base.keys():
        odd = sorted(tuned.keys() ^ base.keys())
        raise EvaluationError(f"tuned and {against} were not asked the same items ({len(odd)} differ, first {odd[0]}); run: dvc repro --force evaluate")
    differences = [tuned[item] - base[item] for item in sorted(tuned)]
    low, high = paired_bootstrap(differences, seed=gate.seed, resamples=gate.resamples, confidence=gate.confidence)
    tuned_mean, base_mean = (sum(scores.values()) / len(scores) for scores in (tuned, base))
    return Comparison(against, len(differences), round(tuned_mean, 4), round(base_mean, 4), round(tuned_mean - base_mean, 4), round(low, 4), round(high, 4))


def decide(comparisons: Sequence[Comparison], score: float, stop_rate: float | None, gate: GateParams) -> Decision:
    """Return promote only when every rule is met; inconclusive when only the number of items stands in the way."""
    items = comparisons[0].items
    reasons = [_enough_items(items, gate), _good_enough(score, gate), *(_better(found, gate) for found in comparisons)]
    if stop_rate is not None:
        reasons.append(_stops(stop_rate, gate))
    if any(reason.passed is False for reason in reasons):
        verdict: Verdict = "reject"
    elif any(reason.passed is None for reason in reasons):
        verdict = "inconclusive"
    else:
        verdict = "promote"
    return Decision(verdict, reasons, list(comparisons), round(score, 4), stop_rate, items)


def _enough_items(items: int, gate: GateParams) -> Reason:
    enough = items >= gate.minimum_items
    return Reason(
        True if enough else None,
        f"비교한 문항은 {items}개입니다 (필요: {gate.minimum_items}개 이상).",
        f"{items} items were compared ({gate.minimum_items} are needed).",
    )


def _good_enough(score: float, gate: GateParams) -> Reason:
    return Reason(
        score >= gate.minimum_score,
        f"튜닝한 모델의 {gate.metric} 점수는 {score:.3f}입니다 (기준: {gate.minimum_score:g} 이상).",
        f"The tuned model's {gate.metric} is {score:.3f} (at least {gate.minimum_score:g} is asked).",
    )


def _better(found: Comparison, gate: GateParams) -> Reason:
    passed: bool | None = found.low > gate.minimum_margin
    if not passed and found.difference > gate.minimum_margin:
        passed = None  # better on these items, but the interval reaches the margin: more items would tell
    share = f"{gate.confidence:.0%}"
    interval = f"[{found.low:+.3f}, {found.high:+.3f}]"
    return Reason(
        passed,
        f"베이스({found.against}) {found.base:.3f} 대비 차이 {found.difference:+.3f}, {share} 구간 {interval} (기준: {gate.minimum_margin:g} 초과).",
        f"Against the base ({found.against}, {found.base:.3f}) the difference is {found.difference:+.3f}, {share} interval {interval} (must lie above {gate.minimum_margin:g}).",
    )


def _stops(stop_rate: float, gate: GateParams) -> Reason:
    return Reason(
        stop_rate >= gate.minimum_stop_rate,
        f"자유 답변의 {stop_rate:.1%}가 스스로 끝났습니다 (기준: {gate.minimum_stop_rate:.0%} 이상).",
        f"{stop_rate:.1%} of the free answers ended by themselves (at least {gate.minimum_stop_rate:.0%} is asked).",
    )


def scores_of(rows: Sequence[Mapping[str, Any]], arm: str, gate: GateParams) -> dict[str, float]:
    """Return item id -> score of one arm on the items of the test split that decide.

    Raises:
        EvaluationError: If no item has the metric.
    """
    wanted = {
        f"{row['task']}/{row['item']}": float(row[gate.metric])
        for row in rows
        if row["arm"] == arm and row["split"] == "test" and row[gate.metric] is not None and (not gate.tasks or row["task"] in gate.tasks)
    }
    if not wanted:
        raise EvaluationError(f"no item of the test split has the metric {gate.metric!r} for {arm}; change gate.metric or gate.tasks")
    return wanted
