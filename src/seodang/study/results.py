"""Results of a study: scores of each method on each group of tasks, compared with the base's best prompt. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from seodang.config.study import StudyParams
from seodang.evaluation.aggregate import ItemScore, compute_mean, get_group_name, get_primary_score
from seodang.evaluation.baselines import BASELINES
from seodang.gate.statistics import BootstrapResult, Floats, adjust_holm, compute_paired_bootstrap

Group = Literal["seen", "unseen", "held_out"]
GROUPS: tuple[Group, ...] = ("seen", "unseen", "held_out")
METHODS = ("zero_shot", "few_shot", *BASELINES, "single", "many")
"""The base with its best prompt without and with few-shot examples; baselines that learn from the records of `many`;
tuned on one task; tuned on many tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The result of one method on one group of tasks."""

    group: Group
    method: str
    variant: str
    """The best prompt of the base, or the method itself."""
    items: int
    score: float
    """Mean of the primary metric: accuracy, or exact_match where there are no options."""
    low: float
    high: float
    difference: float | None
    """To the base's best prompt; None for the best prompt."""
    difference_low: float | None
    difference_high: float | None
    p: float | None
    """Two-sided p-value of a zero difference, with Holm's correction for the number of comparisons."""
    prompt_tokens: float
    """Mean per request."""


def compute_cells(scores: Sequence[ItemScore], groups: Mapping[Group, Sequence[str]], study: StudyParams) -> list[Cell]:
    """Return a cell for each method and group of tasks.

    The base's best prompt is selected on the compared items, which favours the base.

    Args:
        scores: Of variants whose names begin with a method.
        groups: Tasks by group; groups without scores are left out.
        study: Seed, resamples and confidence.
    """
    cells = []
    for group, tasks in groups.items():
        by_variant = group_by_variant([score for score in scores if score.task in tasks])
        if not by_variant:
            continue
        means = {variant: float(row.values.mean()) for variant, row in by_variant.items()}
        best = {
            method: max(variants, key=means.__getitem__)
            for method in METHODS
            if (variants := [variant for variant in by_variant if variant.partition("/")[0] == method])
        }
        base = max((best[method] for method in METHODS[:2] if method in best), key=means.__getitem__)
        cells += [_build_cell(group, method, variant, by_variant, base, study) for method, variant in best.items()]
    comparisons = [cell for cell in cells if cell.p is not None]
    adjusted = dict(
        zip(map(id, comparisons), adjust_holm([cell.p for cell in comparisons if cell.p is not None]), strict=True)
    )
    return [replace(cell, p=adjusted.get(id(cell))) for cell in cells]


@dataclass(frozen=True, slots=True)
class VariantScores:
    """The scores of a variant, in a common order of the items."""

    values: Floats
    groups: tuple[str, ...]
    """Name of each item's group of dependent items."""
    prompt_tokens: float
    """Mean of a request."""


def group_by_variant(scores: Sequence[ItemScore]) -> dict[str, VariantScores]:
    """Return the scores of each variant."""
    variants = dict.fromkeys(score.variant for score in scores)
    result = {}
    for variant in variants:
        variant_scores = sorted(
            (score for score in scores if score.variant == variant and get_primary_score(score) is not None),
            key=lambda score: (score.task, score.language, score.item),
        )
        if variant_scores:
            result[variant] = VariantScores(
                np.array([get_primary_score(score) for score in variant_scores], dtype=np.float64),
                tuple(map(get_group_name, variant_scores)),
                compute_mean(score.prompt_tokens for score in variant_scores) or 0.0,
            )
    # A baseline has no score where training lacks the labels of a task; it is compared on the complete group or not at
    # all.
    most = max((len(row.values) for row in result.values()), default=0)
    return {variant: row for variant, row in result.items() if len(row.values) == most}


def _build_cell(
    group: Group,
    method: str,
    variant: str,
    by_variant: Mapping[str, VariantScores],
    base: str,
    study: StudyParams,
) -> Cell:
    scores = by_variant[variant]
    interval = _compute_bootstrap(scores.values, scores.groups, study)
    comparison = (
        None if variant == base else _compute_bootstrap(scores.values - by_variant[base].values, scores.groups, study)
    )
    return Cell(
        group=group,
        method=method,
        variant=variant,
        items=len(scores.values),
        score=interval.difference,
        low=max(0.0, interval.low),
        high=min(1.0, interval.high),
        difference=None if comparison is None else comparison.difference,
        difference_low=None if comparison is None else comparison.low,
        difference_high=None if comparison is None else comparison.high,
        p=None if comparison is None else comparison.p,
        prompt_tokens=scores.prompt_tokens,
    )


def _compute_bootstrap(values: Floats, groups: Sequence[str], study: StudyParams) -> BootstrapResult:
    return compute_paired_bootstrap(
        values, margin=0.0, seed=study.seed, resamples=study.resamples, confidence=study.confidence, groups=groups
    )
