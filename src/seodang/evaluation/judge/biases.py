"""Biases of a judge: position, length and its own answers. Pure.

Scores are those of answer A: 1 better, 0.5 equal, 0 worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from seodang.evaluation.judge.resampling import Estimate, Floats, estimate, estimate_share
from seodang.evaluation.judge.verdicts import PairVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionBias:
    """How often the verdict follows the position and not the answer."""

    pairs: int
    """With a verdict in both orders."""
    first: int
    """Pairs in which the judge preferred the first answer in both orders."""
    second: int
    share: Estimate
    """Of both together."""
    p: float | None
    """Two-sided p-value of no preference for one of the positions (binomial test); None if no verdict follows one."""


def measure_position_bias(verdicts: Sequence[PairVerdict], groups: Sequence[str]) -> PositionBias:
    """Return the position bias; it needs no labels.

    Args:
        verdicts: Of each pair.
        groups: Name of the group of each pair.
    """
    known = [
        (verdict.position, group) for verdict, group in zip(verdicts, groups, strict=True) if verdict.score is not None
    ]
    positions = [position for position, _group in known]
    first, second = positions.count("first"), positions.count("second")
    flags = np.array([position is not None for position in positions], dtype=np.float64)
    return PositionBias(
        pairs=len(known),
        first=first,
        second=second,
        share=estimate_share(flags, [group for _position, group in known]),
        p=float(binomtest(first, first + second).pvalue) if first + second else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthBias:
    """Whether the judge prefers the longer answer more than people do. Lengths are in characters."""

    pairs: int
    """With a verdict and answers of different lengths."""
    judge_share: float | None
    """Mean score that the judge gives the longer answer."""
    people_share: float | None
    excess: Estimate
    """judge_share less people_share."""
    agreement_longer: float | None
    """Mean score of the judge for the answer that people prefer, where it is the longer one."""
    agreement_shorter: float | None
    pairs_longer: int
    """Pairs in which people prefer the longer answer."""
    pairs_shorter: int
    gap: Estimate
    """agreement_longer less agreement_shorter: above zero if length wins at the same preference of people."""
    judge_ratio: float | None
    """Geometric mean of the length of the answer that the judge prefers, divided by that of the other one."""
    people_ratio: float | None


def measure_length_bias(
    lengths: Sequence[tuple[int, int]], judge: Sequence[float | None], people: Sequence[float], groups: Sequence[str]
) -> LengthBias:
    """Return the length bias over the pairs with a verdict.

    A judge that decides at random prefers the longer answer less than people do if people prefer it, which is no bias.
    So `gap` compares the judge's agreement where people prefer the longer answer with that where they prefer the
    shorter one.

    Args:
        lengths: Characters of answer A and of answer B.
        judge: Its scores; None without a verdict.
        people: Their scores.
        groups: Name of the group of each pair.
    """
    rows, names, ratios = [], [], []
    for (one, other), verdict, label, group in zip(lengths, judge, people, groups, strict=True):
        if verdict is None or one == other:
            continue
        by_judge, by_people = (verdict, label) if one > other else (1 - verdict, 1 - label)
        wins, loses = float(by_people > 0.5), float(by_people < 0.5)
        rows.append([by_judge, by_people, 1.0, by_judge * wins, wins, (1 - by_judge) * loses, loses])
        names.append(group)
        ratios.append(float(np.log(max(one, other, 1) / max(min(one, other), 1))))
    if not rows:
        unknown = Estimate(None)
        return LengthBias(
            pairs=0, judge_share=None, people_share=None, excess=unknown, agreement_longer=None, agreement_shorter=None,
            pairs_longer=0, pairs_shorter=0, gap=unknown, judge_ratio=None, people_ratio=None,
        )  # fmt: skip
    columns = np.array(rows)
    sums = columns.sum(axis=0)
    return LengthBias(
        pairs=len(rows),
        judge_share=float(sums[0] / sums[2]),
        people_share=float(sums[1] / sums[2]),
        excess=estimate(columns, names, _compute_excess),
        agreement_longer=float(sums[3] / sums[4]) if sums[4] else None,
        agreement_shorter=float(sums[5] / sums[6]) if sums[6] else None,
        pairs_longer=int(sums[4]),
        pairs_shorter=int(sums[6]),
        gap=estimate(columns, names, _compute_gap),
        judge_ratio=_compute_ratio(columns[:, 0], np.array(ratios)),
        people_ratio=_compute_ratio(columns[:, 1], np.array(ratios)),
    )


def _compute_excess(sums: Floats) -> Floats:
    result: Floats = (sums[..., 0] - sums[..., 1]) / sums[..., 2]
    return result


def _compute_gap(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = sums[..., 3] / sums[..., 4] - sums[..., 5] / sums[..., 6]
    return result


def _compute_ratio(scores: Floats, ratios: Floats) -> float | None:
    """Return the geometric mean of preferred length over other length; None if every pair is a tie."""
    signs = np.sign(scores - 0.5)
    return float(np.exp((signs * ratios).sum() / np.abs(signs).sum())) if signs.any() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfPreference:
    """Whether the judge prefers answers of its own model more than people do."""

    pairs: int
    """With a verdict and exactly one answer of the judge's model."""
    judge_share: float
    """Mean score that the judge gives its own model's answer."""
    people_share: float
    excess: Estimate


def measure_self_preference(
    models: Sequence[tuple[str, str]],
    own_names: Sequence[str],
    judge: Sequence[float | None],
    people: Sequence[float],
    groups: Sequence[str],
) -> SelfPreference | None:
    """Return the self-preference; None if no pair has exactly one answer of the judge's model.

    Args:
        models: Names of the models of answer A and answer B.
        own_names: Names of the judge's model.
        judge: Its scores; None without a verdict.
        people: Their scores.
        groups: Name of the group of each pair.
    """
    own = {_shorten_name(name) for name in own_names} - {""}
    rows, names = [], []
    for (one, other), verdict, label, group in zip(models, judge, people, groups, strict=True):
        is_own = _shorten_name(one) in own
        if verdict is None or is_own == (_shorten_name(other) in own):
            continue
        rows.append([verdict, label, 1.0] if is_own else [1 - verdict, 1 - label, 1.0])
        names.append(group)
    if not rows:
        return None
    columns = np.array(rows)
    sums = columns.sum(axis=0)
    return SelfPreference(
        pairs=len(rows),
        judge_share=float(sums[0] / sums[2]),
        people_share=float(sums[1] / sums[2]),
        excess=estimate(columns, names, _compute_excess),
    )


def _shorten_name(name: str) -> str:
    """Return a model name without its organization, in lower case."""
    return name.rsplit("/", 1)[-1].strip().casefold()
