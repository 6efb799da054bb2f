"""Scores that cannot be scores of their metric, such as an accuracy of 5, or a percentage beside a share. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seodang.i18n import _
from seodang.metric_registry import get_range, is_share

if TYPE_CHECKING:
    from seodang.gate.scores import Scores

_TOLERANCE = 1e-6  # rounding error of a loss of zero
LARGEST_SCORE = 1e100  # squares of larger scores, summed over the items, are beyond the range of a float


def iter_range_errors(scores: Scores, name: str) -> Iterator[str]:
    """Yield an error for each metric with a score outside its range, with the first such item.

    Args:
        scores: Of one model.
        name: Of the model in messages.
    """
    reported = set()
    for key, score in sorted(scores.items()):
        low, high = (max(-LARGEST_SCORE, min(LARGEST_SCORE, end)) for end in get_range(key.metric))
        if low - _TOLERANCE <= score.score <= high + _TOLERANCE or key.metric in reported:
            continue
        reported.add(key.metric)
        yield _(
            "{name}: {metric} of {task}/{item} is {score:g}, but {metric} lies {range}; scale the scores of both models, "
            "or give the metric another name and higher_is_better",
            name=name,
            metric=key.metric,
            task=key.task,
            item=key.item,
            score=score.score,
            range=_describe_range(low, high),
        )


def iter_scale_errors(candidate: Scores, reference: Scores, against: str) -> Iterator[str]:
    """Yield an error for each share that one model gives from 0 to 1 and the other in percent.

    Args:
        candidate: Scores of the candidate.
        reference: Scores of the reference.
        against: Name of the reference in messages.
    """
    for metric in sorted({key.metric for key in candidate if is_share(key.metric)}):
        highest = [_find_highest(scores, metric) for scores in (candidate, reference)]
        if max(highest) > 1 and 0 < min(highest) <= 1:
            yield _(
                "{metric}: the highest score of the candidate is {candidate:g}, that of {against} {reference:g}; "
                "one is a share, the other a percentage: use one scale for both",
                metric=metric,
                candidate=highest[0],
                against=against,
                reference=highest[1],
            )


def _find_highest(scores: Scores, metric: str) -> float:
    return max((score.score for key, score in scores.items() if key.metric == metric), default=0.0)


def _describe_range(low: float, high: float) -> str:
    if high >= LARGEST_SCORE and low > -LARGEST_SCORE:
        return _("at {low:g} or above", low=low)
    return _("between {low:g} and {high:g}", low=low, high=high)
