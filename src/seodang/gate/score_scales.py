"""Find metrics that two score files have on different scales, and bounds on another scale than the scores. Pure.

Many metrics are published from 0 to 1 and from 0 to 100. Such scores are no better or worse than each other, and a
comparison would promote or reject by the scale alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from seodang.config import GateParams
from seodang.gate.score_ranges import LARGEST_SCORE
from seodang.gate.scores import Pairs, Scores
from seodang.gate.statistics import Floats
from seodang.i18n import _
from seodang.metric_registry import get_direction, has_two_scales, is_share

_MINIMUM_ITEMS = 10  # fewer may all be small, or all have one sign, by chance
_RATIO = 20.0  # of the highest scores: 100 between the two scales, less where the better model has the smaller scale
_MOST = 0.9  # share of the scores above 0 that lie above 1 on the scale from 0 to 100


def find_scale_errors(candidate: Scores, reference: Scores, against: str) -> dict[str, str]:
    """Return an error for each metric whose scores have another scale or another sign in the other file.

    Each task is looked at by itself too, because one task of a file may have another scale than the others.

    Args:
        candidate: Scores of the candidate.
        reference: Scores of the reference.
        against: Name of the reference in messages.
    """
    errors: dict[str, str] = {}
    for metric, task, scores, others in _iter_groups(candidate, reference):
        if metric in errors:
            continue
        values = {
            "metric": metric if task is None else f"{metric} {task}",
            "candidate": _describe_range(scores),
            "against": against,
            "reference": _describe_range(others),
        }
        if _differ_in_scale(metric, scores, others):
            errors[metric] = _(
                "{metric}: the scores of the candidate lie {candidate}, those of {against} {reference}; one file has a "
                "share, the other a percentage or another scale: use one scale for both",
                **values,
            )
        elif _differ_in_sign(scores, others):
            errors[metric] = _(
                "{metric}: the scores of the candidate lie {candidate}, those of {against} {reference}; one file seems to "
                "have the opposite sign. If both are right, add a constant to both",
                **values,
            )
    return errors


def list_bound_errors(gate: GateParams, pairs: Mapping[str, Pairs]) -> list[str]:
    """Return an error for each margin and threshold on another scale than the scores, so that it holds always or never.

    Args:
        gate: Rules and thresholds.
        pairs: Scores by metric.
    """
    errors = []
    bounds = [(rule.metric, "margin", rule.margin, True) for rule in gate.rules if rule.margin]
    for threshold in gate.thresholds:
        name, value = ("minimum", threshold.minimum) if threshold.maximum is None else ("maximum", threshold.maximum)
        bounds.append((threshold.metric, name, value or 0.0, False))
    for metric, name, value, is_margin in bounds:
        if metric not in pairs or not has_two_scales(metric):
            continue
        scores = np.concatenate([pairs[metric].candidate, pairs[metric].reference])
        highest = float(scores.max(initial=0.0))
        is_too_large = value >= 1 >= highest > 0 and (is_margin or value > 1)
        is_too_small = not is_margin and 0 < value < 1 and highest > _RATIO
        if is_too_large or is_too_small:
            errors.append(
                _(
                    "{metric}: {name} {value:g} does not fit scores {range}; give both on one scale",
                    metric=metric,
                    name=name,
                    value=value,
                    range=_describe_range(scores),
                )
            )
    return errors


def _iter_groups(candidate: Scores, reference: Scores) -> Iterator[tuple[str, str | None, Floats, Floats]]:
    """Yield the scores of both models by metric, first all of them, then those of each task; zeros say nothing."""
    for metric in sorted({key.metric for key in candidate}):
        keys = sorted(key for key in candidate.keys() & reference.keys() if key.metric == metric)
        tasks = sorted({key.task for key in keys})
        for task in (None, *(tasks if len(tasks) > 1 else ())):
            chosen = [key for key in keys if task in (None, key.task)]
            if not chosen or (task is not None and len(chosen) < _MINIMUM_ITEMS):
                continue
            scores, others = (
                np.array([each[key].score for key in chosen], dtype=np.float64) for each in (candidate, reference)
            )
            if scores.any() and others.any():
                yield metric, task, scores, others


def _differ_in_scale(metric: str, scores: Floats, others: Floats) -> bool:
    small, large = sorted((scores, others), key=lambda values: float(values.max()))
    if min(small.min(), large.min()) < 0 or not small.max() <= 1 < large.max() <= 100:
        return False
    if is_share(metric):
        return True
    ratio = float(large.max() / small.max())
    are_large = float(np.mean(large[large > 0] > 1)) >= _MOST
    if not are_large or len(scores) < _MINIMUM_ITEMS:
        return False
    are_fractions = float(np.mean((small > 0) & (small < 1))) > 0.5
    if metric.lower().startswith("judge"):
        return are_fractions and bool(large.min() >= 1)
    if has_two_scales(metric):
        return ratio >= _RATIO and (are_fractions or set(np.unique(small)) <= {0.0, 1.0})
    is_percentage = bool(large.max() > 10) and get_direction(metric) is None
    return is_percentage and ratio >= _RATIO and are_fractions


def _differ_in_sign(scores: Floats, others: Floats) -> bool:
    """Return whether all scores of one file are negative and all of the other positive."""
    if len(scores) < _MINIMUM_ITEMS or max(np.abs(scores).max(), np.abs(others).max()) > LARGEST_SCORE:
        return False
    return bool((scores.max() < 0 < others.min()) or (others.max() < 0 < scores.min()))


def _describe_range(scores: Floats) -> str:
    return _("between {low:g} and {high:g}", low=float(scores.min()), high=float(scores.max()))
