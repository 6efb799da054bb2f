"""Scores that cannot be scores of their metric, such as an accuracy of 5. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from seodang.gate.scores import Scores
from seodang.i18n import _
from seodang.metric_registry import get_range

_TOLERANCE = 1e-6  # rounding error of a loss of zero
LARGEST_SCORE = 1e100  # squares of larger scores, summed over the items, are beyond the range of a float


def iter_range_errors(scores: Scores, name: str, skipped: Collection[str] = ()) -> Iterator[str]:
    """Yield an error for each metric with a score outside its range, with the first such item.

    Args:
        scores: Of one model.
        name: Of the model in messages.
        skipped: Metrics that have another error.
    """
    reported = {*skipped}
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


def _describe_range(low: float, high: float) -> str:
    if high >= LARGEST_SCORE and low > -LARGEST_SCORE:
        return _("at {low:g} or above", low=low)
    if low <= -LARGEST_SCORE and high < LARGEST_SCORE:
        return _("at {high:g} or below", high=high)
    return _("between {low:g} and {high:g}", low=low, high=high)
