"""What a study found: scores of each way of using a model on each group of tasks, against the base's best prompt. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from seodang.config.study import StudyParams
from seodang.evaluation.aggregate import ItemScore, compute_mean, get_primary_score
from seodang.gate.statistics import Floats, adjust_holm, compute_paired_bootstrap

Group = Literal["seen", "unseen", "held_out"]
GROUPS: tuple[Group, ...] = ("seen", "unseen", "held_out")
METHODS = ("zero_shot", "few_shot", "single", "many")
"""The base with its best prompt without and with exemplars; tuned on the one task; tuned on many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One way on one group of tasks."""

    group: Group
    method: str
    variant: str  # the prompt that was best, or the way itself
    items: int
    score: float  # mean of the tasks' headlines: accuracy, or exact answers where there are no options
    low: float
    high: float
    difference: float | None  # to the base's best prompt; None for that itself
    difference_low: float | None
    difference_high: float | None
    p: float | None  # two-sided, of no difference, corrected for the number of comparisons (Holm)
    prompt_tokens: float  # mean of a request


def compute_cells(scores: Sequence[ItemScore], groups: Mapping[Group, Sequence[str]], study: StudyParams) -> list[Cell]:
    """Return every way on every group of tasks.

    The base's best prompt is chosen on the very items that are compared, which favours the base.

    Args:
        scores: Of arms whose names begin with a way.
        groups: The tasks of each group; a group of which no task was asked is left out.
        study: Seed, resamples and confidence.
    """
    found = []
    for group, tasks in groups.items():
        by_variant = _group_by_variant([score for score in scores if score.task in tasks])
        if not by_variant:
            continue
        best = {
            way: max(variants, key=lambda arm: float(by_variant[arm][0].mean()))
            for way in METHODS
            if (variants := [arm for arm in by_variant if arm.partition("/")[0] == way])
        }
        base = max((best[way] for way in METHODS[:2] if way in best), key=lambda arm: float(by_variant[arm][0].mean()))
        found += [_build_cell(group, way, arm, by_variant, base, study) for way, arm in best.items()]
    comparisons = [cell for cell in found if cell.p is not None]
    adjusted = dict(
        zip(map(id, comparisons), adjust_holm([cell.p for cell in comparisons if cell.p is not None]), strict=True)
    )
    return [replace(cell, p=adjusted.get(id(cell))) for cell in found]


def _group_by_variant(scores: Sequence[ItemScore]) -> dict[str, tuple[Floats, float]]:
    """Return each arm's scores, items in one order, and its tokens a request."""
    variants = dict.fromkeys(score.variant for score in scores)
    result = {}
    for variant in variants:
        variant_scores = sorted(
            (score for score in scores if score.variant == variant and get_primary_score(score) is not None),
            key=lambda score: (score.task, score.language, score.item),
        )
        if variant_scores:
            result[variant] = (
                np.array([get_primary_score(score) for score in variant_scores], dtype=np.float64),
                compute_mean(score.prompt_tokens for score in variant_scores) or 0.0,
            )
    return result


def _build_cell(
    group: Group,
    method: str,
    variant: str,
    by_variant: Mapping[str, tuple[Floats, float]],
    base: str,
    study: StudyParams,
) -> Cell:
    settings = {"margin": 0.0, "seed": study.seed, "resamples": study.resamples, "confidence": study.confidence}
    values, tokens = by_variant[variant]
    interval = compute_paired_bootstrap(values, **settings)  # type: ignore[arg-type]
    comparison = None if variant == base else compute_paired_bootstrap(values - by_variant[base][0], **settings)  # type: ignore[arg-type]
    return Cell(
        group=group,
        method=method,
        variant=variant,
        items=len(values),
        score=interval.difference,
        low=max(0.0, interval.low),
        high=min(1.0, interval.high),
        difference=None if comparison is None else comparison.difference,
        difference_low=None if comparison is None else comparison.low,
        difference_high=None if comparison is None else comparison.high,
        p=None if comparison is None else comparison.p,
        prompt_tokens=tokens,
    )
